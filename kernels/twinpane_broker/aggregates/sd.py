"""The sample standard deviation of a measure."""

import math
from typing import TYPE_CHECKING, Literal

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.rules.rounding import rounded

from .pooled import Absent, How, Known, Parts, PooledValue, pooled, significant
from .sums import SPREAD_DIGITS, OfSpread, variance_of
from .var import combined

if TYPE_CHECKING:  # the researcher's side imports this too, and needs neither person sets nor rules
    from twinpane_broker.cells.cell_evidence import Spread
    from twinpane_broker.rules.cell_key import Counter


class Sd(OfSpread):
    """The square root of the variance, shown at few digits."""

    kind: Literal["sd"] = "sd"

    sql = ("stddev", "stddev_samp")
    written = "stddev_samp"

    def number(self, spread: "Spread", column: Column, counter: "Counter") -> float:
        """The standard deviation, from the sum of squares."""
        return rounded(math.sqrt(variance_of(spread, column, counter)), counter.rules.digits_spread)

    @classmethod
    def pool(cls, parts: Parts, absent: Absent) -> PooledValue:
        """The pooled deviation: the square root of the pooled variance."""
        return pooled(parts, absent, _deviation, least=2)


def _deviation(known: list[Known]) -> tuple[float, How]:
    variance, how = combined([(part.n, part.value**2, part.mean) for part in known])
    return significant(math.sqrt(variance), SPREAD_DIGITS), how
