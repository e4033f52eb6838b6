"""Numbers of rows beside each other: two that are about the same persons must not differ by the rows of few of them.

Person sets do not tell rows apart: everybody's visits and everybody's visits but one are of the same persons, and their numbers differ
by that one. How many persons a difference is made of is not known here, but it is bounded: by the most rows that one person has.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class RowCount:
    """A released number of rows (or of values): whose, how many, and the most of one person; ``most`` may be an upper bound."""

    fingerprint: bytes
    rows: int
    most: int


def of_few(new: RowCount, known: Iterable[RowCount], threshold: int) -> bool:
    """Whether the difference to a known number about the same persons may be made of fewer than ``threshold`` persons' rows."""
    return any(0 < abs(new.rows - old.rows) <= (threshold - 1) * max(new.most, old.most) for old in known)
