"""Pearson's correlation of two measures over the rows that have both."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from twinpane_broker.rules.rounding import rounded
from twinpane_broker.rules.sdc_rules import nobody_has_most

from .aggregate import OfPair
from .pooled import Absent, How, Known, Parts, PooledValue, pooled
from .sums import SPREAD_DIGITS

if TYPE_CHECKING:  # the researcher's side imports this too, and needs neither person sets nor rules
    from twinpane_broker.cells.cell_evidence import Pair
    from twinpane_broker.rules.cell_key import Counter
    from twinpane_broker.rules.policy import Rules


ALL_BUT_EQUAL = 1e-6
"""A share of variance that is left unexplained: what less is explained by is the other measure alone."""
NEARLY_ONE = 0.995
"""A correlation that is released as 1 may be this small; Fisher's z of 1 itself is infinite."""


class Correlation(OfPair):
    """The correlation, shown at few digits."""

    kind: Literal["correlation"] = "correlation"

    sql = ("corr",)
    digits = SPREAD_DIGITS
    code = "correlations"
    sentence = "Correlations need {persons} persons; {digits} significant digits."

    def parameters(self, rules: "Rules") -> Mapping[str, int | float]:
        """The least number of persons, and the significant digits."""
        return {"persons": rules.correlation_persons, "digits": rules.digits_spread}

    def needs(self, rules: "Rules") -> int:
        """The persons of the policy."""
        return max(rules.threshold, rules.correlation_persons)

    def is_safe(self, pair: "Pair", rules: "Rules") -> bool:
        """Whether there are enough persons, nobody has most rows, both measures vary, and neither follows from the other."""
        if len(pair.who) < rules.correlation_persons or not nobody_has_most(pair.most_values, pair.values, rules):
            return False
        x, y, both = scatter(pair)
        # If one measure follows from the other, anyone who knows one value of a person knows the other too.
        return x > 0 and y > 0 and 1 - both**2 / (x * y) > ALL_BUT_EQUAL

    def number(self, pair: "Pair", counter: "Counter") -> float:
        """The correlation, from the five sums around the middles."""
        x, y, both = scatter(pair)
        return rounded(max(-1.0, min(1.0, both / math.sqrt(x * y))), counter.rules.digits_spread)

    @classmethod
    def pool(cls, parts: Parts, absent: Absent) -> PooledValue:
        """The correlation within the sites: the mean of the sites' Fisher z, weighted by n - 3 (Fisher 1921)."""
        return pooled(parts, absent, _correlation, least=4)


def scatter(pair: "Pair") -> tuple[float, float, float]:
    """Sums of squares and of products around the means: of x, of y, of both."""
    n = pair.values
    return pair.xx - pair.x**2 / n, pair.yy - pair.y**2 / n, pair.xy - pair.x * pair.y / n


def _correlation(known: list[Known]) -> tuple[float, How]:
    if len(known) == 1:
        return known[0].value, ""
    z = [(part.n - 3, math.atanh(max(-NEARLY_ONE, min(NEARLY_ONE, part.value)))) for part in known]
    pooled_one = math.tanh(sum(weight * of for weight, of in z) / sum(weight for weight, _ in z))
    # What is cut off of correlations near 1 must not make the pooled one less than all of them.
    parts = [part.value for part in known]
    return round(min(max(pooled_one, min(parts)), max(parts)), SPREAD_DIGITS), "within the sites"
