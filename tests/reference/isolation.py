"""Whether sets of persons that numbers were released about single somebody out: alone, by a difference, or by a sum and a difference."""

from collections.abc import Hashable, Iterable

import numpy as np

AT_ONCE = 4096
"""Pairs of sets compared with all others at once."""


def isolated(sets: Iterable[frozenset[Hashable]], threshold: int) -> list[str]:
    """Every way in which 1 … threshold - 1 persons stand alone: one set, X - Y, or the union of X and Y against Z.

    Two sets differ by few where neither side of the difference holds ``threshold`` persons, and not both are empty: nested sets with
    a small difference are the case that an attacker can be sure of. Where two sets together are a third, X + Y - Z counts those who
    are in both: the trackers.
    """
    distinct = list(dict.fromkeys(each for each in sets if each))
    if not distinct:
        return []
    everyone = {person: place for place, person in enumerate(frozenset().union(*distinct))}
    matrix = np.zeros((len(distinct), len(everyone)), dtype=np.float32)
    for row, who in enumerate(distinct):
        matrix[row, [everyone[person] for person in who]] = 1
    shared = _counts(matrix @ matrix.T)
    sizes = shared.diagonal()
    faults = [f"a set of {size} persons" for size in sizes if size < threshold]
    left = sizes[:, None] - shared
    few = (np.maximum(left, left.T) < threshold) & (left + left.T > 0)
    for one, other in zip(*np.nonzero(np.triu(few)), strict=True):
        faults.append(f"sets of {sizes[one]} and {sizes[other]} persons differ by {left[one, other]} and {left[other, one]}")
    # One inside the other makes no union of its own.
    ones, others = np.nonzero(np.triu((left > 0) & (left.T > 0), 1))
    for at in range(0, len(ones), AT_ONCE):
        one, other = ones[at : at + AT_ONCE], others[at : at + AT_ONCE]
        united = np.maximum(matrix[one], matrix[other])
        inside = _counts(united @ matrix.T)
        beyond = _counts(united.sum(axis=1))[:, None] - inside
        lacking = sizes[None, :] - inside
        both = shared[one, other]
        differs = (beyond < threshold) & (lacking < threshold) & (beyond + lacking > 0)
        # A union against one of its own two parts: nobody is told how large the union is.
        places = np.arange(len(one))
        differs[places, one] = differs[places, other] = False
        tracked = (beyond + lacking == 0) & ((both > 0) & (both < threshold))[:, None]
        for pair, third in zip(*np.nonzero(differs | tracked), strict=True):
            faults.append(
                f"sets of {sizes[one[pair]]} and {sizes[other[pair]]} persons, of whom {both[pair]} in both, together differ from one of "
                f"{sizes[third]} by {beyond[pair, third]} and {lacking[pair, third]}"
            )
    return faults


def _counts(numbers: np.ndarray) -> np.ndarray:
    return np.rint(numbers).astype(np.int32)
