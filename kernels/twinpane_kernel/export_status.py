"""Shows export requests on the author's screen. Reviewers' decisions are noted at the cells that asked; the strip says how far each is."""

from collections.abc import Iterable, Iterator

from twinpane_wire import messages as wire

from .cell_report import CellReport, ExportedReport
from .cells import Cell, Cells
from .strip_words import title_of

_WORDS = {
    "released": "released by {}",
    "submitted": "with the reviewers of {}",
    "changes": "changes asked for by {}",
    "rejected": "rejected by {}",
}


def note(cells: Cells, site: str, export: wire.Export, kept: Iterable[tuple[wire.ExportedItem, ExportedReport]]) -> Iterator[Cell]:
    """Note a site's decision at the cells that asked, and each kept item at its own cell. Returns the cells that changed."""
    for cell in cells:
        if export.request in cell.requests:
            cell.requests[export.request][site] = export.state.value
            yield cell
    for item, report in kept:
        of = cells.number(item.cell) if item.cell is not None else None
        if of is not None and export.request in of.requests and report not in of.exported:
            of.exported.append(report)
            yield of


def sentences(report: CellReport) -> list[str]:
    """One sentence per export request: how far it is at each site."""
    lines = []
    for request, states in report.requests.items():
        told = [
            words.format(", ".join(title_of(report, site) for site, at in states.items() if at == state))
            for state, words in _WORDS.items()
            if state in states.values()
        ]
        lines.append(f"export {request[:8]}: {'; '.join(told) or 'not with any site yet'}")
    return lines
