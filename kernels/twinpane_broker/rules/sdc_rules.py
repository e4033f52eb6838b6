"""The disclosure rules for any number, each a small pure function. A rule for one aggregate alone is in that aggregate's module.

Sources: Handbook on Statistical Disclosure Control (threshold, p%, (n,k)); ONS 10-5 rule (threshold and rounding); Denning 1979
(query set size at both ends); ABS DataLab (the dominance pair, quantiles); SDAP handbook (degrees of freedom); GRIM (few digits).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # aggregates know these rules on the researcher's side too, which needs neither person sets nor a site's policy
    from twinpane_broker.cells.cell_evidence import CellEvidence, Spread

    from .policy import Rules


def threshold_rule(persons: int, threshold: int) -> bool:
    """At least ``threshold`` distinct persons."""
    return persons >= threshold


def complement_rule(part: int, whole: int, threshold: int) -> bool:
    """The complement of ``part`` in ``whole`` is empty, or has at least ``threshold`` persons: else the difference is a small cell."""
    rest = whole - part
    return rest == 0 or rest >= threshold


def p_percent_rule(total: float, largest: float, second: float, p: float) -> bool:
    """p% rule: the second largest contributor cannot estimate the largest closer than to p%."""
    return total - largest - second >= p / 100 * largest


def dominance_rule(total: float, largest: float, second: float, one: float, two: float) -> bool:
    """(1,k) and (2,k) rules: neither one nor two contributors hold more than so many percent of the total."""
    return largest <= one / 100 * total and largest + second <= two / 100 * total


def class_rule(part: int, group: int, rules: Rules) -> bool:
    """No category holds more than ``class_share`` percent of a group: else a reader learns the category of nearly everybody in it."""
    return part * 100 <= rules.class_share * group


def cell_is_safe(cell: CellEvidence, persons: int, rules: Rules) -> bool:
    """Threshold and complement rule for a cell of a question with ``persons`` persons. An empty cell is safe only if zeros may be shown."""
    if cell.persons == 0 and rules.zeros == "shown":
        return True
    return threshold_rule(cell.persons, rules.threshold) and complement_rule(cell.persons, persons, rules.threshold)


def count_is_safe(cell: CellEvidence, rules: Rules) -> bool:
    """No one or two persons dominate a cell's rows. A cell without rows is safe."""
    return spread_out(cell.rows, cell.largest, cell.second, rules)


def mean_is_safe(spread: Spread | None, rules: Rules) -> bool:
    """Enough persons have a value, nobody dominates by size or number of values, and the values are not all equal.

    The rule covers sums too: together with the number of values, a mean gives the sum and a sum the mean. A mean of equal values tells
    everyone's value (class disclosure), so it is suppressed for any number of persons. Contributions count by their absolute values, so
    that signs do not cancel.
    """
    if spread is None or not threshold_rule(spread.persons, rules.threshold) or spread.low == spread.high:
        return False
    if not nobody_has_most(spread.most_values, spread.values, rules):
        return False
    return spread_out(spread.absolute, spread.largest, spread.second, rules)


def nobody_has_most(most_values: int, values: int, rules: Rules) -> bool:
    """Nobody has a larger share of the values than the share of a total that one contributor may hold."""
    return most_values * 100 <= rules.dominance_one * values


def spread_out(total: float, largest: float, second: float, rules: Rules) -> bool:
    """Dominance rule and p% rule for one total."""
    by_two = dominance_rule(total, largest, second, rules.dominance_one, rules.dominance_two)
    return by_two and p_percent_rule(total, largest, second, rules.dominance_p)
