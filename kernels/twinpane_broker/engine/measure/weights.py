"""How much single persons weigh in cells, in numbers of rows and in sums of values: the largest leverage of a person.

Several who weigh much hide each other: of four who are alike among many ordinary ones, each has a quarter of all squares. So a person's
leverage is that among those who are left when the few heavier ones are taken out, too.

One pass per person. Where the engine cannot hold so many rows in memory, a sample of persons may do: if nobody can be far from the
average beside the squares of the sample alone, then nobody weighs much.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.engine.sql.runner import Runner
from twinpane_broker.engine.sql.statement import Part, Question, weights_sql

from .certify import certain, furthest_at_most
from .exact import ROWS_AT_ONCE, SAMPLE_ROWS
from .shares import Disagreement
from .tallies import Cell, Tally

ALIKE = 3
"""So many are not taken out, however far they are: where they are the last of those who are alike, each weighs a third."""
NOISE = 1e-9
"""A distance is none that is no larger a share of what it may be: sums of doubles are not exact."""


@dataclass(frozen=True)
class Weights:
    """The largest leverages of persons in a cell; 0 where all are alike."""

    rows: float
    values: tuple[float, ...]
    """One per value column."""
    often: int
    """Rows that as many persons have at least as are looked at; 0 in a cell of fewer. Of a sample, where a sample was enough."""


@dataclass
class _Apart:
    """How far the persons of a cell are from the average in one number."""

    few: int
    """Of how many it is looked at how far they are."""
    persons: int = 0
    furthest: list[float] = field(default_factory=list)
    squares: float = 0.0

    def add(self, persons: int, above: Sequence[float] | None, below: Sequence[float] | None, squares: float | None) -> None:
        """Takes in other persons: those furthest above the average, and below it by how much."""
        far = (*(one for one in _numbers(above) if one > 0), *(-one for one in _numbers(below) if one > 0))
        self.furthest = sorted((*self.furthest, *far), key=abs, reverse=True)[: self.few]
        self.persons, self.squares = self.persons + int(persons), self.squares + float(squares or 0)

    def weight(self, most: float) -> float:
        """The largest leverage of one of the furthest, among those who are not further than he; ``most`` is how far anybody may be."""
        found, left, total, squares = 0.0, self.persons, 0.0, self.squares
        for distance in self.furthest[: max(1, self.few - ALIKE)]:
            average = total / left
            apart = (distance - average) ** 2
            if apart > (NOISE * most) ** 2:
                found = max(found, apart / max(squares - left * average**2, apart))
            left, total, squares = left - 1, total - distance, squares - distance**2
        return found

    def weighs_at_most(self, most: float) -> float:
        """A bound on it, if these are some of the persons."""
        left = self.squares - (self.few - 1) * most**2
        return min(1.0, most**2 / left) if left > 0 else float(most > 0)


@dataclass
class _Seen:
    """What was seen of the persons of a cell: rows, the largest numbers of rows, and each number."""

    apart: list[_Apart]
    rows: int = 0
    largest: list[float] = field(default_factory=list)

    @property
    def often(self) -> int:
        few = self.apart[0].few
        return int(self.largest[-1]) if len(self.largest) == few else 0


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
        for cell, seen in _asked(question, runner, usual, [Part(0, last + 1, ceil(rows / SAMPLE_ROWS))]).items():
            if all(certain(of.squares, at_most**2) for of, at_most in zip(seen.apart, most[cell], strict=True)):
                weighed[cell] = _weights(seen, [of.weighs_at_most(at_most) for of, at_most in zip(seen.apart, most[cell], strict=True)])
    left = {cell: usual[cell] for cell in found if cell not in weighed}
    step = ceil((last + 1) / parts)
    spans = [None] if parts == 1 else [Part(first, min(first + step, last + 1)) for first in range(0, last + 1, step)]
    for cell, seen in (_asked(question, runner, left, spans) if left else {}).items():
        if seen.rows != found[cell].rows:
            raise Disagreement(f"two passes over {question.bound.plan.tables} do not find the same rows")
        weighed[cell] = _weights(seen, [of.weight(at_most) for of, at_most in zip(seen.apart, most[cell], strict=True)])
    if weighed.keys() != found.keys():
        raise Disagreement(f"two passes over {question.bound.plan.tables} do not find the same cells")
    return weighed


def _weights(seen: _Seen, each: Sequence[float]) -> Weights:
    return Weights(each[0], tuple(each[1:]), seen.often)


def _numbers(found: Sequence[float] | None) -> list[float]:
    return [float(one) for one in found or () if one is not None]


def _asked(question: Question, runner: Runner, usual: Mapping[Cell, Sequence[float]], parts: Sequence[Part | None]) -> dict[Cell, _Seen]:
    """What there is of each cell."""
    found: dict[Cell, _Seen] = {}
    few, by_key = question.bound.weighed, {question.keys.key(cell): of for cell, of in usual.items()}
    for part in parts:
        for key, rows, largest, *numbers in runner.rows(*weights_sql(question, by_key, part)):
            cell = question.keys.cell(int(key))
            seen = found.setdefault(cell, _Seen([_Apart(few) for _ in usual[cell]]))
            seen.rows, seen.largest = seen.rows + int(rows), sorted([*seen.largest, *_numbers(largest)], reverse=True)[:few]
            for of, told in zip(seen.apart, zip(*(numbers[place::4] for place in range(4)), strict=True), strict=True):
                of.add(*told)
    return found
