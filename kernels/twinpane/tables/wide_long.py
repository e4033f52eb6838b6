"""Lay a table of releases out as lines of text: wide, with a column per measure and site, or long, with a line per cell and site."""

from dataclasses import dataclass

from twinpane_broker import Pooled, PooledRow

from .table import Table, View
from .wording import NOT_SAID, NOT_THERE, PARTLY, ROWS, SUPPRESSED, basis, dimensions, heading, measures, missing, part, total

WIDE = 8
"""Columns of numbers in the wide layout, at most; a table with more is laid out long."""


@dataclass(frozen=True)
class Layout:
    """The texts to show; every line has as many as ``head``."""

    head: list[str]
    body: list[list[str]]
    left: int
    """Columns of words, before the numbers."""
    over: list[tuple[str, int]]
    """A line above the heading: each text, and how many columns it spans; empty where there is no such line."""
    totals: list[bool]
    """Whether each line is a total."""
    pooled_columns: frozenset[int] = frozenset()
    pooled_lines: frozenset[int] = frozenset()


def pools(table: Table) -> bool:
    """Whether there are pooled numbers to show: several sites, and a measure that can be pooled."""
    return len(table.cells.released) > 1 and any(measure.kind != "quantile" for measure in measures(table.cells))


def layout(table: Table) -> Layout:
    """The layout in which the table is easiest to read."""
    sites = len(table.cells.released) + pools(table)
    numbers = len(measures(table.cells))
    long = table.view == View.describe or (numbers > 1 and numbers * sites > WIDE)
    return _long(table) if long else _wide(table)


def _wide(table: Table) -> Layout:
    cells = table.cells
    names = [heading(column) for column in dimensions(cells)]
    several = pools(table)
    columns = [table.title(site) for site in cells.released] + (["pooled"] if several else [])
    head, over = list(names), [("", len(names))] if names else []
    for measure in measures(cells):
        over.append((heading(measure), len(columns)))
        head += columns
    body = []
    for row in cells.rows[:ROWS]:
        texts = [category.text for category in row.key]
        for place in range(len(row.values)):
            texts += [part(cells, row, place, site) for site in cells.released]
            texts += [total(cells, row, place)] if several else []
        body.append(texts)
    last = frozenset(i for i in range(len(names), len(head)) if several and (i - len(names)) % len(columns) == len(columns) - 1)
    return Layout(head, body, len(names), over, [row.is_total for row in cells.rows[:ROWS]], last)


def _long(table: Table) -> Layout:
    cells = table.cells
    told = table.view == View.describe
    weighed = told and any(own is not None and basis(own.values[0]) for row in cells.rows for own in row.sites.values())
    names = [heading(column) for column in dimensions(cells)]
    head = [*names, "site", *(["values"] if weighed else []), *(_short(table) if told else map(heading, measures(cells)))]
    over = [("", len(names) + 1), (described(table), len(head) - len(names) - 1)] if told else []
    body: list[list[str]] = []
    totals: list[bool] = []
    pooled_lines: set[int] = set()
    places = range(len(measures(cells)))
    for row in cells.rows[:ROWS]:
        key = [category.text for category in row.key]
        for site in cells.released:
            weight = [_values(row, site)] if weighed else []
            body.append([*key, table.title(site), *weight, *(part(cells, row, place, site) for place in places)])
        if pools(table):
            pooled_lines.add(len(body))
            weight = [_pooled_values(cells, row)] if weighed else []
            body.append([*key, "pooled", *weight, *(total(cells, row, place) for place in places)])
        totals += [row.is_total] * (len(body) - len(totals))
    return Layout(head, body, len(names) + 1, over, totals, pooled_lines=frozenset(pooled_lines))


def _values(row: PooledRow, site: str) -> str:
    """Over how many values a site's first number is; a word where the site does not say."""
    own = row.sites[site]
    if own is None or own.lacks(0):
        return NOT_THERE
    return SUPPRESSED if own.values[0].suppressed else basis(own.values[0]) or NOT_SAID


def _pooled_values(cells: Pooled, row: PooledRow) -> str:
    """The sum of what the sites say, marked where a site's part is missing; a word where none says it."""
    weights = [own.values[0].n for own in row.sites.values() if own is not None and own.values[0].n is not None]
    if not weights:
        return total(cells, row, 0) if row.values[0].value is None else NOT_SAID
    return f"{sum(weights):,}{PARTLY if missing(cells, row, 0) else ''}"


def _short(table: Table) -> list[str]:
    """The names of a description's measures without their column, which is the same for all."""
    return [f"{measure.percent} %" if measure.percent else str(measure.kind) for measure in table.plan.measures]


def described(table: Table) -> str:
    """The column that a description describes, with its unit."""
    column = measures(table.cells)[0]
    name = (table.plan.measures[0].column or "").rpartition(".")[2]
    return name + (f" ({column.unit})" if column.unit else "")
