"""The exact contributions of a cell's largest contributors: one pass per person, for the cells where a bound is not enough."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from twinpane_broker.engine.sql.runner import Runner
from twinpane_broker.engine.sql.statement import Part, Question, exact_sql

from .tallies import Cell

ROWS_AT_ONCE = 4_000_000
"""Rows that are added up per person at once, where the engine must do so in memory."""
SAMPLE_ROWS = 2_000_000
"""Rows of the persons of a sample, about."""


@dataclass
class Largest:
    """The two largest of the persons' numbers."""

    first: float = 0
    second: float = 0

    def add(self, numbers: Iterable[float] | None) -> None:
        """Take in the two largest of other persons."""
        self.first, self.second = sorted([self.first, self.second, *(n for n in numbers or () if n is not None)], reverse=True)[:2]


@dataclass
class ExactValues:
    """One measure's sum of persons' absolute contributions, the largest of these, and the most values of a person."""

    absolute: float = 0.0
    largest: Largest = field(default_factory=Largest)
    most_values: int = 0


@dataclass
class Exact:
    """One cell's rows, the most rows of persons, its measures, and the most rows of a person with both measures of each pair."""

    total: int = 0
    """Its rows."""
    rows: Largest = field(default_factory=Largest)
    values: list[ExactValues] = field(default_factory=list)
    pairs: list[int] = field(default_factory=list)

    def add(self, parts: Iterable[Any]) -> None:
        """Take in a row of ``exact_sql`` without its key: other persons of the cell."""
        parts = iter(parts)
        self.total += int(next(parts))
        self.rows.add(next(parts))
        for values in self.values:
            absolute, largest, most = next(parts), next(parts), next(parts)
            values.absolute += float(absolute or 0)
            values.largest.add(largest)
            values.most_values = max(values.most_values, int(most or 0))
        for place in range(len(self.pairs)):
            self.pairs[place] = max(self.pairs[place], int(next(parts) or 0))


class Contributions:
    """The exact contributions of persons to a question's cells; ``last`` is the largest person's number."""

    def __init__(self, question: Question, runner: Runner, last: int) -> None:
        self._question = question
        self._runner = runner
        self._end = last + 1

    def of(self, cells: Collection[Cell] | None, rows: int) -> dict[Cell, Exact]:
        """Everybody's contributions to these cells (None: all), which have so many rows together."""
        parts = 1 if self._question.dialect.spills else ceil(rows / ROWS_AT_ONCE)
        if parts <= 1:
            return self._asked(cells, [None])
        step = ceil(self._end / parts)
        return self._asked(cells, [Part(first, min(first + step, self._end)) for first in range(0, self._end, step)])

    def sample(self, cells: Collection[Cell] | None, rows: int) -> dict[Cell, Exact]:
        """The contributions of a sample of persons, about as many as can be added up at once."""
        return self._asked(cells, [Part(0, self._end, max(1, ceil(rows / SAMPLE_ROWS)))])

    def _asked(self, cells: Collection[Cell] | None, parts: Sequence[Part | None]) -> dict[Cell, Exact]:
        bound, keys = self._question.bound, self._question.keys
        wanted = None if cells is None else [keys.key(cell) for cell in cells]
        found: dict[Cell, Exact] = {}
        for part in parts:
            for key, *numbers in self._runner.rows(*exact_sql(self._question, wanted, part)):
                cell = keys.cell(int(key))
                if cell not in found:
                    found[cell] = Exact(values=[ExactValues() for _ in bound.value_columns], pairs=[0] * len(bound.value_pairs))
                found[cell].add(numbers)
        return found
