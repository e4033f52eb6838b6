"""The strip as HTML: one line where one line says it, JupyterLab's colours, no script, everything escaped.

Site titles, file names and released text come from elsewhere: they are escaped, isolated from the text direction around them,
and cut where they are long. Colour only repeats what a symbol and a word say.
"""

import base64
import binascii
from dataclasses import replace
from html import escape

from twinpane_wire.types import Form

from . import export_status
from .cell_report import CellReport, ExportedReport, SiteReport, State
from .strip_words import MOVED, REAL, RELEASED, SYNTHETIC, Words, clean, meter, meter_matters, revealed, title_of, words

_FOLD = 6
"""More sites than this are counted by state instead of named one by one."""
_LINES = 60
"""Lines of a released text shown; the file is in the release folder whole."""

STYLE = """<style>
.twp{font:13px/1.5 var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-ui-font-color1,inherit);margin:2px 0 4px}
.twp p{display:flex;flex-wrap:wrap;gap:3px 6px;align-items:center;margin:0}
.twp-c{display:inline-flex;gap:5px;align-items:baseline;padding:0 8px;border:1px solid var(--jp-border-color2,#8885);border-radius:10px;
white-space:nowrap;max-width:100%;overflow:hidden;text-overflow:ellipsis;font-size:12px}
.twp-c b{font-weight:600}.twp-c i{font-style:normal;width:1.1em;text-align:center;font-weight:700}
.twp-m{font-size:11px;letter-spacing:.03em;padding:0 7px;border-radius:3px;white-space:nowrap}
.twp-s{font-size:12px;font-weight:600;
border:1px dashed var(--jp-warn-color1,#b26a00);background:color-mix(in srgb,var(--jp-warn-color1,#ef6c00) 12%,transparent)}
.twp-r{border:1px solid var(--jp-success-color1,#2e7d32)}
.twp-good i,.twp-r i{color:var(--jp-success-color1,#2e7d32)}.twp-bad i{color:var(--jp-error-color1,#c62828)}
.twp-held i{color:var(--jp-warn-color1,#b26a00)}.twp-wait i{color:var(--jp-info-color1,#0277bd)}.twp-m i{font-style:normal}
.twp table,.twp td,.twp tbody th{color:inherit}.twp table{border-collapse:collapse;margin:5px 0 2px!important;font-size:12px}
.twp th,.twp td{padding:2px 12px 2px 0!important;text-align:right!important;border:0!important;background:none!important;
border-bottom:1px solid var(--jp-border-color2,#8884)!important;font-variant-numeric:tabular-nums}
.twp th{font-weight:600}.twp thead th{color:var(--jp-ui-font-color2,inherit)}.twp tr>:first-child{text-align:left!important}
.twp-l{font-size:12px;color:var(--jp-ui-font-color2,inherit);margin-top:2px}
.twp figure{margin:8px 0 4px;padding:0}
.twp figcaption{font-size:12px;margin:0 0 3px;display:flex;flex-wrap:wrap;gap:3px 8px;align-items:center}
.twp img{max-width:100%;background:#fff;border:1px solid var(--jp-border-color2,#8885)}
.twp pre{margin:0;padding:6px 10px!important;max-height:320px;overflow:auto;border:1px solid var(--jp-border-color2,#8885);font-size:12px}
.twp code{font-size:11px;background:none!important;padding:0!important;color:inherit}
.twp summary{cursor:pointer;font-size:12px;color:var(--jp-ui-font-color2,inherit)}
.jp-OutputArea:has(.twp-old:not([open]))>.jp-OutputArea-child:has(>.jp-RenderedImage){display:none}
</style>"""


def html(report: CellReport) -> str:
    """The strip of a report that has something to say."""
    parts = [_head(report), _reveals(report), *(_line(line) for line in export_status.sentences(report)), *map(_item, _items(report))]
    if any(item.form is Form.png for item in report.exported):
        parts.append(
            '<details class="twp-old"><summary>The synthetic plot of this cell is put away while real ones are shown; '
            "open this line to see it again.</summary></details>"
        )
    parts += [_line(f"note: {note}") for note in report.notes]
    if meter_matters(report):
        parts.append(_line(meter(report)))
    return f'{STYLE}<div class="twp" role="group" aria-label="Twinpane: what the sites say of this cell">{"".join(parts)}</div>'


def _head(report: CellReport) -> str:
    chips = _chips(report)
    if report.outputs or report.real:
        chips.insert(0, _mark(report))
    return f"<p>{' '.join(chips)}</p>" if chips else ""


def _mark(report: CellReport) -> str:
    if report.real:
        return f'<span class="twp-m twp-r" title="{escape(REAL)}"><i aria-hidden="true">✓</i> real</span>'
    why = MOVED if report.interacted else SYNTHETIC
    return f'<span class="twp-m twp-s" title="{escape(why)}">synthetic</span>'


def _chips(report: CellReport) -> list[str]:
    released = {item.site for item in report.exported}
    if not report.sites:
        return [_chip("", Words("▷", "on the twin only", "No site got this cell, so nothing of it ran on real rows.", "wait"), "")]
    if all(site.state is State.rehearsal for site in report.sites):
        told = words(report.sites[0])
        return [_chip("", Words(told.symbol, "rehearsal, on the twin only", told.title, told.kind), "")]
    if len(report.named) <= _FOLD:
        return [_chip(title_of(report, site.site), words(site, site.site in released), _left(report, site)) for site in report.named]
    groups: dict[Words, list[SiteReport]] = {}
    for site in report.named:
        groups.setdefault(words(site, site.site in released), []).append(site)
    return [_group(told, [title_of(report, member.site) for member in members]) for told, members in groups.items()]


def _group(told: Words, titles: list[str]) -> str:
    if len(titles) == 1:
        return _chip(titles[0], told, "")
    return _chip(f"{len(titles)} sites", replace(told, text=told.text.replace("differs", "differ")), f" ({', '.join(titles)})")


def _left(report: CellReport, site: SiteReport) -> str:
    one = report.model_copy(update={"left": {k: v for k, v in report.left.items() if k == site.site}})
    return f" ({meter(one)})" if one.left else ""


def _chip(name: str, told: Words, more: str) -> str:
    label = f"<b>{_isolated(name)}</b> " if name else ""
    title = _attribute(f"{f'{name}: ' if name else ''}{told.title}{more}")
    return (
        f'<span class="twp-c twp-{told.kind}" title="{title}"><i aria-hidden="true">{told.symbol}</i> '
        f"<span>{label}{escape(told.text)}</span></span>"
    )


def _reveals(report: CellReport) -> str:
    if not report.reveals:
        return ""
    head = "".join(f'<th scope="col">{_isolated(title_of(report, site.site))}</th>' for site in report.sites)
    rows = "".join(
        f'<tr><th scope="row">{_isolated(reveal.name)}</th>'
        + "".join(_value(*revealed(report, reveal, site)) for site in report.sites)
        + "</tr>"
        for reveal in report.reveals
    )
    return f'<table aria-label="revealed"><thead><tr><th scope="col">revealed</th>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _value(text: str, why: str) -> str:
    return f'<td title="{escape(why)}">{escape(text)}</td>' if why else f"<td>{escape(text)}</td>"


def _items(report: CellReport) -> list[tuple[ExportedReport, str]]:
    return [(item, title_of(report, item.site)) for item in report.exported]


def _item(item_and_title: tuple[ExportedReport, str]) -> str:
    item, title = item_and_title
    caption = (
        f'<figcaption><b>{_isolated(title)}</b> <span class="twp-m twp-r" title="{escape(RELEASED)}">'
        f'<i aria-hidden="true">✓</i> real, released</span> {_isolated(item.name)} '
        f'<span title="SHA-256 {_attribute(item.sha256)}">receipt <code>{_attribute(item.sha256[:12])}</code></span></figcaption>'
    )
    return f"<figure>{caption}{_content(item, title)}</figure>"


def _content(item: ExportedReport, title: str) -> str:
    try:
        content = base64.b64decode(item.content, validate=True)
    except (binascii.Error, ValueError):
        return _line("This item cannot be read; look for it in the release folder.")
    if item.form is Form.png:
        if not content.startswith(b"\x89PNG\r\n\x1a\n"):
            return _line("This item is no PNG image; look for it in the release folder.")
        alt = _attribute(f"{item.name}, real, released by {title}")
        return f'<img alt="{alt}" src="data:image/png;base64,{base64.b64encode(content).decode()}">'
    lines = content.decode(errors="replace").splitlines()
    text = "\n".join(lines[:_LINES])[:20_000]
    rest = _line(f"{len(lines):,} lines in all; the whole is in the release folder.") if len(lines) > _LINES or len(text) == 20_000 else ""
    return f"<pre>{escape(text)}</pre>{rest}"


def _line(line: str) -> str:
    return f'<div class="twp-l">{_isolated(line, 400)}</div>'


def _isolated(text: str, most: int = 60) -> str:
    """Escaped, in its own text direction."""
    return f"<bdi>{escape(clean(text, most))}</bdi>"


def _attribute(text: str) -> str:
    return escape(clean(text, 400))
