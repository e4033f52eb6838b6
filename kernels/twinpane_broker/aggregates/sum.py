"""The sum of a measure over the rows that have a value."""

from typing import TYPE_CHECKING, Literal

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.rules.rounding import rounded

from .pooled import Absent, How, Known, Parts, PooledValue, pooled, significant
from .sums import MEAN_DIGITS, OfSum, from_middle

if TYPE_CHECKING:  # the researcher's side imports this too, and needs neither person sets nor rules
    from twinpane_broker.cells.cell_evidence import Spread
    from twinpane_broker.rules.cell_key import Counter


class Sum(OfSum):
    """The sum, shown at few digits."""

    kind: Literal["sum"] = "sum"

    sql = ("sum",)

    def number(self, spread: "Spread", column: Column, counter: "Counter") -> float:
        """The sum, from the values' distances from the middle and the number of values, with its noise if any."""
        middle, less, n = from_middle(spread, column, counter)
        return rounded(middle * n + less, counter.rules.digits, column.precision)

    def from_mean(self, mean: float, count: int) -> float:
        """The mean times the number of values."""
        return mean * count

    @classmethod
    def pool(cls, parts: Parts, absent: Absent) -> PooledValue:
        """The sum of the sites' sums, at the digits of the parts."""
        return pooled(parts, absent, _sum)


def _sum(known: list[Known]) -> tuple[float, How]:
    return significant(sum(part.value for part in known), MEAN_DIGITS), ""
