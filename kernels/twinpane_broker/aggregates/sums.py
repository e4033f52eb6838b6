"""The parts that means, sums and spreads share: when they may be shown, and values as distances from the middle of the bounds."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.rules.sdc_rules import mean_is_safe

from .aggregate import OfColumn

if TYPE_CHECKING:  # the researcher's side imports this too, and needs neither person sets nor rules
    from twinpane_broker.cells.cell_evidence import Spread
    from twinpane_broker.rules.cell_key import Counter
    from twinpane_broker.rules.policy import Rules


MEAN_DIGITS = 3
"""Significant digits of pooled means and sums: no more than the sites' own."""
SPREAD_DIGITS = 2
"""Significant digits of pooled standard deviations and variances, decimals of pooled correlations."""


def from_middle(spread: "Spread", column: Column, counter: "Counter") -> tuple[float, float, int]:
    """The middle of the bounds, the sum of the values' distances from it, and the number of values, with its noise if any.

    With cell key noise, means and sums use the noisy number of values (attack 7 of docs/disclosure.md). They are made of each value less
    the middle, so that the noise changes them little.
    """
    middle = sum(column.known_bounds) / 2
    return middle, spread.total - spread.values * middle, counter.unrounded(spread.who, spread.values)


class OfSum(OfColumn):
    """A mean or a sum. With the number of values, each follows from the other, so they are suppressed together (``mean_is_safe``)."""

    digits = MEAN_DIGITS
    code = "means_and_sums"
    sentence = (
        "Means and sums are over the rows with a value, clipped to the catalogue's bounds, "
        "at {digits} significant digits or the catalogue's precision."
    )

    def parameters(self, rules: "Rules") -> Mapping[str, int | float]:
        """Significant digits."""
        return {"digits": rules.digits}

    @abstractmethod
    def from_mean(self, mean: float, count: int) -> float:
        """The number as it is shown, from a mean and a number of values that already carry noise."""


class OfSpread(OfColumn):
    """A standard deviation or variance. Each follows from the other."""

    needs_squares = True
    under_noise = False
    pools_with = "mean"
    digits = SPREAD_DIGITS
    code = "spreads"
    sentence = "Standard deviations and variances need {persons} persons and {dof} degrees of freedom; {digits} significant digits."

    def parameters(self, rules: "Rules") -> Mapping[str, int | float]:
        """Persons, degrees of freedom, significant digits."""
        return {"persons": rules.spread_persons, "dof": rules.spread_dof, "digits": rules.digits_spread}

    def is_safe(self, spread: "Spread", rules: "Rules", knots: tuple[float, ...] = ()) -> bool:
        """Whether the mean is safe, and there are enough persons and enough degrees of freedom (SDAP handbook)."""
        if spread.squares is None or not mean_is_safe(spread, rules):
            return False
        return spread.persons >= rules.spread_persons and spread.values - 1 >= rules.spread_dof


def variance_of(spread: "Spread", column: Column, counter: "Counter") -> float:
    """The sample variance, from squares around the middle of the bounds. Raises ValueError if no squares were summed."""
    if spread.squares is None:
        raise ValueError("no squares were asked for")
    less = spread.total - spread.values * sum(column.known_bounds) / 2
    n = counter.unrounded(spread.who, spread.values)
    return max(0.0, spread.squares - less**2 / spread.values) / max(1, n - 1)
