"""Rounds numbers before they leave: counts to multiples of the base, means to decimals, all others to a few significant digits."""

import math
from decimal import Decimal

TIDY = 12
"""Significant digits at which a product of short decimals is free of the noise of binary fractions."""


def round_to(count: int, base: int) -> int:
    """A count rounded to the nearest multiple of ``base``, halves up."""
    return (2 * count + base) // (2 * base) * base


def round_drawn(count: int, base: int, draw: int) -> int:
    """A count rounded to a multiple of ``base`` next to it, up or down as a draw from 0 … base - 1 says: on average it is the count.

    Random rounding, as Statistics New Zealand does it (the unbiased kind). Multiples stay as they are.
    """
    return (count + draw) // base * base


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


def place_of(unsure: float) -> float:
    """The place, a power of ten, of the first digit of how far a number may be off; 0 if it is sure."""
    return 10.0 ** math.floor(math.log10(unsure)) if unsure > 0 else 0.0


def at_uncertainty(value: float, unsure: float) -> float:
    """A number down to the first digit in which it may be off by so much: 5,436, give or take 97, is 5,440."""
    return tidy(at_decimals(value, -round(math.log10(place)))) if (place := place_of(unsure)) else tidy(value)


def decimals_written(value: float) -> int:
    """The decimals that a number is written with; before the point, where it ends in zeros: -2 for 5,400."""
    return -int(Decimal(f"{value:.{TIDY}g}").normalize().as_tuple().exponent) if value else 0


def tidy(value: float) -> float:
    """A number without the noise of binary fractions."""
    return float(f"{value:.{TIDY}g}")
