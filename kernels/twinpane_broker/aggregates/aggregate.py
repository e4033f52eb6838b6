"""What an aggregate is: all that is to be said of one kind of number, from its name in SQL to how it is pooled.

There are three kinds, by the evidence they need: of a cell's persons and rows (``OfCell``), of the values of a measure (``OfValues``),
of the values of two measures (``OfPair``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.rules.policy import Rules

from .pooled import Absent, Parts, PooledValue
from .value import Value

if TYPE_CHECKING:  # the researcher's side imports this too, and needs no person sets
    from twinpane_broker.cells.cell_evidence import CellEvidence, Pair, Spread
    from twinpane_broker.rules.cell_key import Counter


class Aggregate(ABC):
    """One kind of number. Its attributes are data; its methods are pure."""

    name: ClassVar[str]
    """In plans and releases."""
    sql: ClassVar[tuple[str, ...]]
    """Its names in SQL; the first one is written in messages."""
    heading: ClassVar[str] = ""
    """Over its column in a table, where that is not the column's own name."""
    of_persons: ClassVar[bool] = False
    """Whether it counts persons: its column, where one is written, is the person key."""
    of_rows: ClassVar[bool] = False
    """Whether a person with two rows counts twice in it."""
    takes_percent: ClassVar[bool] = False
    takes_within: ClassVar[bool] = False
    under_noise: ClassVar[bool] = True
    """Whether differential privacy has a noise of known size for it."""
    pools_with: ClassVar[str] = ""
    """The aggregate of the same column whose value it needs to be pooled fully."""
    digits: ClassVar[int | None] = None
    """Significant digits when it is pooled; None: all."""
    code: ClassVar[str] = ""
    """Of the rule that it is released by, in ``Release.rules``; empty where the rules of every cell are all."""
    sentence: ClassVar[str] = ""
    """That rule in words, with its parameters in braces."""

    def parameters(self, rules: Rules) -> Mapping[str, int | float]:
        """The numbers of its rule."""
        return {}

    def unit(self, unit: str) -> str:
        """Its unit, from that of its column."""
        return unit

    @abstractmethod
    def pool(self, parts: Parts, absent: Absent) -> PooledValue:
        """The number over sites."""


class OfCell(Aggregate):
    """A number of a cell's persons or rows."""

    @abstractmethod
    def number(self, cell: CellEvidence, whole: CellEvidence | None, counter: Counter) -> Value:
        """The number as it is shown; ``whole`` is what a share is of, None where that is suppressed."""

    @abstractmethod
    def noisy(self, persons: int, whole: int) -> Value:
        """The same from numbers of persons that carry their noise already."""


class OfValues(Aggregate):
    """A number of the values of one measure, clipped to the catalogue's bounds."""

    of_rows = True
    needs_squares: ClassVar[bool] = False
    """Whether it is computed from the sum of squares."""
    needs_bins: ClassVar[bool] = False
    """Whether it is computed from how many values lie in each bin of the measure's grid."""
    follows_from_sums: ClassVar[bool] = True
    """Whether it and others of its column give each other away, so that all are held back together."""

    def is_safe(self, spread: Spread, percent: int | None, rules: Rules) -> bool:
        """Whether it may be shown, where a mean of the same values may."""
        return True

    @abstractmethod
    def number(self, spread: Spread, column: Column, percent: int | None, counter: Counter) -> float:
        """The number as it is shown."""

    def from_mean(self, mean: float, count: int) -> float:
        """The same from a mean and a number of values that carry their noise already; only where it is ``under_noise``."""
        raise NotImplementedError(f"a {self.name} has no noise of known size")


class OfPair(Aggregate):
    """A number of the values of two measures, over the rows that have both."""

    of_rows = True
    under_noise = False

    @abstractmethod
    def is_safe(self, pair: Pair | None, rules: Rules) -> bool:
        """Whether it may be shown."""

    @abstractmethod
    def number(self, pair: Pair, counter: Counter) -> float:
        """The number as it is shown."""
