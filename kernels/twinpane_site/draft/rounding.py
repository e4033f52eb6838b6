"""How the catalogue's numbers are rounded: pure functions, so that each rule can be read and tested alone."""

import math
from collections.abc import Sequence
from datetime import date, timedelta

_EPOCH = date(1970, 1, 1)
TAIL = 0.005
"""Share of persons beyond each of the bounds of a measure, about."""
FAR = 20
"""How far from the 95 % quantile a bound may lie for the sake of a long tail: so many times that quantile's distance from the median."""
_MONTHS = (1, 3, 6, 12, 24, 60, 120)


def down(count: int, base: int) -> int:
    """A count rounded down to a multiple of the base."""
    return count // base * base


def near(count: float, base: int) -> int:
    """A count rounded to the nearest multiple of the base, halves up."""
    return math.floor(count / base + 0.5) * base


def share(part: float, whole: float, base: int) -> float:
    """A share in steps of 0.001, from a numerator and a denominator that were each rounded first."""
    bottom = near(whole, base)
    return round(min(near(part, base) / bottom, 1.0), 3) if bottom else 0.0


def hundredths(part: float, whole: float, base: int) -> float:
    """A share in steps of 0.01, from parts that were each rounded first, so that it does not tell a count of few persons exactly."""
    return round(share(part, whole, base), 2)


def missing(average: float, without: int, persons: int, threshold: int, base: int) -> float:
    """A missing share in steps of 0.01, averaged over ``persons``.

    If fewer persons than the threshold lack a value, the share is 0. Otherwise it is never 0 and, since some persons have a value, never
    1: in pandas, an integer column with missing values has another type than one without.
    """
    return 0.0 if without < threshold else min(max(hundredths(average * persons, persons, base), 0.01), 0.99)


def nice(size: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below ``size``."""
    if size <= 0:
        return 0.0
    power = math.floor(math.log10(size))
    for digit in (1, 2, 5, 10):
        if digit * 10.0**power >= size * (1 - 1e-9):
            return _tidy(digit * 10.0**power)
    return _tidy(10.0 ** (power + 1))


def snap(value: float, step: float) -> float:
    """The nearest multiple of the step, halves up."""
    return _tidy(math.floor(value / step + 0.5) * step)


def outward(low: float, high: float, precision: float) -> tuple[float, float]:
    """Bounds that contain both ends, on a grid of about a tenth of their distance and no finer than the precision."""
    step = max(nice((high - low) / 10), precision)
    bottom, top = _tidy(math.floor(low / step + 1e-9) * step), _tidy(math.ceil(high / step - 1e-9) * step)
    return bottom, top if top > bottom else _tidy(bottom + step)


def reaching(low: float, high: float, quantiles: Sequence[float], outer: float) -> tuple[float, float]:
    """Ends for the bounds, so far out that clipping at them changes means little: from published numbers alone, so they tell no more.

    ``low`` and ``high`` are the outer quantiles, with a share ``outer`` of persons beyond each; ``quantiles`` go from 5 to 95 %. A small
    change of the data moves an end little. Numbers that are never negative keep a lower end of 0 or more.
    """
    bottom = -_end(-low, [-quantile for quantile in reversed(quantiles)], outer)
    return (max(bottom, 0.0) if low >= 0 else bottom), _end(high, quantiles, outer)


def _end(high: float, quantiles: Sequence[float], outer: float) -> float:
    """The upper end. It is never below the outer quantile, so that few values lie beyond it.

    The fewer persons, the further inside the outer quantile lies: it is moved to where an exponential tail has ``TAIL`` beyond, one that
    starts at the quantile of 75 % or of 85 %, whichever is shorter: where most persons have 0, the former is none of the tail's. If a tail
    is longer than that, its end lies further from the last of the quantiles than that from the median; it is moved by twice the excess,
    but for this no further than ``FAR``: a few absurd values are no tail.
    """
    last = len(quantiles) - 1
    middle, top = quantiles[last // 2], quantiles[last]
    starts = (quantiles[round(last * 7 / 9)], 0.25), (quantiles[round(last * 8 / 9)], 0.15)
    length = min((high - start) / math.log(beyond / outer) for start, beyond in starts)
    end = max(high + max(0.0, length) * math.log(outer / TAIL), top)
    return max(end, min(end + 2 * max(0.0, (high - top) - (top - middle)), _far(top, middle)))


def astray(low: float, high: float, quantiles: Sequence[float]) -> bool:
    """Whether an outer quantile lies so far from the others that its values may be mistakes, as 9999 for a missing one."""
    middle = quantiles[len(quantiles) // 2]
    return high > _far(quantiles[-1], middle) > middle or low < _far(quantiles[0], middle) < middle


def _far(quantile: float, middle: float) -> float:
    return quantile + FAR * (quantile - middle)


def knots(quantiles: Sequence[float], persons: int, precision: float) -> tuple[float, ...]:
    """Quantiles on a grid of a tenth to a hundredth of their spread. The fewer persons, the coarser the grid."""
    step = max(nice(_coarse(quantiles, persons)), precision)
    return tuple(snap(q, step) for q in quantiles)


def precision(decimals: int, spread: float) -> float:
    """The step in which numbers are recorded, from their decimals; with more than four decimals, a thousandth of the spread."""
    return round(10.0**-decimals, 4) if decimals < 5 else nice(spread / 1000) or 1e-6


def months(quantiles: Sequence[float], persons: int) -> tuple[date, ...]:
    """Days since 1970, moved to the first of the month; with fewer persons, to the first of the quarter, half year, year, …"""
    step = next((m for m in _MONTHS if m * 30 >= _coarse(quantiles, persons)), _MONTHS[-1])
    dates = (_EPOCH + timedelta(days=math.floor(q)) for q in quantiles)
    return tuple(date(max(m // 12, 1), m % 12 + 1, 1) for m in ((d.year * 12 + d.month - 1) // step * step for d in dates))


def _coarse(quantiles: Sequence[float], persons: int) -> float:
    """The finest step that quantiles of so many persons may be told in."""
    return (quantiles[-1] - quantiles[0]) / min(max(persons / 20, 10), 100)


def probabilities(persons: int, threshold: int) -> tuple[float, ...]:
    """Equal steps from 0.05 to 0.95: 19 where each step holds the threshold of persons, else 10, none below ten times it."""
    if persons < 10 * threshold:
        return ()
    count = 19 if persons >= 20 * threshold else 10
    return tuple(round(0.05 + 0.9 * i / (count - 1), 4) for i in range(count))


def tail(persons: int, threshold: int) -> float:
    """The probability of the outer quantile, which gives the bounds: 0.5 %, or enough to leave the threshold of persons beyond it."""
    return max(TAIL, threshold / persons)


def _tidy(value: float) -> float:
    """The value without the noise of binary fractions, and no negative zero."""
    return float(f"{value:.12g}") + 0.0
