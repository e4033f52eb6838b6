"""Between which numbers a number truly lies that is about: that of another set, or made from some."""

import math

MUCH = 0.2
"""From this share of it on, it is said how far a number that is about may be off."""
Ends = tuple[float, float]


def around(value: float, off: int) -> Ends:
    """A number of persons that may be off by so many: between which numbers it lies."""
    return max(0, value - off), value + off


def share_around(n: int, of: int, off_n: int, off_of: int) -> Ends:
    """The same of a share in percent, where both its numbers of persons may be off; whole percents, rounded outward."""
    least, most = max(0, n - off_n) / max(1, of + off_of), (n + off_n) / max(1, of - off_of)
    return math.floor(100 * least), min(100, math.ceil(100 * most))


def is_much(value: float, ends: Ends) -> bool:
    """Whether a number may be off by much of itself."""
    return max(ends[1] - value, value - ends[0]) > MUCH * abs(value)
