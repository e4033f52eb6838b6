"""A crosstab as a grid: the pooled numbers first, each site's folded away below."""

from collections.abc import Callable
from html import escape

from .merge import Line, Merged
from .show import SUPPRESSED, cell, heading, total


def grid(merged: Merged) -> str:
    """Rows by columns of the two dimensions, pooled (of the one site where there is one only), then per site."""
    kind = merged.measures[0].kind
    if len(merged.sites) == 1:
        return _one(merged, lambda line: cell(line.values[0][merged.sites[0]], kind), "")
    folded = "".join(
        f"<details><summary>{escape(site)}</summary>{_one(merged, lambda line, s=site: cell(line.values[0][s], kind), '')}</details>"
        for site in merged.sites
    )
    return _one(merged, lambda line: total(line.pooled[0], kind), "pooled") + folded


def _one(merged: Merged, shown: Callable[[Line], str], name: str) -> str:
    rows = list(dict.fromkeys(line.key[0] for line in merged.lines))
    columns = list(dict.fromkeys(line.key[1] for line in merged.lines))
    at = {line.key: line for line in merged.lines}
    first, second = merged.dimensions
    corner = f'<th class="g" scope="col">{escape(heading(first))}</th>'
    over = f'<th colspan="{len(columns)}" scope="colgroup">{escape(heading(second))}: {escape(heading(merged.measures[0]))}'
    over += f", {escape(name)}</th>" if name else "</th>"
    head = "".join(f'<th scope="col">{escape(column.text)}</th>' for column in columns)
    body = ""
    for row in rows:
        texts = [shown(at[row, column]) if (row, column) in at else "–" for column in columns]
        cells = "".join(f'<td class="s">{t}</td>' if t == SUPPRESSED else f"<td>{escape(t)}</td>" for t in texts)
        body += f'<tr><th class="g" scope="row">{escape(row.text)}</th>{cells}</tr>'
    return f"<table><thead><tr><td></td>{over}</tr><tr>{corner}{head}</tr></thead><tbody>{body}</tbody></table>"
