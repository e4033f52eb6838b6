"""The sum of a measure over the rows that have a value."""

from typing import Literal

from twinpane_broker.rules.rounding import at_decimals, at_uncertainty, decimals_written, tidy

from .pooled import Absent, How, Known, Parts, PooledValue, pooled
from .sums import OfSum

LARGE = 0.1
"""A part of a pooled sum counts as large from this share of the largest on."""


class Sum(OfSum):
    """The sum: the shown mean times the shown number of values, so that the quotient of sum and mean tells no more than that number."""

    kind: Literal["sum"] = "sum"

    sql = ("sum",)
    digits = None
    tells_n = True

    def from_mean(self, mean: float, decimals: int, count: int, off: int) -> float:
        """The mean times the number of values. Its last digit is the one that these leave unsure: nobody knows those behind it."""
        return at_uncertainty(mean * count, abs(mean) * off + count * 10.0**-decimals / 2)

    @classmethod
    def pool(cls, parts: Parts, absent: Absent) -> PooledValue:
        """The sum of the sites' sums, of which each is a product of shown numbers."""
        return pooled(parts, absent, _sum)


def _sum(known: list[Known]) -> tuple[float, How]:
    # Small parts have finer digits than the large ones leave sure; a large one may by chance end in a zero.
    largest = max(abs(part.value) for part in known)
    decimals = max(decimals_written(part.value) for part in known if abs(part.value) >= LARGE * largest)
    return at_decimals(tidy(sum(part.value for part in known)), decimals), ""
