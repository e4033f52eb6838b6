"""The mean of a measure over the rows that have a value."""

from typing import TYPE_CHECKING, Literal

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.rules.rounding import rounded

from .pooled import Absent, How, Known, Parts, PooledValue, pooled, significant
from .sums import MEAN_DIGITS, OfSum, from_middle

if TYPE_CHECKING:  # the researcher's side imports this too, and needs neither person sets nor rules
    from twinpane_broker.cells.cell_evidence import Spread
    from twinpane_broker.rules.cell_key import Counter


class Mean(OfSum):
    """The mean of values within the catalogue's bounds, shown at few digits."""

    kind: Literal["mean"] = "mean"

    sql = ("avg", "mean")

    def number(self, spread: "Spread", column: Column, counter: "Counter") -> float:
        """From the sum and the number of values, with its noise if any."""
        middle, less, n = from_middle(spread, column, counter)
        low, high = column.known_bounds
        return rounded(min(high, max(low, middle + less / n)), counter.rules.digits, column.precision)

    def from_mean(self, mean: float, count: int) -> float:
        """The mean."""
        return mean

    @classmethod
    def pool(cls, parts: Parts, absent: Absent) -> PooledValue:
        """The mean of the sites' means, weighted by their released numbers of values."""
        return pooled(parts, absent, _mean, least=1)


def _mean(known: list[Known]) -> tuple[float, How]:
    return significant(sum(part.value * part.n for part in known) / sum(part.n for part in known), MEAN_DIGITS), ""
