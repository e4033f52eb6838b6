"""The disclosure rules, each a small pure function on evidence. What is measured is in ``evidence``; what follows is in ``judge``.

Sources: Handbook on Statistical Disclosure Control (threshold, p%, (n,k)); ONS 10-5 rule (threshold and rounding); Denning 1979
(query set size at both ends); ABS DataLab (the dominance pair); GRIM (few digits for means).
"""

import math

from .evidence import CellEvidence, Spread
from .policy import Rules


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

    A mean of equal values tells everyone's value (class disclosure), so it is held back however many they are.
    """
    if spread is None or not threshold_rule(spread.persons, rules.threshold) or spread.low == spread.high:
        return False
    if spread.most_values * 100 > rules.dominance_one * spread.values:
        return False
    return _spread_out(spread.absolute, spread.largest, spread.second, rules)


def _spread_out(total: float, largest: float, second: float, rules: Rules) -> bool:
    by_two = dominance_rule(total, largest, second, rules.dominance_one, rules.dominance_two)
    return by_two and p_percent_rule(total, largest, second, rules.dominance_p)


def rounded_mean(value: float, rules: Rules, precision: float | None) -> float:
    """A mean at the policy's significant digits, or at the catalogue's precision where that is coarser."""
    if precision:
        value = float(f"{round(value / precision) * precision:.12g}")
    short = float(f"{value:.{rules.digits - 1}e}")
    return 0.0 if short == 0 or not math.isfinite(short) else short


def described(rules: Rules, *, means: bool, grouped: bool) -> tuple[str, ...]:
    """The rules that a table went through, in words for the person who reads it."""
    words = [f"Cells of fewer than {rules.threshold} persons are suppressed, and so are cells that leave out fewer than {rules.threshold}."]
    if rules.base > 1:
        words.append(f"Counts are rounded to {rules.base}, each on its own, so parts need not add up to the total.")
    if grouped:
        words.append("Every approved code has its row" + ("; nobody and few look alike." if rules.zeros == "hidden" else "."))
        words.append("Where one suppressed cell could be worked out from the others, a second one is suppressed too.")
    words.append(
        f"Suppressed where one person holds over {rules.dominance_one:g} % or two over {rules.dominance_two:g} % of it "
        f"(p% rule: {rules.dominance_p:g})."
    )
    if means:
        words.append(f"Means are over the rows with a value, clipped to the catalogue's bounds, at {rules.digits} significant digits.")
    return tuple(words)
