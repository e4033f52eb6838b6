"""The sum of a measure over the rows that have a value."""

from typing import Literal

from twinpane_broker.rules.rounding import tidy

from .pooled import Absent, How, Known, Parts, PooledValue, pooled
from .sums import OfSum


class Sum(OfSum):
    """The sum: the shown mean times the shown number of values, so that the quotient of sum and mean tells that number alone."""

    kind: Literal["sum"] = "sum"

    sql = ("sum",)
    tells_n = True

    def from_mean(self, mean: float, count: int) -> float:
        """The mean times the number of values."""
        return tidy(mean * count)

    @classmethod
    def pool(cls, parts: Parts, absent: Absent) -> PooledValue:
        """The sum of the sites' sums, of which each is a product of shown numbers."""
        return pooled(parts, absent, _sum)


def _sum(known: list[Known]) -> tuple[float, How]:
    return tidy(sum(part.value for part in known)), ""
