"""The sample variance of a measure."""

from typing import TYPE_CHECKING, Literal

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.rules.rounding import rounded

from .pooled import Absent, How, Known, Parts, PooledValue, pooled, significant
from .sums import SPREAD_DIGITS, OfSpread, variance_of

if TYPE_CHECKING:  # the researcher's side imports this too, and needs neither person sets nor rules
    from twinpane_broker.cells.cell_evidence import Spread
    from twinpane_broker.rules.cell_key import Counter


class Var(OfSpread):
    """The variance, shown at few digits."""

    kind: Literal["var"] = "var"

    sql = ("variance", "var_samp")
    written = "var_samp"

    def unit(self, unit: str) -> str:
        """The square of the column's unit."""
        return f"{unit}²"[-40:] if unit else ""

    def number(self, spread: "Spread", column: Column, counter: "Counter") -> float:
        """The variance, from the sum of squares."""
        return rounded(variance_of(spread, column, counter), counter.rules.digits_spread)

    @classmethod
    def pool(cls, parts: Parts, absent: Absent) -> PooledValue:
        """The pooled variance: around the pooled mean if every site's mean is known, else around each site's own mean."""
        return pooled(parts, absent, _variance, least=2)


def _variance(known: list[Known]) -> tuple[float, How]:
    variance, how = combined([(part.n, part.value, part.mean) for part in known])
    return significant(variance, SPREAD_DIGITS), how


def combined(parts: list[tuple[int, float, float | None]]) -> tuple[float, How]:
    """The variance of all values, from each part's number of values, variance and (if known) mean.

    Sums of squares within the parts and between them add up (one-way analysis of variance). If a mean is missing, the result is the
    variance within the parts. It is too small if the means differ, so the result says so.
    """
    inside = sum((n - 1) * variance for n, variance, _ in parts)
    n = sum(n for n, _, _ in parts)
    if len(parts) == 1:
        return inside / (n - 1), ""
    means = [(n, mean) for n, _, mean in parts if mean is not None]
    if len(means) == len(parts):
        middle = sum(n * mean for n, mean in means) / n
        return (inside + sum(n * (mean - middle) ** 2 for n, mean in means)) / (n - 1), ""
    return inside / (n - len(parts)), "within the sites"
