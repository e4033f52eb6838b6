"""A table of releases as calm HTML and as aligned text."""

from html import escape
from typing import TYPE_CHECKING

from .layout import Layout, layout
from .wording import SEE_SITES, SUPPRESSED, captions, dimensions, measures, number, rules

if TYPE_CHECKING:
    from .results import Table

STYLE = """<style>
.twp-t{font:13px/1.45 var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-ui-font-color1,inherit);overflow-x:auto;max-width:100%}
.twp-t table{border-collapse:collapse;margin:2px 0 6px!important;color:var(--jp-ui-font-color1,inherit)}
.twp-t table{font-size:13px;font-variant-numeric:tabular-nums}
.twp-t th,.twp-t td{padding:3px 10px!important;text-align:right!important;border:0!important;background:none!important;color:inherit}
.twp-t thead th{font-weight:600}.twp-t th[colspan]{text-align:center!important}
.twp-t thead tr:last-child th{border-bottom:1px solid var(--jp-ui-font-color2,#888)!important}
.twp-t tbody tr+tr>*{border-top:1px solid var(--jp-border-color2,#8884)!important}
.twp-t .g{text-align:left!important;font-weight:400;white-space:nowrap}
.twp-t .p{font-weight:600;border-left:1px solid var(--jp-border-color2,#8886)!important}
.twp-t .f{white-space:normal}
.twp-t .b>*{font-weight:600}
.twp-t tr.t>*{border-top:1px solid var(--jp-ui-font-color2,#888)!important}.twp-t tr.t+tr.t>*{border-top-width:0!important}
.twp-t .s{font-style:italic;font-weight:400;color:var(--jp-ui-font-color2,inherit)}
.twp-t p,.twp-t details{margin:0 0 2px;font-size:12px;color:var(--jp-ui-font-color2,inherit)}
.twp-t summary{cursor:pointer}.twp-t ul{margin:0 0 3px;padding-left:18px}
.twp-t code{font-size:11px;color:inherit;background:none!important;padding:0!important}
</style>"""


def text(table: "Table") -> str:
    """The table as aligned text with its captions."""
    made = layout(table)
    widths = [max(len(line[i]) for line in (made.head, *made.body)) for i in range(len(made.head))]
    place = 0
    for over, span in made.over:  # a heading over several columns needs their room together
        if place >= made.left:
            widths[place] += max(0, len(over) - (sum(widths[place : place + span]) + 2 * (span - 1)))
        place += span

    def aligned(line: list[str]) -> str:
        texts = (t.ljust(w) if i < made.left else t.rjust(w) for i, (t, w) in enumerate(zip(line, widths, strict=True)))
        return "  ".join(texts).rstrip()

    above, place = [], 0
    for over, span in made.over:
        above.append(over.rjust(sum(widths[place : place + span]) + 2 * (span - 1)))
        place += span
    first = ["  ".join(above).rstrip()] if above else []
    return "\n".join([*first, aligned(made.head), *map(aligned, made.body), "", *captions(table)])


def html(table: "Table") -> str:
    """The table with captions below it, and rules and releases folded away."""
    return f'{STYLE}<div class="twp-t">{table_html(table)}{notes_html(table)}</div>'


def table_html(table: "Table") -> str:
    """The table alone."""
    if table.view == "crosstab" and len(dimensions(table.cells)) == 2 and len(measures(table.cells)) == 1:
        from .grid import grid

        return grid(table)
    return _lines(layout(table))


def notes_html(table: "Table") -> str:
    """The captions, and the rules and releases folded away."""
    return "".join(f"<p>{escape(line)}</p>" for line in captions(table, short=True)) + details_html(table)


def details_html(table: "Table") -> str:
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


def _lines(made: Layout) -> str:
    over = "".join(
        f'<td colspan="{span}"></td>' if not text and place == 0 else f'<th colspan="{span}" scope="colgroup">{escape(text)}</th>'
        for place, (text, span) in enumerate(made.over)
    )
    head = "".join(f'<th{_kind(made, i)} scope="col">{escape(name)}</th>' for i, name in enumerate(made.head))
    body = "".join(
        f"<tr{_line_kind(made, number)}>{''.join(_cell(made, i, shown) for i, shown in enumerate(line))}</tr>"
        for number, line in enumerate(made.body)
    )
    above = f"<tr>{over}</tr>" if over else ""
    return f"<table><thead>{above}<tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(made: Layout, place: int, shown: str) -> str:
    if place < made.left:
        return f'<th class="g" scope="row">{escape(shown)}</th>'
    return f"<td{_kind(made, place, shown)}>{escape(shown)}</td>"


def _kind(made: Layout, place: int, shown: str = "") -> str:
    if place < made.left:
        return ' class="g"'
    kinds = [name for name, holds in (("p", place in made.pooled_columns), ("s", shown in (SUPPRESSED, SEE_SITES))) if holds]
    return f' class="{" ".join(kinds)}"' if kinds else ""


def _line_kind(made: Layout, line: int) -> str:
    kinds = [name for name, holds in (("t", made.totals[line]), ("b", line in made.pooled_lines)) if holds]
    return f' class="{" ".join(kinds)}"' if kinds else ""
