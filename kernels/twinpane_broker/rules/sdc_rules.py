"""The disclosure rules, each a small pure function on evidence. What is measured is in ``evidence``; what follows is in ``judge``.

Sources: Handbook on Statistical Disclosure Control (threshold, p%, (n,k)); ONS 10-5 rule (threshold and rounding); Denning 1979
(query set size at both ends); ABS DataLab (the dominance pair, quantiles); SDAP handbook (degrees of freedom); GRIM (few digits).
"""

from twinpane_broker.cells.cell_evidence import Bins, CellEvidence, Pair, Spread
from twinpane_broker.disclosure.wording import described

from .policy import Rules

__all__ = [
    "cell_is_safe", "class_rule", "complement_rule", "correlation_is_safe", "count_is_safe", "described",
    "dominance_rule", "mean_is_safe", "p_percent_rule", "quantile_is_safe", "scatter", "spread_is_safe", "threshold_rule",
]  # fmt: skip

ALL_BUT_EQUAL = 1e-6
"""A share of variance that is left unexplained: what less is explained by is the other measure alone."""


def threshold_rule(persons: int, threshold: int) -> bool:
    """At least ``threshold`` distinct persons."""
    return persons >= threshold


def complement_rule(part: int, whole: int, threshold: int) -> bool:
    """What ``part`` leaves out of ``whole`` is nobody, or at least ``threshold`` persons: else the difference is a small cell."""
    rest = whole - part
    return rest == 0 or rest >= threshold


def p_percent_rule(total: float, largest: float, second: float, p: float) -> bool:
    """p% rule: the second largest contributor cannot estimate the largest closer than to p%."""
    return total - largest - second >= p / 100 * largest


def dominance_rule(total: float, largest: float, second: float, one: float, two: float) -> bool:
    """(1,k) and (2,k) rules: neither one nor two contributors hold more than so many percent of the total."""
    return largest <= one / 100 * total and largest + second <= two / 100 * total


def class_rule(part: int, group: int, rules: Rules) -> bool:
    """No category holds more than ``class_share`` percent of a group: else one learns it of nearly everybody in the group."""
    return part * 100 <= rules.class_share * group


def cell_is_safe(cell: CellEvidence, persons: int, rules: Rules) -> bool:
    """Threshold and complement of a cell within a question of ``persons`` persons; an empty cell only where zeros may be shown."""
    if cell.persons == 0 and rules.zeros == "shown":
        return True
    return threshold_rule(cell.persons, rules.threshold) and complement_rule(cell.persons, persons, rules.threshold)


def count_is_safe(cell: CellEvidence, rules: Rules) -> bool:
    """No few persons make up most of a cell's rows. Where nobody has a row there is nothing to dominate."""
    return _spread_out(cell.rows, cell.largest, cell.second, rules)


def mean_is_safe(spread: Spread | None, rules: Rules) -> bool:
    """Enough persons with a value, none of whom dominates by size or number of values, and not all the same value.

    For sums as well: with the number of values either gives the other. A mean of equal values tells everyone's value (class
    disclosure), so it is held back however many they are. Contributions count by their absolute values, so signs cancel nothing.
    """
    if spread is None or not threshold_rule(spread.persons, rules.threshold) or spread.low == spread.high:
        return False
    return _nobody_has_most(spread, rules) and _spread_out(spread.absolute, spread.largest, spread.second, rules)


def spread_is_safe(spread: Spread | None, rules: Rules) -> bool:
    """A standard deviation or variance: the mean's rules, enough persons, enough degrees of freedom."""
    if spread is None or spread.squares is None or not mean_is_safe(spread, rules):
        return False
    return spread.persons >= rules.spread_persons and spread.values - 1 >= rules.spread_dof


def quantile_is_safe(spread: Spread | None, percent: int, at: int, rules: Rules) -> bool:
    """Enough persons on each side: up to the quantile's bin ``at`` and from it on, and in the part that the percent cuts off.

    So a median of k = 10 needs 20 persons, a quartile 40, a decile 100. Not nearly all values share one bin.
    """
    if spread is None or spread.bins is None or not _nobody_has_most(spread, rules):
        return False
    bins: Bins = spread.bins
    cut_off = spread.persons * min(percent, 100 - percent) // 100
    below, above = sum(bins.lowest[: at + 1]), sum(bins.highest[at:])
    both_sides = threshold_rule(below, rules.threshold) and threshold_rule(above, rules.threshold)
    return both_sides and threshold_rule(cut_off, rules.threshold) and class_rule(max(bins.rows), spread.values, rules)


def correlation_is_safe(pair: Pair | None, rules: Rules) -> bool:
    """Enough persons, nobody with most rows, both measures vary, and neither follows from the other."""
    if pair is None or len(pair.who) < rules.correlation_persons or not _nobody_has_most(pair, rules):
        return False
    x, y, both = scatter(pair)
    # Where one follows from the other, who knows one value of a person would know the other too.
    return x > 0 and y > 0 and 1 - both**2 / (x * y) > ALL_BUT_EQUAL


def scatter(pair: Pair) -> tuple[float, float, float]:
    """Sums of squares and of products around the means: of x, of y, of both."""
    n = pair.values
    return pair.xx - pair.x**2 / n, pair.yy - pair.y**2 / n, pair.xy - pair.x * pair.y / n


def _nobody_has_most(part: Spread | Pair, rules: Rules) -> bool:
    return part.most_values * 100 <= rules.dominance_one * part.values


def _spread_out(total: float, largest: float, second: float, rules: Rules) -> bool:
    by_two = dominance_rule(total, largest, second, rules.dominance_one, rules.dominance_two)
    return by_two and p_percent_rule(total, largest, second, rules.dominance_p)
