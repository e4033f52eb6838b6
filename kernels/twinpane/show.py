"""A table of releases as calm HTML and as aligned text. What is suppressed is said in a word, never by colour alone."""

from html import escape
from typing import TYPE_CHECKING

from twinpane_broker.pooling import MEAN_DIGITS, Pooled, PooledRow
from twinpane_broker.release import ReleasedColumn

if TYPE_CHECKING:
    from .results import Table

SUPPRESSED = "suppressed"
PARTLY = "*"
"""After a pooled number that lacks a site's part."""
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
.twp-t .g{text-align:left!important;font-weight:400;white-space:nowrap}
.twp-t .p{font-weight:600;border-left:1px solid var(--jp-border-color2,#8886)!important}
.twp-t .s{font-style:italic;font-weight:400;color:var(--jp-ui-font-color2,inherit)}
.twp-t p,.twp-t details{margin:0 0 2px;font-size:12px;color:var(--jp-ui-font-color2,inherit)}
.twp-t summary{cursor:pointer}.twp-t ul{margin:0 0 3px;padding-left:18px}
.twp-t code{font-size:11px;color:inherit;background:none!important;padding:0!important}
</style>"""


def number(value: int | float | None, kind: str) -> str:
    """``1,230`` for counts, ``6.80`` with the 3 significant digits that are released for means, ``suppressed`` for None."""
    if value is None:
        return SUPPRESSED
    if kind != "mean":
        return f"{int(value):,}"
    exponent = int(f"{value:e}".partition("e")[2])
    shown = f"{value:,.{max(0, MEAN_DIGITS - 1 - exponent)}f}"
    return shown if -5 < exponent < 12 and float(shown.replace(",", "")) == value else f"{value:,.12g}"


def part(cells: Pooled, row: PooledRow, place: int, site: str) -> str:
    """One site's number of a measure; a dash where the site has no such category."""
    own = row.sites[site]
    return "–" if own is None else number(own.values[place].value, measures(cells)[place].kind)


def total(cells: Pooled, row: PooledRow, place: int) -> str:
    """The pooled number, marked where the part of a site of this table is missing from it."""
    value = row.values[place]
    shown = number(value.value, measures(cells)[place].kind)
    return shown + (PARTLY if value.value is not None and _lacking(cells, row, place) else "")


def _lacking(cells: Pooled, row: PooledRow, place: int) -> bool:
    return any(site in cells.released for site in row.values[place].without)


def measures(cells: Pooled) -> list[ReleasedColumn]:
    """Columns of numbers."""
    return [column for column in cells.columns if column.is_measure]


def dimensions(cells: Pooled) -> list[ReleasedColumn]:
    """Columns of categories."""
    return [column for column in cells.columns if not column.is_measure]


def heading(column: ReleasedColumn) -> str:
    """A column's name, with its unit."""
    return column.name + (f" ({column.unit})" if column.unit else "")


def rules(table: "Table") -> list[tuple[str, str, list[str]]]:
    """Sites by the rules they applied: the sites, the rules' version, the rules in words."""
    by_rules: dict[tuple[str, ...], list[str]] = {}
    for site, release in table.releases.items():
        by_rules.setdefault((release.policy, *release.rules), []).append(table.title(site))
    return [
        (_and(sites), policy, [rule[:1].lower() + rule[1:].rstrip(".") for rule in applied])
        for (policy, *applied), sites in by_rules.items()
    ]


def captions(table: "Table", short: bool = False) -> list[str]:
    """Which rules were applied where (the first alone when ``short``), what is partly missing, and which sites are missing and why."""
    lines = []
    for sites, policy, applied in rules(table):
        told, named = applied[:1] if short else applied, policy.partition("/")[0]
        lines.append(f"Released by {sites} under {f'rules {named}' if short else policy}{': ' if told else ''}{'; '.join(told)}.")
    if any(total(table.cells, row, i).endswith(PARTLY) for row in table.cells.rows for i in range(len(row.values))):
        lines.append(f"{PARTLY} without the part of a site that suppressed it or has no such category.")
    absent = [f"{table.title(site)} ({why})" for site, why in table.missing.items()]
    absent += [f"{table.title(site)} ({refusal.reason.rstrip('.')})" for site, refusal in table.refusals.items()]
    if absent:
        lines.append(f"Not in this table: {'; '.join(absent)}.")
    if len(table.cells.rows) > ROWS:
        lines.append(f"{len(table.cells.rows):,} rows, the first {ROWS} shown; .frame() has them all.")
    return lines


def rows(table: "Table") -> tuple[list[list[str]], list[list[str]]]:
    """Two lines of heading (measures, then sites) and the body, as texts; all lines have the same length."""
    cells = table.cells
    names = [heading(column) for column in dimensions(cells)]
    columns = [table.title(site) for site in cells.released] + (["pooled"] if len(cells.released) > 1 else [])
    top, below = [""] * len(names), list(names)
    for measure in measures(cells):
        top += [heading(measure), *[""] * (len(columns) - 1)]
        below += columns
    body = []
    for row in cells.rows[:ROWS]:
        texts = [category.text for category in row.key]
        for place in range(len(row.values)):
            texts += [part(cells, row, place, site) for site in cells.released]
            texts += [total(cells, row, place)] if len(cells.released) > 1 else []
        body.append(texts)
    return [top, below], body


def text(table: "Table") -> str:
    """The table as aligned text with its captions."""
    (top, below), body = rows(table)
    left = len(dimensions(table.cells))
    widths = [max(len(line[i]) for line in (below, *body)) for i in range(len(below))]
    per = len(table.cells.released) + (len(table.cells.released) > 1)
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
    if table.grid and len(dimensions(table.cells)) == 2 and len(measures(table.cells)) == 1:
        from .grid import grid

        body = grid(table)
    else:
        body = _flat(table)
    notes = "".join(f"<p>{escape(line)}</p>" for line in captions(table, short=True))
    return f'{STYLE}<div class="twp-t">{body}{notes}{_details(table)}</div>'


def _details(table: "Table") -> str:
    """All rules in words, and the releases' ids, folded away."""
    applied = "".join(
        f"<div>{escape(sites)}, {escape(policy)}:</div><ul>{''.join(f'<li>{escape(rule)}</li>' for rule in applied)}</ul>"
        for sites, policy, applied in rules(table)
    )
    ids = "".join(
        f"<div>{escape(table.title(site))}: release <code>{release.id}</code>, snapshot {escape(release.snapshot)}"
        f"{', ' + number(release.persons, 'count') + ' persons' if release.persons is not None else ''}</div>"
        for site, release in table.releases.items()
    )
    return f"<details><summary>rules and releases</summary>{applied}{ids}</details>"


def _flat(table: "Table") -> str:
    cells = table.cells
    (_, below), body = rows(table)
    left = len(dimensions(cells))
    per = len(cells.released) + (len(cells.released) > 1)
    head = f'<td colspan="{left}"></td>' if left else ""
    head += "".join(f'<th colspan="{per}" scope="colgroup">{escape(heading(measure))}</th>' for measure in measures(cells))
    names = "".join(f'<th{_kind(i, left, per)} scope="col">{escape(name)}</th>' for i, name in enumerate(below))
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
