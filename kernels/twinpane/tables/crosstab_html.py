"""A crosstab as a grid: the pooled numbers first, each site's folded away below. Totals are in the last row and column."""

from collections.abc import Callable
from functools import partial
from html import escape

from twinpane_broker import CategoryKind, Pooled, PooledRow, around, marked, persons_shown, span

from .table import Table
from .wording import PARTLY, SUPPRESSED, dimensions, heading, measures, part, total


def crosstab_html(table: Table) -> str:
    """A grid of the two dimensions for the pooled numbers, then one per site; only the site's where there is one site."""
    cells = table.cells
    if len(cells.released) == 1:
        return _one(cells, lambda row: _own(cells, row, cells.released[0]), "")
    folded = "".join(
        f"<details><summary>{escape(table.title(site))}</summary>{_one(cells, partial(_own, cells, site=site), '')}</details>"
        for site in cells.released
    )
    return _one(cells, lambda row: _pooled(cells, row), "pooled") + folded


def _own(cells: Pooled, row: PooledRow, site: str) -> str:
    shown, own = part(cells, row, 0, site), row.sites[site]
    if measures(cells)[0].kind == "share" and own is not None and not own.values[0].suppressed and (over := own.values[0].n) is not None:
        return _with_share(persons_shown(over, own.about, around(over, cells.off[site])), shown)
    return shown


def _pooled(cells: Pooled, row: PooledRow) -> str:
    shown, value = total(cells, row, 0), row.values[0]
    if measures(cells)[0].kind == "share" and value.value is not None:
        over = sum(own.values[0].n or 0 for site, own in row.sites.items() if own is not None and site not in value.without)
        within = f" ({span(row.persons.within)})" if row.persons.within is not None else ""
        plain = shown.removesuffix(PARTLY)
        return _with_share(marked(f"{over:,}", row.persons.about) + within, plain) + shown[len(plain) :] if over else shown
    return shown


def _with_share(persons: str, share: str) -> str:
    return f"{persons}, {share}" if "(" in share or "(" in persons else f"{persons} ({share})"


def _one(cells: Pooled, shown: Callable[[PooledRow], str], name: str) -> str:
    rows = list(dict.fromkeys(row.key[0] for row in cells.rows))
    columns = list(dict.fromkeys(row.key[1] for row in cells.rows))
    at = {row.key: row for row in cells.rows}
    first, second = dimensions(cells)
    over = f'<th colspan="{len(columns)}" scope="colgroup">{escape(heading(second))}: {escape(_measure(cells))}'
    over += f", {escape(name)}</th>" if name else "</th>"
    head = f'<th class="g" scope="col">{escape(heading(first))}</th>'
    head += "".join(f'<th{_total(column.kind, "p")} scope="col">{escape(column.text)}</th>' for column in columns)
    body = ""
    for row in rows:
        texts = [shown(at[row, column]) if (row, column) in at else "–" for column in columns]
        numbers = ""
        for column, text in zip(columns, texts, strict=True):
            marks = [mark for mark, holds in (("p", column.kind is CategoryKind.total), ("s", text == SUPPRESSED)) if holds]
            numbers += f'<td class="{" ".join(marks)}">{escape(text)}</td>' if marks else f"<td>{escape(text)}</td>"
        body += f'<tr{_total(row.kind, "t b")}><th class="g" scope="row">{escape(row.text)}</th>{numbers}</tr>'
    return f"<table><thead><tr><td></td>{over}</tr><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _measure(cells: Pooled) -> str:
    measure = measures(cells)[0]
    return "persons (share)" if measure.kind == "share" else heading(measure)


def _total(kind: CategoryKind, name: str) -> str:
    return f' class="{name}"' if kind is CategoryKind.total else ""
