"""The value of a measure that so many percent of the values do not exceed, snapped to the catalogue's grid."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, get_args

from twinpane_broker.catalogue.catalogue import Column, ColumnType
from twinpane_broker.catalogue.edges import borders_of, cuts_above, cuts_below, grid_of
from twinpane_broker.rules.rounding import tidy
from twinpane_broker.rules.sdc_rules import nobody_has_most, threshold_rule

from .aggregate import OfValues, Shown
from .pooled import Absent, Parts, PooledValue
from .value import End

if TYPE_CHECKING:  # the researcher's side imports this too, and needs neither person sets nor rules
    from twinpane_broker.cells.cell_evidence import Bins, Spread
    from twinpane_broker.rules.cell_key import Counter
    from twinpane_broker.rules.policy import Rules

Percent = Literal[5, 10, 25, 50, 75, 90, 95]
"""Quantiles that may be asked for; the extremes are single persons' values."""


class Quantile(OfValues):
    """A quantile: always an edge of the grid, never a person's own value."""

    kind: Literal["quantile"] = "quantile"
    percent: Percent

    sql = ("quantile_cont", "percentile_cont", "median")
    needs_bins = True
    shown = Shown.whole
    under_noise = False
    follows_from_sums = False
    code = "quantiles"
    sentence = (
        "Quantiles need {threshold} persons on each side, so a median {median} in all and those of 5 and 95 % {tail}, and are the "
        "nearest edges of the catalogue's grid; where the inner ones are one edge the outer ones are suppressed, and so are all of "
        "equal values, unless the catalogue gives that value."
    )

    @property
    def plain_name(self) -> str:
        """The percent and its column."""
        return f"p{self.percent}_{self.column.partition('.')[2]}"[:63]

    def parameters(self, rules: "Rules") -> Mapping[str, int | float]:
        """The least number of persons on each side, for a median in all, and for the outermost quantiles in all."""
        return {"threshold": rules.threshold, "median": 2 * rules.threshold, "tail": 20 * rules.threshold}

    def needs(self, rules: "Rules") -> int:
        """So many persons that enough are in the part that the percent cuts off."""
        return math.ceil(100 * rules.threshold / min(self.percent, 100 - self.percent))

    def is_safe(self, spread: "Spread", rules: "Rules", knots: tuple[float, ...] = ()) -> bool:
        """Whether there are enough persons on each side of the quantile's bin, and it tells no value of nearly everybody."""
        at = bin_of_quantile(spread.bins, self.percent)
        return at is not None and quantile_is_safe(spread, self.percent, at, rules) and tells_no_class(spread, self.percent, rules, knots)

    def number(self, spread: "Spread", column: Column, counter: "Counter") -> float:
        """The edge that is nearest to it."""
        at = bin_of_quantile(spread.bins, self.percent)
        if at is None:
            raise ValueError("a quantile of no values")
        edge = grid_of(column)[at]
        return int(edge) if column.type is ColumnType.integer and edge == int(edge) else edge

    def told(self, spread: "Spread", column: Column, whole: Column, counter: "Counter") -> tuple[float, End | None]:
        """Values beyond the grid count as lying on its ends. Of such an end it is told from where on it is the nearest edge."""
        edge, (low, high), borders = self.number(spread, column, counter), column.known_bounds, borders_of(column)
        whole_numbers = column.type is ColumnType.integer
        if edge >= high and cuts_above(column, whole):
            return (math.ceil(borders[-1]) if whole_numbers else tidy(borders[-1])), End.or_more
        if edge <= low and cuts_below(column, whole):
            return (math.ceil(borders[0]) - 1 if whole_numbers else tidy(borders[0])), End.or_less
        return edge, None

    @classmethod
    def pool(cls, parts: Parts, absent: Absent) -> PooledValue:
        """Always missing: the quantile of all values does not follow from the sites' quantiles. Ask for a histogram instead."""
        return PooledValue(None, (*(site for site, part in parts.items() if part.value is None), *absent), "see the sites")


def bin_of_quantile(bins: "Bins | None", percent: int) -> int | None:
    """The bin that holds the quantile: so many percent of the values do not exceed it. None if there are no values."""
    if bins is None or not sum(bins.rows):
        return None
    wanted, reached = percent / 100 * sum(bins.rows), 0
    for place, rows in enumerate(bins.rows):
        reached += rows
        if rows and reached >= wanted:
            return place
    return None


def quantile_is_safe(spread: "Spread | None", percent: int, at: int, rules: "Rules") -> bool:
    """Whether enough persons are on each side: up to the quantile's bin ``at``, from it on, and in the part that the percent cuts off.

    With k = 10 a median needs 20 persons, a quartile 40, a decile 100.
    """
    if spread is None or spread.bins is None or not nobody_has_most(spread.most_values, spread.values, rules):
        return False
    cut_off = spread.persons * min(percent, 100 - percent) // 100
    below, above = sum(spread.bins.lowest[: at + 1]), sum(spread.bins.highest[at:])
    both_sides = threshold_rule(below, rules.threshold) and threshold_rule(above, rules.threshold)
    return both_sides and threshold_rule(cut_off, rules.threshold)


def tells_no_class(spread: "Spread", percent: int, rules: "Rules", knots: tuple[float, ...]) -> bool:
    """Whether no more than ``class_share`` percent of the values can be known to lie in one bin, whatever quantiles are asked for.

    Quantiles from 100 - s to s percent tell of s percent at most, which is no class. Those beyond would tell of more where one bin holds
    all the inner ones. They are then suppressed whether or not it holds a class, so that this tells nothing new (a simulatable rule).
    Equal values of everybody have no mean, which a reader sees. A quantile would tell which value that is, unless ``knots``, the
    catalogue's quantiles of such values, do: they are all this value.
    """
    if spread.low == spread.high:
        return bool(knots) and min(knots) == max(knots) == spread.low
    inner = [each for each in get_args(Percent) if max(each, 100 - each) <= rules.class_share]
    return percent in inner or bin_of_quantile(spread.bins, inner[0]) != bin_of_quantile(spread.bins, inner[-1])
