"""What a question is judged beside: what was released before, and further tables of the same data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.memory import Standing, Totals

Measured = Callable[[ResolvedPlan], Evidence]


class Places(Protocol):
    """Where the memory places a set that the question describes."""

    def __call__(self, who: PersonSet, name: bytes, kind: str, totals: Totals, part: bytes = b"") -> Standing:
        """By its name, beside others of the same kind of number; ``totals`` are the names of those to which it belongs.

        ``part``: which part of the set this is, if its number is told with those of others alone.
        """
        ...


@dataclass(frozen=True)
class Beside:
    """The memory's decision under way, and the engine."""

    places: Places
    admits: Callable[[PersonSet, bytes, Totals], bool]
    """Whether it admits a set that follows from several numbers, by its name and those of the totals to which it belongs."""
    admits_rows: Callable[[PersonSet, int, int], bool]
    """Whether it admits a number of rows of exactly these persons, of whom one has at most so many."""
    stands_in: Callable[[PersonSet], None]
    """Says that an admitted set stands in for one that the question asks about."""
    instead: Callable[[PersonSet], None]
    """Says that the question is judged as if it were asked of a stand-in."""
    distance: Callable[[bytes], int]
    """How many persons are no few beside a set of that name: drawn, from the threshold to less than twice as many."""
    measured: Measured
    """The evidence of another question. Raises EngineError."""
