"""Rounds numbers before they leave: counts to multiples of the base, all others to a few significant digits."""

import math


def round_to(count: int, base: int) -> int:
    """A count rounded to the nearest multiple of ``base``, halves up."""
    return (2 * count + base) // (2 * base) * base


def rounded(value: float, digits: int, precision: float | None = None) -> float:
    """A number at so many significant digits, or at the catalogue's precision if that is coarser."""
    if precision:
        value = float(f"{round(value / precision) * precision:.12g}")
    short = float(f"{value:.{digits - 1}e}")
    return 0.0 if short == 0 or not math.isfinite(short) else short
