"""A table of releases as HTML."""

from html import escape

from twinpane.style import STYLE
from twinpane_broker import around, persons_shown

from .captions import captions, costs, rules
from .crosstab_html import crosstab_html
from .table import Table, View
from .wide_long import Layout, layout
from .wording import SEE_SITES, SUPPRESSED, dimensions, measures


def html(table: Table) -> str:
    """The table with its captions below, and the rules and releases folded away."""
    return f'{STYLE}<div class="twp-t">{table_html(table)}{notes_html(table)}</div>'


def table_html(table: Table) -> str:
    """The table alone."""
    if table.view == View.crosstab and len(dimensions(table.cells)) == 2 and len(measures(table.cells)) == 1:
        return crosstab_html(table)
    return _lines(layout(table))


def notes_html(table: Table) -> str:
    """The captions, and the rules and releases folded away."""
    return "".join(f"<p>{escape(line)}</p>" for line in captions(table, short=True)) + details_html(table)


def details_html(table: Table) -> str:
    """All rules in words, and the releases' ids, folded away."""
    applied = "".join(
        f"<div>{escape(sites)}, {escape(policy)}:</div><ul>{''.join(f'<li>{escape(rule)}</li>' for rule in applied)}</ul>"
        for sites, policy, applied in rules(table)
    )
    ids = "".join(
        f"<div>{escape(table.title(site))}: release <code>{release.id}</code>, "
        f"snapshot {escape(release.snapshot)}{_persons(table, site)}</div>"
        for site, release in table.releases.items()
    )
    used = "".join(f"<div>{escape(table.title(site))}: {escape(words)}.</div>" for site, words in costs(table))
    return f"<details><summary>rules and releases</summary>{applied}{ids}{used}</details>"


def _persons(table: Table, site: str) -> str:
    release = table.releases[site]
    if release.persons is None:
        return ""
    return f", {persons_shown(release.persons, release.about, around(release.persons, table.cells.off[site]))} persons"


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
