"""Whether sets of persons that numbers were released about single somebody out: alone, by a difference, or by a sum and a difference."""

from collections.abc import Hashable, Iterable

import numpy as np

AT_ONCE = 4096
"""Pairs of sets compared with all others at once."""


def isolated(sets: Iterable[frozenset[Hashable]], threshold: int) -> list[str]:
    """Every way in which 1 … threshold - 1 persons stand alone: one set, X - Y, or X + Y - Z.

    Numbers about sets are added and subtracted by who reads them; what is left counts few persons where fewer than ``threshold``
    are counted positively, fewer negatively, and not nobody at all. Nested sets, disjoint ones that make up a third, and trackers
    (two that overlap in few and together are a third) are the cases in which an attacker can be sure of it.
    """
    distinct = list(dict.fromkeys(each for each in sets if each))
    if not distinct:
        return []
    everyone = {person: place for place, person in enumerate(frozenset().union(*distinct))}
    matrix = np.zeros((len(distinct), len(everyone)), dtype=np.float32)
    for row, who in enumerate(distinct):
        matrix[row, [everyone[person] for person in who]] = 1
    shared = np.rint(matrix @ matrix.T).astype(np.int32)
    sizes = shared.diagonal()
    faults = [f"a set of {size} persons" for size in sizes if size < threshold]
    left = sizes[:, None] - shared
    few = (left < threshold) & (threshold > left.T) & (left + left.T > 0)
    for one, other in zip(*np.nonzero(np.triu(few)), strict=True):
        faults.append(f"sets of {sizes[one]} and {sizes[other]} persons differ by {left[one, other]} and {left[other, one]}")
    # Whoever is in both counts twice: where these are many, nothing small is left.
    ones, others = np.nonzero(np.triu(shared < threshold, 1))
    for at in range(0, len(ones), AT_ONCE):
        one, other = ones[at : at + AT_ONCE], others[at : at + AT_ONCE]
        both = shared[one, other]
        in_all = np.zeros((len(one), len(distinct)), dtype=np.int32)
        overlap = both > 0
        in_all[overlap] = np.rint((matrix[one[overlap]] * matrix[other[overlap]]) @ matrix.T).astype(np.int32)
        in_third = shared[one] + shared[other] - in_all
        united = (sizes[one] + sizes[other] - both)[:, None]
        # In both: counted at least once too often. In one of them: unless the third holds them.
        more = both[:, None] + (united - both[:, None]) - (in_third - in_all)
        less = sizes[None, :] - in_third
        for pair, third in zip(*np.nonzero((more < threshold) & (less < threshold) & (more + less > 0)), strict=True):
            faults.append(
                f"sets of {sizes[one[pair]]} and {sizes[other[pair]]} persons (of whom {both[pair]} in both) together, "
                f"less a set of {sizes[third]}, leave {more[pair, third]} and {less[pair, third]}"
            )
    return faults
