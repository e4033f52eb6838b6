"""Differencing of row counts: two counts about the same persons must not differ by the rows of only a few of them.

Person sets do not tell rows apart. All visits, and all visits but one, can belong to the same persons; the two counts then differ by
that one visit. The number of persons behind a difference is not known here. The most rows that one person has give a lower bound for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class RowCount:
    """A released number of rows (or values), with its person set. ``most`` is the most rows of one person, or an upper bound of it."""

    fingerprint: bytes
    rows: int
    most: int


def of_few(new: RowCount, known: Iterable[RowCount], threshold: int) -> bool:
    """Whether fewer than ``threshold`` persons may account for the difference to a known number about the same persons."""
    return any(0 < abs(new.rows - old.rows) <= (threshold - 1) * max(new.most, old.most) for old in known)
