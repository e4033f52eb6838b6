"""The parts that means, sums and spreads share: when they may be shown, and values as distances from the middle of the bounds."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.catalogue.edges import step_recorded
from twinpane_broker.rules.rounding import at_decimals, decimals_of_size, decimals_of_span, decimals_of_step
from twinpane_broker.rules.sdc_rules import mean_is_safe

from .aggregate import OfColumn
from .value import MOST_DECIMALS

if TYPE_CHECKING:  # the researcher's side imports this too, and needs neither person sets nor rules
    from twinpane_broker.cells.cell_evidence import Spread
    from twinpane_broker.rules.cell_key import Counter
    from twinpane_broker.rules.policy import Rules


MEAN_DIGITS = 3
"""Significant digits that a mean is written with where the site does not say how many it has."""
SPREAD_DIGITS = 2
"""Significant digits of pooled standard deviations and variances, decimals of pooled correlations."""


def from_middle(spread: "Spread", column: Column, counter: "Counter") -> tuple[float, float, int]:
    """The middle of the values, the sum of their distances from it, and their number, with its noise if any.

    With cell key noise, means and sums use the noisy number of values (attack 7 of docs/disclosure.md). They are made of each value less
    the middle, so that the noise changes them little. It is the catalogue's median, where there is one: the middle of wide bounds may lie
    far from all values, and the noise would then move a mean by as much.
    """
    knots = column.knots
    middle = knots[len(knots) // 2] if knots else sum(column.known_bounds) / 2
    return middle, spread.total - spread.values * middle, counter.unrounded(spread.who, spread.values)


def shown_mean(spread: "Spread", column: Column, counter: "Counter") -> float:
    """The mean as it is shown, within the bounds and at few decimals (``mean_decimals``)."""
    middle, less, n = from_middle(spread, column, counter)
    low, high = column.known_bounds
    mean = min(high, max(low, middle + less / n))
    fewest = counter.fewest(counter.shown_rows(spread.who, spread.values))
    return at_decimals(mean, mean_decimals(mean, column, counter.rules.digits, fewest))


def mean_decimals(mean: float, column: Column, digits: int, fewest: int | None) -> int:
    """The decimals of a mean: so many significant digits of its own size or relative to the span of the bounds, whichever are more.

    But ``fewest`` values, recorded in steps, have means that lie a step / fewest apart, and more values have nearer ones. Decimals no
    finer than this can be the mean of any number of values from ``fewest`` on, so they do not tell how many there are (GRIM). Where that
    number is exact (None), decimals need tell nothing of it. Where the step is unknown, the span alone counts.
    """
    low, high = column.known_bounds
    decimals = decimals_of_span(high - low, digits)
    if fewest is None:
        return max(decimals, decimals_of_size(mean, digits))
    step = step_recorded(column)
    return decimals if step is None else min(max(decimals, decimals_of_size(mean, digits)), decimals_of_step(step / fewest))


def least_decimals(column: Column, rules: "Rules") -> int:
    """The decimals, below 0 before the point, that every mean of a column has, however large and of however few values."""
    low, high = column.known_bounds
    decimals, step = decimals_of_span(high - low, rules.digits), step_recorded(column)
    if step is not None:
        decimals = min(decimals, decimals_of_step(step / rules.threshold))
    return min(max(decimals, -MOST_DECIMALS), MOST_DECIMALS)


class OfSum(OfColumn):
    """A mean or a sum. With the number of values, each follows from the other, so they are suppressed together (``mean_is_safe``)."""

    tells_clipped = True
    digits: ClassVar[int | None] = MEAN_DIGITS
    code = "means_and_sums"
    sentence = (
        "Means and sums are over the rows with a value, at {digits} significant digits, or relative to the span of the bounds; "
        "a sum is the shown mean times the shown number, to the digit where it is unsure. "
        "Of what everybody knows (age, days), they are suppressed where one person would show in them."
    )

    def parameters(self, rules: "Rules") -> Mapping[str, int | float]:
        """Significant digits."""
        return {"digits": rules.digits}

    def number(self, spread: "Spread", column: Column, counter: "Counter") -> float:
        """From the mean and the number of values, both as they are shown."""
        mean, count = shown_mean(spread, column, counter), counter.shown_rows(spread.who, spread.values)
        return self.from_mean(mean, mean_decimals(mean, column, counter.rules.digits, counter.fewest(count)), count, counter.off)

    def beside(self, spread: "Spread", column: Column, counter: "Counter", n: int, within: tuple[int, int] | None) -> float:
        """From the mean of these values and another set's number, which may be as far off as ``within`` says."""
        mean = shown_mean(spread, column, counter)
        decimals = mean_decimals(mean, column, counter.rules.digits, counter.fewest(counter.shown_rows(spread.who, spread.values)))
        off = max(n - within[0], within[1] - n) if within is not None else counter.off
        return self.from_mean(mean, decimals, n, off)

    @abstractmethod
    def from_mean(self, mean: float, decimals: int, count: int, off: int) -> float:
        """The number as it is shown, from what is shown or might be: a mean at so many decimals, and a number of values so far ``off``."""


class OfSpread(OfColumn):
    """A standard deviation or variance. Each follows from the other."""

    needs_squares = True
    tells_clipped = True
    under_noise = False
    pools_with = "mean"
    digits = SPREAD_DIGITS
    code = "spreads"
    sentence = "Standard deviations and variances need {persons} persons and {dof} degrees of freedom; {digits} significant digits."

    def parameters(self, rules: "Rules") -> Mapping[str, int | float]:
        """Persons, degrees of freedom, significant digits."""
        return {"persons": rules.spread_persons, "dof": rules.spread_dof, "digits": rules.digits_spread}

    def needs(self, rules: "Rules") -> int:
        """Persons, and values, of whom one has one at least."""
        return max(rules.threshold, rules.spread_persons, rules.spread_dof + 1)

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
