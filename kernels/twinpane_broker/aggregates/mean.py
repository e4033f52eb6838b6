"""The mean of a measure over the rows that have a value."""

from typing import TYPE_CHECKING, Literal

from twinpane_broker.catalogue.catalogue import Column

from .pooled import Absent, How, Known, Parts, PooledValue, pooled
from .sums import OfSum, mean_decimals
from .value import unwritten

if TYPE_CHECKING:  # the researcher's side imports this too, and needs no rules
    from twinpane_broker.rules.cell_key import Counter


class Mean(OfSum):
    """The mean of values within the catalogue's bounds, shown at few decimals (``sums.shown_mean``)."""

    kind: Literal["mean"] = "mean"

    sql = ("avg", "mean")

    def from_mean(self, mean: float, decimals: int, count: int, off: int) -> float:
        """The mean."""
        return mean

    def decimals(self, shown: float, column: Column, n: int, counter: "Counter") -> int | None:
        """Those of ``sums.mean_decimals``."""
        return unwritten(shown, mean_decimals(shown, column, counter.rules.digits, counter.fewest(n)))

    @classmethod
    def pool(cls, parts: Parts, absent: Absent) -> PooledValue:
        """The mean of the sites' means, weighted by their released numbers of values; at the decimals of the least exact of them."""
        return pooled(parts, absent, _mean, least=1, as_sure=True)


def _mean(known: list[Known]) -> tuple[float, How]:
    return sum(part.value * part.n for part in known) / sum(part.n for part in known), ""
