"""A crosstab as a grid: the pooled numbers first, each site's folded away below."""

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

from twinpane_broker.pooling import Pooled, PooledRow

from .show import SUPPRESSED, dimensions, heading, measures, part, total

if TYPE_CHECKING:
    from .results import Table


def grid(table: "Table") -> str:
    """Rows by columns of the two dimensions, pooled (of the one site where there is one only), then per site."""
    cells = table.cells
    if len(cells.released) == 1:
        return _one(cells, lambda row: part(cells, row, 0, cells.released[0]), "")
    folded = "".join(
        f"<details><summary>{escape(table.title(site))}</summary>{_one(cells, lambda row, at=site: part(cells, row, 0, at), '')}</details>"
        for site in cells.released
    )
    return _one(cells, lambda row: total(cells, row, 0), "pooled") + folded


def _one(cells: Pooled, shown: Callable[[PooledRow], str], name: str) -> str:
    rows = list(dict.fromkeys(row.key[0] for row in cells.rows))
    columns = list(dict.fromkeys(row.key[1] for row in cells.rows))
    at = {row.key: row for row in cells.rows}
    first, second = dimensions(cells)
    over = f'<th colspan="{len(columns)}" scope="colgroup">{escape(heading(second))}: {escape(heading(measures(cells)[0]))}'
    over += f", {escape(name)}</th>" if name else "</th>"
    head = f'<th class="g" scope="col">{escape(heading(first))}</th>'
    head += "".join(f'<th scope="col">{escape(column.text)}</th>' for column in columns)
    body = ""
    for row in rows:
        texts = [shown(at[row, column]) if (row, column) in at else "–" for column in columns]
        numbers = "".join(f'<td class="s">{text}</td>' if text == SUPPRESSED else f"<td>{escape(text)}</td>" for text in texts)
        body += f'<tr><th class="g" scope="row">{escape(row.text)}</th>{numbers}</tr>'
    return f"<table><thead><tr><td></td>{over}</tr><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
