"""Rounds numbers before they leave: counts to multiples of the base, means to decimals, all others to a few significant digits."""

import math

TIDY = 12
"""Significant digits at which a product of short decimals is free of the noise of binary fractions."""


def round_to(count: int, base: int) -> int:
    """A count rounded to the nearest multiple of ``base``, halves up."""
    return (2 * count + base) // (2 * base) * base


def rounded(value: float, digits: int) -> float:
    """A number at so many significant digits."""
    short = float(f"{value:.{digits - 1}e}")
    return 0.0 if short == 0 or not math.isfinite(short) else short


def outward(low: float, high: float, digits: int) -> tuple[float, float]:
    """Two numbers, the lower one rounded down and the higher one up to so many significant digits."""
    steps = [10.0 ** -decimals_of_size(end, digits) if end else 1.0 for end in (low, high)]
    return tidy(math.floor(tidy(low / steps[0])) * steps[0]), tidy(math.ceil(tidy(high / steps[1])) * steps[1])


def decimals_of_span(span: float, digits: int) -> int:
    """Decimals that tell about so many significant digits relative to a span: 1 for 90, 100 and 200 with three, -1 for 9,000."""
    return digits - round(math.log10(span))


def decimals_of_size(value: float, digits: int) -> int:
    """Decimals that tell a number's so many significant digits."""
    return digits - 1 - int(f"{value:e}".partition("e")[2])


def decimals_of_step(step: float) -> int:
    """The most decimals that are no finer than a step: 1 for 0.1 and 0.2, -1 for 10."""
    return math.floor(1e-9 - math.log10(step))


def at_decimals(value: float, decimals: int) -> float:
    """A number at so many decimals; before the point where they are negative."""
    return round(value, decimals) + 0.0  # no negative zero


def tidy(value: float) -> float:
    """A number without the noise of binary fractions."""
    return float(f"{value:.{TIDY}g}")
