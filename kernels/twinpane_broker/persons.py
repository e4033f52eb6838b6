"""Sets of persons as compressed bitmaps (roaring). A person is a small number that the site's register gives them once, for good.

They stay inside: what leaves is how many persons a set holds, rounded, and only where the rules and the memory allow.
"""

import hashlib

from pyroaring import BitMap as PersonSet

__all__ = ["NOBODY", "PersonSet", "fingerprint", "near"]

NOBODY = PersonSet()


def fingerprint(who: PersonSet) -> bytes:
    """16 bytes by which equal sets are found again: SHA-256 of the set's canonical serialisation, cut."""
    canonical = who.copy()
    canonical.run_optimize()
    return hashlib.sha256(canonical.serialize()).digest()[:16]


def near(one: PersonSet, other: PersonSet, threshold: int) -> bool:
    """Whether the sets differ, but on neither side by ``threshold`` persons or more: their difference would single those out.

    Nested sets are the case in which one side is empty.
    """
    shared = one.intersection_cardinality(other)
    here, there = len(one) - shared, len(other) - shared
    return (here, there) != (0, 0) and here < threshold and there < threshold
