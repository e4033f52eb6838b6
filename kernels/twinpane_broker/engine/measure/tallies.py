"""The results of one pass over the rows, by cell: rows, values, sums, extremes. They do not say which persons the rows belong to."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from twinpane_broker.engine.sql.runner import Runner
from twinpane_broker.engine.sql.statement import Question, bins_sql, cells_sql

Cell = tuple[int, ...]


@dataclass
class Values:
    """One measure in one cell. The parts of a sum stay separate until the end, so that their order does not matter."""

    values: int = 0
    totals: list[float] = field(default_factory=list)
    low: float = math.inf
    """The smallest value, or a number below it if the values differ (``ends``); and so ``high``."""
    high: float = -math.inf
    squares: list[float] | None = None
    bins: list[int] = field(default_factory=list)
    """Empty where no quantile is asked for."""

    @property
    def total(self) -> float:
        """Sum of the values."""
        return math.fsum(self.totals)


@dataclass
class Pairs:
    """Two measures in one cell, over the rows that have both: their number, and the five sums around the middles."""

    values: int = 0
    sums: tuple[list[float], ...] = field(default_factory=lambda: ([], [], [], [], []))


@dataclass
class Tally:
    """One cell."""

    rows: int = 0
    values: tuple[Values, ...] = ()
    pairs: tuple[Pairs, ...] = ()


def tallies(question: Question, runner: Runner, *, one_value: bool = False) -> dict[Cell, Tally]:
    """The cells that have a row. With ``one_value``, low and high are any values of a cell."""
    bound = question.bound
    found: dict[Cell, Tally] = {}
    for row in runner.rows(*cells_sql(question, one_value=one_value)):
        parts = iter(row)
        cell = _cell(question, parts)
        tally = found.get(cell)
        if tally is None:
            measures = tuple(Values(squares=[] if bound.needs_squares(name) else None) for name in bound.value_columns)
            tally = found[cell] = Tally(0, measures, tuple(Pairs() for _ in bound.value_pairs))
        tally.rows += int(next(parts))
        for values in tally.values:
            _add_values(values, parts, one_value)
        for pairs in tally.pairs:
            pairs.values += int(next(parts))
            for sums in pairs.sums:
                if (part := next(parts)) is not None:
                    sums.append(float(part))
    # Without groups SQL gives a row even for no data.
    found = {cell: tally for cell, tally in found.items() if tally.rows}
    for place, name in enumerate(bound.value_columns):
        if bound.needs_bins(name):
            _add_bins(question, runner, found, place)
    return found


def _cell(question: Question, parts: Iterator[Any]) -> Cell:
    cell = []
    for key in question.keys.axes:
        number = next(parts)
        cell.append(key.category_of(None if number is None else int(number)) if key.by_code else int(number))
    return tuple(cell)


def _add_values(values: Values, parts: Iterator[Any], one_value: bool) -> None:
    count, total, low = (next(parts) for _ in range(3))
    high = low if one_value else next(parts)
    squares = next(parts) if values.squares is not None else 0
    if not count:
        return
    values.values += int(count)
    values.totals.append(float(total))
    values.low, values.high = min(values.low, float(low)), max(values.high, float(high))
    if values.squares is not None:
        values.squares.append(float(squares))


def _add_bins(question: Question, runner: Runner, found: dict[Cell, Tally], place: int) -> None:
    name = question.bound.value_columns[place]
    bins = len(question.bound.borders(name)) + 1
    for row in runner.rows(*bins_sql(question, name)):
        parts = iter(row)
        values = found[_cell(question, parts)].values[place]
        values.bins = values.bins or [0] * bins
        values.bins[int(next(parts))] += int(next(parts))
