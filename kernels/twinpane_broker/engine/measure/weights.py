"""How much single persons weigh in cells, in numbers of rows and in sums of values: the largest leverage of a person.

One pass per person. Where the engine cannot hold so many rows in memory, a sample of persons may do: if nobody can be far from the
average beside the squares of the sample alone, then nobody weighs much.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.engine.sql.runner import Runner
from twinpane_broker.engine.sql.statement import Part, Question, weights_sql

from .certify import certain, furthest_at_most
from .exact import ROWS_AT_ONCE, SAMPLE_ROWS
from .shares import Disagreement
from .tallies import Cell, Tally

NOISE = 1e-9
"""A distance is none that is no larger a share of what it may be: sums of doubles are not exact."""


@dataclass(frozen=True)
class Weights:
    """The largest leverages of persons in a cell; 0 where all are alike."""

    rows: float
    values: tuple[float, ...]
    """One per value column."""


@dataclass
class _Apart:
    """How far the persons of a cell are from the average in one number."""

    furthest: float = 0.0
    squares: float = 0.0

    def add(self, furthest: float | None, squares: float | None) -> None:
        self.furthest, self.squares = max(self.furthest, float(furthest or 0)), self.squares + float(squares or 0)

    def weight(self, most: float) -> float:
        """The largest leverage; ``most`` is how far anybody may be."""
        return self.furthest**2 / self.squares if self.furthest > NOISE * most else 0.0


def weights(
    question: Question,
    runner: Runner,
    found: Mapping[Cell, Tally],
    who: Mapping[Cell, PersonSet],
    most_rows: Callable[[Cell], int],
    last: int,
) -> dict[Cell, Weights]:
    """The weights in every cell. ``last`` is the largest person number. Raises Disagreement if two passes do not find the same rows."""
    usual = {cell: (tally.rows / len(who[cell]), *(of.total / max(1, of.values) for of in tally.values)) for cell, tally in found.items()}
    most = {
        cell: (float(most_rows(cell)), *(furthest_at_most(of, most_rows(cell)) if of.values else 0.0 for of in tally.values))
        for cell, tally in found.items()
    }
    weighed, parts, rows = dict[Cell, Weights](), 1, sum(tally.rows for tally in found.values())
    if rows > ROWS_AT_ONCE and not question.dialect.spills:
        parts = ceil(rows / ROWS_AT_ONCE)
        for cell, (_, apart) in _asked(question, runner, usual, [Part(0, last + 1, ceil(rows / SAMPLE_ROWS))]).items():
            if all(certain(of.squares, at_most**2) for of, at_most in zip(apart, most[cell], strict=True)):
                weighed[cell] = _weights(
                    [at_most**2 / of.squares if at_most else 0.0 for of, at_most in zip(apart, most[cell], strict=True)]
                )
    left = {cell: usual[cell] for cell in found if cell not in weighed}
    step = ceil((last + 1) / parts)
    spans = [None] if parts == 1 else [Part(first, min(first + step, last + 1)) for first in range(0, last + 1, step)]
    for cell, (counted, apart) in (_asked(question, runner, left, spans) if left else {}).items():
        if counted != found[cell].rows:
            raise Disagreement(f"two passes over {question.bound.plan.tables} do not find the same rows")
        weighed[cell] = _weights([of.weight(at_most) for of, at_most in zip(apart, most[cell], strict=True)])
    if weighed.keys() != found.keys():
        raise Disagreement(f"two passes over {question.bound.plan.tables} do not find the same cells")
    return weighed


def _weights(each: Sequence[float]) -> Weights:
    return Weights(each[0], tuple(each[1:]))


def _asked(
    question: Question, runner: Runner, usual: Mapping[Cell, Sequence[float]], parts: Sequence[Part | None]
) -> dict[Cell, tuple[int, list[_Apart]]]:
    """By cell, its rows, and how far persons are from the average in each number."""
    found: dict[Cell, tuple[int, list[_Apart]]] = {}
    by_key = {question.keys.key(cell): of for cell, of in usual.items()}
    for part in parts:
        for key, rows, *numbers in runner.rows(*weights_sql(question, by_key, part)):
            cell = question.keys.cell(int(key))
            counted, apart = found.get(cell) or (0, [_Apart() for _ in usual[cell]])
            for of, furthest, squares in zip(apart, numbers[::2], numbers[1::2], strict=True):
                of.add(furthest, squares)
            found[cell] = counted + int(rows), apart
    return found
