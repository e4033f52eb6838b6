"""Whether sets of persons that numbers were released about single somebody out: alone, by a difference, or by two sums."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

AT_ONCE = 4096
"""Pairs of sets compared with all others at once."""


def isolated(sets: Iterable[frozenset[Hashable]], threshold: int) -> list[str]:
    """Every way in which 1 … threshold - 1 persons stand alone: one set, X - Y, or X + Y - Z - M of four.

    Two sets differ by few where neither side of the difference holds ``threshold`` persons, and not both are empty: nested sets with
    a small difference are the case that an attacker can be sure of. X and Y hold every person as often as their union and what they
    share: where Z is that union and M is that intersection, but for few and not both exactly, those few are left. Nobody, too, is an M
    (the trackers: X and Y share few); where they share more, and no released set is M, nobody can compute how many the union are.
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
        both = shared[one, other]
        wholes, exactly = _alike(np.maximum(matrix[one], matrix[other]), matrix, threshold)
        shares, just_these = _alike(np.minimum(matrix[one], matrix[other]), matrix, threshold)
        # A union against one of its own two parts: nobody is told how large the union is. The same for what they share.
        places = np.arange(len(one))
        for alike in (wholes, shares):
            alike[places, one] = alike[places, other] = False
        disjoint = (both < threshold)[:, None]
        tracked = disjoint & (~exactly | (both > 0)[:, None])
        by_any, by_near = shares.any(axis=1)[:, None], (shares & ~just_these).any(axis=1)[:, None]
        told = ~disjoint & np.where(exactly, by_near, by_any)
        for pair, third in zip(*np.nonzero(wholes & (tracked | told)), strict=True):
            faults.append(
                f"sets of {sizes[one[pair]]} and {sizes[other[pair]]} persons, of whom {both[pair]} in both, together differ from one of "
                f"{sizes[third]} by few, or share few or nearly a released set"
            )
    return faults


def _alike(sets: np.ndarray, released: np.ndarray, threshold: int) -> tuple[np.ndarray, np.ndarray]:
    """(sets, released): whether they differ on neither side by the threshold; whether they are equal."""
    inside = _counts(sets @ released.T)
    beyond = _counts(sets.sum(axis=1))[:, None] - inside
    lacking = _counts(released.sum(axis=1))[None, :] - inside
    return (beyond < threshold) & (lacking < threshold), beyond + lacking == 0


def _counts(numbers: np.ndarray) -> np.ndarray:
    return np.rint(numbers).astype(np.int32)


PRIME = 2_147_483_647
ORDERS = 40
"""Orders of persons in which sets are reduced: a combination of a few is found where one only of these comes early."""


def combined(sets: Iterable[frozenset[Hashable]], threshold: int) -> list[str]:
    """Combinations of any number of sets that hold 1 … threshold - 1 persons on either side, and that nobody overlooks.

    Sets are rows of zeros and ones. They are brought to reduced echelon form, with persons in random orders: each reduced row is a
    combination of the sets, the only one with that person first among those who come first in a row, the pivots.

    To find all is NP-hard, and the memory promises those that hold one pivot at most in any of its eight choices. These are not known
    here. So a combination counts that is found in half of the orders: by chance the memory would overlook one of 256 such, or fewer.
    """
    distinct = list(dict.fromkeys(each for each in sets if each))
    everyone = sorted(frozenset().union(*distinct), key=repr)
    rows = np.array([[person in who for person in everyone] for who in distinct], dtype=np.int64).reshape(len(distinct), len(everyone))
    random, found = np.random.default_rng(0), Counter[tuple[int, ...]]()
    for _ in range(ORDERS):
        order = random.permutation(len(everyone))
        reduced = _reduced(rows[:, order])[:, np.argsort(order)]
        found.update(_scaled(row) for row in reduced if max(_sides(row)) < threshold)
    sides = [_sides(row) for row, times in found.items() if 2 * times >= ORDERS]
    return [f"{added} persons less {taken} follow from released sets together" for added, taken in sides]


def _scaled(row: np.ndarray) -> tuple[int, ...]:
    """A combination can be taken any number of times: its first number is made 1."""
    return tuple((row * pow(int(row[row > 0][0]), -1, PRIME) % PRIME).tolist())


def _sides(row: Sequence[int]) -> tuple[int, int]:
    """How many persons are added, and how many are taken away."""
    return sum(0 < each < PRIME // 2 for each in row), sum(each > PRIME // 2 for each in row)


def _reduced(rows: np.ndarray) -> np.ndarray:
    rows, rank = rows.copy(), 0
    for column in range(rows.shape[1]):
        held = np.flatnonzero(rows[rank:, column])
        if not held.size:
            continue
        rows[[rank, rank + held[0]]] = rows[[rank + held[0], rank]]
        rows[rank] = rows[rank] * pow(int(rows[rank, column]), -1, PRIME) % PRIME
        others = np.flatnonzero(rows[:, column])
        others = others[others != rank]
        rows[others] = (rows[others] - rows[others, column][:, None] * rows[rank][None, :]) % PRIME
        rank += 1
        if rank == len(rows):
            break
    return rows[:rank]
