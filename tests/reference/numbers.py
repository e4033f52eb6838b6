"""What one number may be under the rules, worked out from the persons' values; and the persons that it is about."""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd
from pandas.core.groupby import SeriesGroupBy

from twinpane_broker.aggregates.registry import Measure, MeasureKind
from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.catalogue.edges import borders_of, grid_of
from twinpane_broker.rules.policy import Rules

from .rows import PERSON, is_missing

MOST_ROWS_EACH = 20
"""Rows that a person has on average at most."""
MOST_TIMES = 4
"""So many times the persons the first multiple of rows may be."""
SLACK = 1e-9
"""Sums of the same doubles in another order differ by less than this share of them."""


@dataclass(frozen=True)
class Number:
    """What a released number may be: one of ``allowed``; none where the rules hide it. ``why`` says which rule."""

    who: frozenset
    allowed: frozenset[float] = frozenset()
    why: str = ""
    n: frozenset[int] | None = None
    """Over how many values or persons it may say that it is; None where anything."""
    of: frozenset[int] | None = None

    def permits(self, value: float) -> bool:
        """Whether the broker may show this."""
        return any(value == each or math.isclose(value, each, rel_tol=1e-12) for each in self.allowed)


def hidden(who: frozenset, why: str) -> Number:
    """A number that no release may show."""
    return Number(who, why=why)


def rounded(count: int, base: int) -> frozenset[int]:
    """What a count may be rounded to: the multiple below it or the one above. Which of them is drawn."""
    return frozenset({math.floor(Fraction(count, base)) * base, math.ceil(Fraction(count, base)) * base})


def primary(persons: int, everyone: int, rules: Rules) -> str:
    """Why a cell may not be shown, or nothing."""
    if persons == 0:
        return "" if rules.zeros == "shown" else "nobody is in it"
    if persons < rules.threshold:
        return f"{persons} persons are in it"
    if 0 < everyone - persons < rules.threshold:
        return f"it leaves out {everyone - persons} persons"
    return ""


def shortened(value: float, digits: int) -> frozenset[float]:
    """A number at so many significant digits; both neighbours where it is on the verge."""
    near = (value, value * (1 - SLACK), value * (1 + SLACK))
    return frozenset(0.0 if each == 0 else float(f"{each:.{digits - 1}e}") for each in near)


def _places(mean: float, column: Column, rules: Rules, n: int, known: bool, base: int) -> int:
    """The decimals of a mean: digits of its size or of the span of the bounds, whichever are more, but no finer than any such n allows.

    Where the number of values is known exactly, digits need not hide it.
    """
    low, high = column.known_bounds
    places = max(rules.digits - round(math.log10(high - low)), rules.digits - 1 - math.floor(math.log10(abs(mean) or 1.0)))
    step = column.precision or (1.0 if column.type == "integer" else None)
    if known:
        return places
    fewest = max(rules.threshold, n - (base - 1))
    return rules.digits - round(math.log10(high - low)) if step is None else min(places, math.floor(math.log10(fewest / step) + SLACK))


def _means(mean: float, column: Column, rules: Rules, n: int, known: bool, base: int) -> frozenset[float]:
    """What a mean may be as it is shown."""
    low, high = column.known_bounds
    places = _places(mean, column, rules, n, known, base)
    return frozenset(round(near, places) for near in (mean, mean - SLACK * (high - low), mean + SLACK * (high - low)))


def _sum(mean: float, n: int, off: int, column: Column, rules: Rules, known: bool, base: int) -> float:
    """A shown mean times a shown number of values, of which neither is surer than its last digit."""
    unsure = abs(mean) * off + n * 10.0 ** -_places(mean, column, rules, n, known, base) / 2
    return round(mean * n, -math.floor(math.log10(unsure)))


def summed(mean: float, n: int, off: int, column: Column, rules: Rules, size: int) -> float:
    """A mean of ``size`` values as it is told coarsely, times another number, which may be ``off`` by so much."""
    unsure = abs(mean) * off + n * 10.0 ** -_places(mean, column, rules, size, known=False, base=rules.base) / 2
    return round(mean * n, -math.floor(math.log10(unsure)))


def spread_out(parts: list[float], rules: Rules) -> str:
    """Whether one or two persons hold too much of a total: the rule that says so, or nothing. ``parts`` are absolute contributions."""
    ordered = [*sorted((abs(part) for part in parts), reverse=True), 0.0, 0.0]
    total, one, two = math.fsum(ordered), ordered[0], ordered[0] + ordered[1]
    if total == 0:
        return ""
    if one > rules.dominance_one / 100 * total * (1 + SLACK):
        return "one person dominates"
    if two > rules.dominance_two / 100 * total * (1 + SLACK):
        return "two persons dominate"
    if total - two < rules.dominance_p / 100 * one * (1 - SLACK):
        return "p% rule"
    return ""


def rows_shown(rows: int, persons: int, rules: Rules, base: int) -> frozenset[int]:
    """A number of rows or values, up or down: not fewer than the persons as they are shown, and no first multiple that is far more."""
    return frozenset(
        max(0 if many == base > MOST_TIMES * of else many, of) for many in rounded(rows, base) for of in rounded(persons, rules.base)
    )


def counted(rows: pd.DataFrame, rules: Rules, base: int) -> Number:
    """The number of rows of a cell, rounded to a base of its own."""
    each = rows.groupby(PERSON).size()
    who = frozenset(each.index)
    if why := spread_out(each.tolist(), rules):
        return hidden(who, why)
    return Number(who, frozenset(map(float, rows_shown(len(rows), len(who), rules, base))))


def of_values(measure: Measure, column: Column, rows: pd.DataFrame, rules: Rules, base: int, n: int | None = None) -> Number:
    """A mean, sum, spread or quantile of a cell; with ``n`` values shown, where that is not their number rounded to ``base``."""
    have = rows[~is_missing(rows[measure.column])]
    values = have[measure.column].to_numpy(dtype="float64")
    who = frozenset(have[PERSON])
    if len(who) < rules.threshold:
        return hidden(who, "too few persons have a value")
    if values.min() == values.max():
        return hidden(who, "everybody has the same value")
    each = have.groupby(PERSON)[measure.column]
    if each.size().max() > rules.dominance_one / 100 * len(values):
        return hidden(who, "one person has most of the values")
    # Where a number of values is told coarsely, by how much follows from the catalogue, which is not known here; else it is that of persons
    # of whom a few may lack a value.
    base = base if n is None else rules.base
    own = base - 1
    offs = [own] if n is None else [own + rules.most_about, *(rules.most_about * each - 1 for each in range(1, MOST_ROWS_EACH))]
    known, ns = base == 1 and n is None, rows_shown(len(values), len(who), rules, base) if n is None else frozenset({n})
    if measure.kind == MeasureKind.quantile:
        return _quantile(measure.percent, column, each, values, rules, ns)
    if why := spread_out(each.sum().tolist(), rules):
        return hidden(who, why)
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    if measure.kind == MeasureKind.mean:
        return Number(who, frozenset().union(*(_means(float(mean), column, rules, n, known, base) for n in ns)), n=ns)
    if measure.kind == MeasureKind.sum:
        means = ((each, n) for n in ns for each in _means(float(mean), column, rules, n, known, base))
        return Number(who, frozenset(_sum(each, n, off, column, rules, known, base) for each, n in means for off in offs), n=ns)
    if len(who) < rules.spread_persons:
        return hidden(who, "too few persons for a spread")
    variance = float(sum((value - mean) ** 2 for value in exact) / (len(exact) - 1))
    value = variance if measure.kind == MeasureKind.var else math.sqrt(variance)
    return Number(who, shortened(value, rules.digits_spread), n=ns)


def _quantile(percent: int, column: Column, each: SeriesGroupBy, values: np.ndarray, rules: Rules, n: frozenset[int]) -> Number:
    who = frozenset(each.groups)
    if len(who) * min(percent, 100 - percent) < 100 * rules.threshold:
        return hidden(who, "too few persons on a side of the quantile")
    grid, borders = grid_of(column), borders_of(column)
    # The nearest edge; where two methods differ, that of either value.
    ends = set()
    for method in ("inverted_cdf", "lower", "higher"):
        at = _nearest(borders, float(np.percentile(values, percent, method=method)))
        ends.add(_told(at, grid, borders, column))
        if at < len(borders) and int((each.min() < borders[at]).sum()) < rules.threshold:
            return hidden(who, "too few persons below the quantile")
        if at > 0 and int((each.max() >= borders[at - 1]).sum()) < rules.threshold:
            return hidden(who, "too few persons above the quantile")
    if not 100 - rules.class_share <= percent <= rules.class_share:
        low, high = (_nearest(borders, float(np.percentile(values, p, method="inverted_cdf"))) for p in (10, 90))
        if low == high:
            return hidden(who, "the quantiles within tell of one value")
    return Number(who, frozenset(ends), n=n)


def _told(at: int, grid: tuple[float, ...], borders: tuple[float, ...], column: Column) -> float:
    """The edge; at a bound beyond which values may lie, the number from which on it is the nearest edge."""
    whole = column.type == "integer"
    if at == len(borders) and column.bounds[1] != 0:
        return float(math.ceil(borders[-1])) if whole else borders[-1]
    if at == 0 and column.bounds[0] != 0:
        return float(math.ceil(borders[0]) - 1) if whole else borders[0]
    return grid[at]


def _nearest(borders: tuple[float, ...], value: float) -> int:
    """The place of the edge around which a value lies."""
    return sum(border <= value for border in borders)


def correlated(measure: Measure, columns: tuple[Column, Column], rows: pd.DataFrame, rules: Rules, base: int) -> Number:
    """Pearson's correlation of two measures over the rows that have both."""
    have = rows[~is_missing(rows[measure.column]) & ~is_missing(rows[measure.other])]
    who = frozenset(have[PERSON])
    if len(who) < max(rules.correlation_persons, rules.threshold):
        return hidden(who, "too few persons for a correlation")
    if have.groupby(PERSON).size().max() > rules.dominance_one / 100 * len(have):
        return hidden(who, "one person has most of the values")
    x, y = (have[name].to_numpy(dtype="float64") for name in (measure.column, measure.other))
    if x.min() == x.max() or y.min() == y.max():
        return hidden(who, "a measure that does not vary")
    r = float(np.corrcoef(x, y)[0, 1])
    allowed = shortened(r, rules.digits_spread) | ({0.0} if abs(r) < SLACK else frozenset())
    return Number(who, allowed, n=rows_shown(len(have), len(who), rules, base))
