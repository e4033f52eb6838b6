"""The value of a measure that so many percent of the values do not exceed, snapped to the catalogue's grid."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from twinpane_broker.catalogue.catalogue import Column, ColumnType
from twinpane_broker.catalogue.edges import grid_of
from twinpane_broker.rules.sdc_rules import class_rule, nobody_has_most, threshold_rule

from .aggregate import OfValues, Shown
from .pooled import Absent, Parts, PooledValue

if TYPE_CHECKING:  # the researcher's side imports this too, and needs neither person sets nor rules
    from twinpane_broker.cells.cell_evidence import Bins, Spread
    from twinpane_broker.rules.cell_key import Counter
    from twinpane_broker.rules.policy import Rules

Percent = Literal[5, 10, 25, 50, 75, 90, 95]
"""Quantiles that may be asked for; the extremes are single persons' values."""


class Quantile(OfValues):
    """Never a person's own value: an edge of the grid."""

    kind: Literal["quantile"] = "quantile"
    percent: Percent

    sql = ("quantile_cont", "percentile_cont", "median")
    needs_bins = True
    shown = Shown.whole
    under_noise = False
    follows_from_sums = False
    code = "quantiles"
    sentence = (
        "Quantiles need {threshold} persons on each side, so a median {median} in all and those of 5 and 95 % {tail}, "
        "and are snapped to the catalogue's grid."
    )

    @property
    def plain_name(self) -> str:
        """The percent and its column."""
        return f"p{self.percent}_{self.column.partition('.')[2]}"[:63]

    def parameters(self, rules: "Rules") -> Mapping[str, int | float]:
        """Persons on each side, of a median in all, of the outermost quantiles in all."""
        return {"threshold": rules.threshold, "median": 2 * rules.threshold, "tail": 20 * rules.threshold}

    def is_safe(self, spread: "Spread", rules: "Rules") -> bool:
        """Enough persons on each side of the quantile's bin (``quantile_is_safe``)."""
        at = bin_of_quantile(spread.bins, self.percent)
        return at is not None and quantile_is_safe(spread, self.percent, at, rules)

    def number(self, spread: "Spread", column: Column, counter: "Counter") -> float:
        """Between the edges of its bin by the share of the bin's values below it, then the nearer of the two."""
        at = bin_of_quantile(spread.bins, self.percent)
        if at is None or spread.bins is None:
            raise ValueError("a quantile of no values")
        edges, rows = grid_of(column), spread.bins.rows
        inside = (self.percent / 100 * sum(rows) - sum(rows[:at])) / rows[at]
        edge = edges[at + (inside >= 0.5)]
        return int(edge) if column.type is ColumnType.integer and edge == int(edge) else edge

    @classmethod
    def pool(cls, parts: Parts, absent: Absent) -> PooledValue:
        """Not at all: no function of the sites' quantiles is the quantile of all; a histogram is."""
        return PooledValue(None, (*(site for site, part in parts.items() if part.value is None), *absent), "see the sites")


def bin_of_quantile(bins: "Bins | None", percent: int) -> int | None:
    """The bin of the grid in which the value lies that so many percent do not exceed; None where there are no values."""
    if bins is None or not sum(bins.rows):
        return None
    wanted, reached = percent / 100 * sum(bins.rows), 0
    for place, rows in enumerate(bins.rows):
        reached += rows
        if rows and reached >= wanted:
            return place
    return None


def quantile_is_safe(spread: "Spread | None", percent: int, at: int, rules: "Rules") -> bool:
    """Enough persons on each side: up to the quantile's bin ``at`` and from it on, and in the part that the percent cuts off.

    So a median of k = 10 needs 20 persons, a quartile 40, a decile 100. Not nearly all values share one bin.
    """
    if spread is None or spread.bins is None or not nobody_has_most(spread.most_values, spread.values, rules):
        return False
    cut_off = spread.persons * min(percent, 100 - percent) // 100
    below, above = sum(spread.bins.lowest[: at + 1]), sum(spread.bins.highest[at:])
    both_sides = threshold_rule(below, rules.threshold) and threshold_rule(above, rules.threshold)
    return both_sides and threshold_rule(cut_off, rules.threshold) and class_rule(max(spread.bins.rows), spread.values, rules)
