"""The meter's arithmetic, as pure functions: the rest of a budget, whether a verdict may leave, and its price.

Bits are counted in whole millionths. Prices are rounded up and budgets down. So sums are exact, and roundings cannot add up to a leak.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from .errors import MeterError

MICRO = 1_000_000


def price(bits: float) -> int:
    """Millionths of a bit, rounded up; raises MeterError for what is not a price."""
    if not (math.isfinite(bits) and bits >= 0):
        raise MeterError(f"{bits} bits is not a price")
    return math.ceil(bits * MICRO)


def budget(bits: float) -> int:
    """Millionths of a bit, rounded down; raises MeterError for what is not a budget."""
    if not (math.isfinite(bits) and bits >= 0):
        raise MeterError(f"{bits} bits is not a budget")
    return math.floor(bits * MICRO)


@dataclass(frozen=True)
class Balance:
    """The account of one user and project on one day, in millionths of a bit."""

    day: int
    """The day's budget, grants of that day included."""
    total: int
    """The budget in all, all grants included."""
    day_spent: int = 0
    total_spent: int = 0
    reserved: Mapping[str, int] = field(default_factory=dict)
    """What may still leave: id -> the dearest it can be."""

    @property
    def left(self) -> int:
        """The rest of today's budget. It depends only on what has left. It is 0 if a steward lowered the budget below what has left."""
        return max(0, min(self.day - self.day_spent, self.total - self.total_spent))

    def covers(self, reserve: int) -> bool:
        """Whether something that costs at most ``reserve`` may leave, in addition to everything already reserved."""
        return reserve <= self.left - sum(self.reserved.values())


def shown(left: int) -> float:
    """Bits left, rounded down to 0.1, as it is told outside."""
    return left * 10 // MICRO / 10
