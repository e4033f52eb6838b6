"""The strip under a cell. It shows each site's state as a MIME bundle that any notebook client can display."""

from typing import Any

from . import export_status
from .cell_report import CellReport, State
from .strip_html import html
from .strip_words import clean, meter, meter_matters, revealed, title_of, words

MIME = "application/vnd.twinpane.cell.v1+json"
"""The report itself, for clients that draw strips of their own, and for programs that read saved notebooks."""

DISPLAY = "twinpane-"
"""How the ids of the pane's displays begin, and of no display of a kernel."""

NOTHING = (
    '<div class="twinpane-none" hidden style="display:none"></div>'
    "<style>.jp-OutputArea-child:has(> .jp-OutputArea-output .twinpane-none){display:none}"
    ".jp-Cell-outputWrapper:has(.twinpane-none):not(:has(.jp-OutputArea-child~.jp-OutputArea-child)){display:none}</style>"
)
"""Takes no room, and neither does JupyterLab's output area around it, nor its wrapper where it is all there is."""

_QUIET = (State.same, State.spent, State.refused, State.rehearsal)


def empty(report: CellReport) -> bool:
    """Whether there is nothing to say: no output to mark, no site at work or failing, nothing revealed, asked for or noted.

    An error that is the same at every site needs no mark either: it stands alone, as in any notebook.
    """
    marked = report.outputs and not (report.error and report.real)
    if marked or report.reveals or report.exported or report.requests or report.notes:
        return False
    return all(site.state in _QUIET for site in report.sites)


def bundle(report: CellReport) -> dict[str, Any]:
    """The report as JSON, as HTML for light and dark themes, and as plain text; a bundle that takes no room when it is ``empty``."""
    if empty(report):
        return {MIME: report.model_dump(mode="json"), "text/html": NOTHING, "text/plain": ""}
    return {MIME: report.model_dump(mode="json"), "text/html": html(report), "text/plain": plain(report)}


def plain(report: CellReport) -> str:
    """The strip in words alone: ``[synthetic] Site A: differs, held · Site B: running`` and a line for each thing more."""
    released = {item.site for item in report.exported}
    sites = " · ".join(f"{title_of(report, s.site)}: {words(s, s.site in released).text}" for s in report.named)
    mark = "[real]" if report.real else "[synthetic]" if report.outputs else ""
    if not report.sites:
        sites = "on the twin only"
    elif all(s.state is State.rehearsal for s in report.sites):
        sites = "rehearsal, on the twin only"
    lines = [" ".join(part for part in (mark, sites) if part)]
    for reveal in report.reveals:
        values = " · ".join(f"{title_of(report, s.site)} {revealed(report, reveal, s)[0]}" for s in report.sites)
        lines.append(f"{clean(reveal.name)}: {values}")
    lines += export_status.sentences(report)
    lines += [f"released by {title_of(report, item.site)}: {clean(item.name)} (receipt {item.sha256[:12]})" for item in report.exported]
    lines += [f"note: {clean(note, 400)}" for note in report.notes]
    if meter_matters(report):
        lines.append(meter(report))
    return "\n".join(line for line in lines if line)
