"""The mean of a measure over the rows that have a value."""

from typing import Literal

from twinpane_broker.rules.rounding import at_decimals, decimals_of_size

from .pooled import Absent, How, Known, Parts, PooledValue, pooled
from .sums import MEAN_DIGITS, OfSum


class Mean(OfSum):
    """The mean of values within the catalogue's bounds, shown at few decimals (``sums.shown_mean``)."""

    kind: Literal["mean"] = "mean"

    sql = ("avg", "mean")

    def from_mean(self, mean: float, decimals: int, count: int, off: int) -> float:
        """The mean."""
        return mean

    @classmethod
    def pool(cls, parts: Parts, absent: Absent) -> PooledValue:
        """The mean of the sites' means, weighted by their released numbers of values."""
        return pooled(parts, absent, _mean, least=1)


def _mean(known: list[Known]) -> tuple[float, How]:
    mean = sum(part.value * part.n for part in known) / sum(part.n for part in known)
    return at_decimals(mean, max(decimals_of_size(mean, MEAN_DIGITS), *(part.decimals for part in known))), ""
