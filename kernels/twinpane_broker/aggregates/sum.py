"""The sum of a measure over the rows that have a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.rules.rounding import rounded

from .pooled import Absent, How, Known, Parts, PooledValue, pooled, significant
from .sums import MEAN_DIGITS, OfSum, from_middle

if TYPE_CHECKING:  # the researcher's side imports this too, and needs no person sets
    from twinpane_broker.cells.cell_evidence import Spread
    from twinpane_broker.rules.cell_key import Counter


class Sum(OfSum):
    """At few digits."""

    name = "sum"
    sql = ("sum",)

    def number(self, spread: Spread, column: Column, percent: int | None, counter: Counter) -> float:
        """From what the values are above the middle, and their number, with its noise if any."""
        middle, less, n = from_middle(spread, column, counter)
        return rounded(middle * n + less, counter.rules.digits, column.precision)

    def from_mean(self, mean: float, count: int) -> float:
        """So many times the mean."""
        return mean * count

    def pool(self, parts: Parts, absent: Absent) -> PooledValue:
        """Sums add up, at the digits of their parts."""
        return pooled(parts, absent, _sum)


def _sum(known: list[Known]) -> tuple[float, How]:
    return significant(sum(part.value for part in known), MEAN_DIGITS), ""
