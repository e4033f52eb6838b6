"""What the largest contributors of a cell contribute, exactly: the pass per person, for the cells where a bound does not do."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from .runner import Runner
from .statement import Question, exact_sql
from .tallies import Cell

ROWS_AT_ONCE = 4_000_000
"""Rows that are added up per person at once, where the engine must do so in memory."""


@dataclass
class Largest:
    """The two largest of a number that persons have."""

    first: float = 0
    second: float = 0

    def add(self, numbers: Iterable[float] | None) -> None:
        """Take in the two largest of other persons."""
        self.first, self.second = sorted([self.first, self.second, *(n for n in numbers or () if n is not None)], reverse=True)[:2]


@dataclass
class ExactValues:
    """Of one measure: the sum of persons' absolute contributions, the largest of them, the most values of a person."""

    absolute: float = 0.0
    largest: Largest = field(default_factory=Largest)
    most_values: int = 0


@dataclass
class Exact:
    """Of one cell: its rows, the most rows of persons, the measures, and the most rows of a person with both measures of each pair."""

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


def exact(question: Question, runner: Runner, cells: Collection[Cell], rows: int, last: int, every: bool) -> dict[Cell, Exact]:
    """The exact contributions to these cells, which have so many rows together; ``last`` is the largest person's number.

    ``every`` says that these are all cells of the question.
    """
    found: dict[Cell, Exact] = {}
    if not cells:
        return found
    bound, keys = question.bound, question.keys
    wanted = None if every else [keys.key(cell) for cell in cells]
    parts = 1 if question.dialect.spills else max(1, ceil(rows / ROWS_AT_ONCE))
    step = ceil((last + 1) / parts)
    for part in range(parts):
        span = (part * step, (part + 1) * step) if parts > 1 else None
        for key, *numbers in runner.rows(*exact_sql(question, wanted, span)):
            cell = keys.cell(int(key))
            if cell not in found:
                found[cell] = Exact(values=[ExactValues() for _ in bound.value_columns], pairs=[0] * len(bound.value_pairs))
            found[cell].add(numbers)
    return found
