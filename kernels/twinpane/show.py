"""A table of releases as calm HTML and as aligned text. What is suppressed is said in a word, never by colour alone."""

from html import escape
from typing import TYPE_CHECKING

from twinpane_broker.release import ReleasedColumn, Value

from .merge import Merged, Pooled

if TYPE_CHECKING:
    from .results import Table

SUPPRESSED = "suppressed"
PARTLY = "*"
"""After a pooled number that lacks a site's suppressed part."""
ROWS = 200
"""Rows shown; ``frame()`` has them all."""

STYLE = """<style>
.twp-t{font:13px/1.45 var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-ui-font-color1,inherit);overflow-x:auto;max-width:100%}
.twp-t table{border-collapse:collapse;margin:2px 0 6px!important;color:var(--jp-ui-font-color1,inherit)}
.twp-t table{font-size:13px;font-variant-numeric:tabular-nums}
.twp-t th,.twp-t td{padding:3px 12px!important;text-align:right!important;border:0!important;background:none!important;color:inherit}
.twp-t thead th{font-weight:600}.twp-t th[colspan]{text-align:center!important}
.twp-t thead tr:last-child th{border-bottom:1px solid var(--jp-ui-font-color2,#888)!important}
.twp-t tbody tr+tr>*{border-top:1px solid var(--jp-border-color2,#8884)!important}
.twp-t .g{text-align:left!important;font-weight:400}.twp-t .p{font-weight:600;border-left:1px solid var(--jp-border-color2,#8886)!important}
.twp-t .s{font-style:italic;font-weight:400;color:var(--jp-ui-font-color2,inherit)}
.twp-t p,.twp-t details{margin:0 0 2px;font-size:12px;color:var(--jp-ui-font-color2,inherit)}
.twp-t summary{cursor:pointer}.twp-t code{font-size:11px;color:inherit;background:none}
</style>"""


def number(value: int | float | None, kind: str) -> str:
    """``1,230`` for counts, up to 3 significant digits as released for means, ``suppressed`` for None."""
    if value is None:
        return SUPPRESSED
    return f"{value:,.12g}" if kind == "mean" else f"{int(value):,}"


def cell(value: Value | None, kind: str) -> str:
    """One site's number; a dash where the site has no such cell."""
    return "–" if value is None else number(value.value, kind)


def total(pooled: Pooled, kind: str) -> str:
    """The pooled number, marked where a site's part is suppressed."""
    return number(pooled.value, kind) + (PARTLY if pooled.value is not None and pooled.without else "")


def heading(column: ReleasedColumn) -> str:
    """A column's name, with its unit."""
    return column.name + (f" ({column.unit})" if column.unit else "")


def captions(table: "Table") -> list[str]:
    """Which rules were applied where, what is suppressed or partly missing, and which sites are missing and why."""
    lines = []
    by_rules: dict[tuple[str, ...], list[str]] = {}
    for site, release in table.releases.items():
        by_rules.setdefault((*release.rules, release.policy), []).append(site)
    for (*rules, policy), sites in by_rules.items():
        lines.append(f"Released by {_and(sites)} under {policy}{': ' if rules else ''}{'; '.join(rule.rstrip('.') for rule in rules)}.")
    if any(pooled.value is not None and pooled.without for line in table.merged.lines for pooled in line.pooled):
        lines.append(f"{PARTLY} pooled without a suppressed part.")
    absent = [f"{site} ({why})" for site, why in table.missing.items()]
    absent += [f"{site} ({refusal.reason.rstrip('.')})" for site, refusal in table.refusals.items()]
    if absent:
        lines.append(f"Not in this table: {'; '.join(absent)}.")
    if len(table.merged.lines) > ROWS:
        lines.append(f"{len(table.merged.lines):,} rows, the first {ROWS} shown; .frame() has them all.")
    return lines


def rows(merged: Merged) -> tuple[list[list[str]], list[list[str]]]:
    """Two lines of heading (measures, then sites) and the body, as texts; all lines have the same length."""
    dimensions = [heading(column) for column in merged.dimensions]
    columns = [*merged.sites, "pooled"] if len(merged.sites) > 1 else list(merged.sites)
    top, below = [""] * len(dimensions), list(dimensions)
    for measure in merged.measures:
        top += [heading(measure), *[""] * (len(columns) - 1)]
        below += columns
    body = []
    for line in merged.lines[:ROWS]:
        texts = [category.text for category in line.key]
        for measure, values, pooled in zip(merged.measures, line.values, line.pooled, strict=True):
            texts += [cell(values[site], measure.kind) for site in merged.sites]
            texts += [total(pooled, measure.kind)] if len(merged.sites) > 1 else []
        body.append(texts)
    return [top, below], body


def text(table: "Table") -> str:
    """The table as aligned text with its captions."""
    (top, below), body = rows(table.merged)
    left = len(table.merged.dimensions)
    widths = [max(len(line[i]) for line in (below, *body)) for i in range(len(below))]
    per = len(table.merged.sites) + (len(table.merged.sites) > 1)
    for i in range(left, len(top), per):  # a heading over several columns needs their room together
        lack = len(top[i]) - (sum(widths[i : i + per]) + 2 * (per - 1))
        widths[i] += max(0, lack)

    def aligned(line: list[str]) -> str:
        return "  ".join(t.ljust(w) if i < left else t.rjust(w) for i, (t, w) in enumerate(zip(line, widths, strict=True))).rstrip()

    spans = [sum(widths[i : i + per]) + 2 * (per - 1) for i in range(left, len(top), per)]
    over = "  ".join([*("".ljust(w) for w in widths[:left]), *(top[left + i * per].rjust(span) for i, span in enumerate(spans))])
    return "\n".join([over.rstrip(), aligned(below), *map(aligned, body), "", *captions(table)])


def html(table: "Table") -> str:
    """The table with captions below it, and the releases' ids folded away."""
    if table.grid and len(table.merged.dimensions) == 2 and len(table.merged.measures) == 1:
        from .grid import grid

        body = grid(table.merged)
    else:
        body = _flat(table.merged)
    notes = "".join(f"<p>{escape(line)}</p>" for line in captions(table))
    ids = "".join(
        f"<div>{escape(site)}: release <code>{release.id}</code>, snapshot {escape(release.snapshot)}"
        f"{', ' + number(release.persons, 'count') + ' persons' if release.persons is not None else ''}</div>"
        for site, release in table.releases.items()
    )
    return f'{STYLE}<div class="twp-t">{body}{notes}<details><summary>releases</summary>{ids}</details></div>'


def _flat(merged: Merged) -> str:
    (_, below), body = rows(merged)
    left = len(merged.dimensions)
    per = len(merged.sites) + (len(merged.sites) > 1)
    head = f'<td colspan="{left}"></td>' if left else ""
    head += "".join(f'<th colspan="{per}" scope="colgroup">{escape(heading(measure))}</th>' for measure in merged.measures)
    names = "".join(
        f'<th{_kind(i, left, per)} scope="col">{escape(name)}</th>' for i, name in enumerate(below)
    )
    lines = "".join(f"<tr>{''.join(_body_cell(i, left, per, shown) for i, shown in enumerate(line))}</tr>" for line in body)
    return f"<table><thead><tr>{head}</tr><tr>{names}</tr></thead><tbody>{lines}</tbody></table>"


def _body_cell(place: int, left: int, per: int, shown: str) -> str:
    if place < left:
        return f'<th class="g" scope="row">{escape(shown)}</th>'
    return f"<td{_kind(place, left, per, shown)}>{escape(shown)}</td>"


def _kind(place: int, left: int, per: int, shown: str = "") -> str:
    if place < left:
        return ' class="g"'
    kinds = [name for name, holds in (("p", per > 1 and (place - left) % per == per - 1), ("s", shown == SUPPRESSED)) if holds]
    return f' class="{" ".join(kinds)}"' if kinds else ""


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
