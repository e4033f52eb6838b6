"""What two sets have in common: where a reader knows its number, they know that of the union, |X| + |Y| - |X and Y|.

Of any two sets X and Y the union Z and the intersection M hold every person as often as X and Y do: X + Y - Z - M is nothing. So where
four sets are released that are this but for few persons, that sum is a number about those few. Nobody counts as released: sets that share
fewer than the threshold are as good as disjoint. Where sets share more, and nobody released that, their union is a number that no reader
has: it hinders no question. Intersections that follow only from sums of several released sets are not looked for.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from twinpane_broker.cells.person_sets import PersonSet

from .candidate_set import AT_ONCE, CandidateSet, excess, stretches


def tells_of_few(
    newcomer: CandidateSet, whole: PersonSet, one: PersonSet, other: PersonSet, expected: NDArray[np.int32], places: tuple[int, int]
) -> bool:
    """Whether two sets' union is the whole, and what they share is a known set or nobody: but for few persons, and not both exactly.

    One of the three is the newcomer; ``places`` are those of the other two on the shelf. ``expected``: the counts of ``one`` and
    ``other`` less those of the whole.
    """
    k = newcomer.threshold
    in_one, in_other = one.intersection_cardinality(whole), other.intersection_cardinality(whole)
    if max(len(one) - in_one, len(other) - in_other) >= k or in_one + in_other <= len(whole) - k:
        return False
    both = one | other
    if not alike(both, whole, k):
        return False
    exact = both == whole
    shared = one & other
    if len(shared) < k:
        return not exact or bool(shared)
    start = np.searchsorted(newcomer.ranked, len(shared) - k, side="right")
    stop = np.searchsorted(newcomer.ranked, len(shared) + k, side="left")
    shelf = newcomer.known.shelf
    found = shelf.order[start:stop]
    for number in found[_alike(shelf.counts[found], expected, 2 * k - 1)].tolist():
        known = newcomer.known.who(number)
        if number not in places and alike(known, shared, k) and not (exact and known == shared):
            return True
    return False


def may_be_shared(newcomer: CandidateSet, persons: NDArray[np.int64]) -> NDArray[np.bool_]:
    """For numbers of persons whom two sets that are nearly a whole should share: whether a known set, or nobody, is about so many."""
    slack = 2 * newcomer.threshold - 1
    first = np.searchsorted(newcomer.ranked, persons - slack, side="right")
    return (persons < slack) | (first < np.searchsorted(newcomer.ranked, persons + slack, side="left"))


def completes_an_intersection(newcomer: CandidateSet) -> bool:
    """Whether the newcomer is what two known sets share and their union is a known set: but for few persons, and not both exactly."""
    k, known = newcomer.threshold, newcomer.known
    for x, y, z in _squares(newcomer):
        one, other, whole = known.who(x), known.who(y), known.who(z)
        if one.intersection_cardinality(other) < k:
            continue
        shared = one & other
        if not alike(shared, newcomer.who, k):
            continue
        both = one | other
        if alike(both, whole, k) and not (both == whole and shared == newcomer.who):
            return True
    return False


def alike(one: PersonSet, other: PersonSet, threshold: int) -> bool:
    """Whether the sets are equal or near: neither has ``threshold`` persons whom the other lacks."""
    if abs(len(one) - len(other)) >= threshold:
        return False
    return max(len(one), len(other)) - one.intersection_cardinality(other) < threshold


def _squares(newcomer: CandidateSet) -> Iterator[tuple[int, int, int]]:
    """Triples of known sets of which the first two may share the newcomer, and the third may be their union, but for few."""
    shelf, slack = newcomer.known.shelf, 2 * newcomer.threshold - 1
    holders, wholes = newcomer.holders, newcomer.holding_all_but(slack)
    if len(wholes) < 3:
        return
    wholes = wholes[np.argsort(shelf.persons[wholes], kind="stable")]
    ranked = shelf.persons[wholes]
    sizes = shelf.persons[holders]
    # A sum of two sizes is looked up among stretches of sizes, the neighbours included, before it is looked up among the sizes.
    shift = slack.bit_length()
    there = np.zeros((int(ranked[-1]) >> shift) + 4, np.bool_)
    for near_by in range(3):
        there[(ranked >> shift) + near_by] = True
    rows = max(1, AT_ONCE // max(1, len(holders)))
    for start in range(0, len(holders), rows):
        sums = sizes[start : start + rows, None] + (sizes[None, :] - newcomer.persons)
        likely = there[np.clip((sums >> shift) + 1, 0, len(there) - 1)]
        first, second = np.nonzero(np.triu(likely, start + 1))
        sums = sums[first, second]
        x, y = holders[first + start], holders[second]
        lowest, beyond = np.searchsorted(ranked, sums - slack, side="right"), np.searchsorted(ranked, sums + slack, side="left")
        for pair, place in stretches(lowest, beyond):
            a, b, z = x[pair], y[pair], wholes[place]
            for mine, theirs in ((newcomer.coarse, shelf.coarse), (newcomer.counts, shelf.counts)):
                fits = (a != z) & (b != z) & _alike(theirs[z], theirs[a] + theirs[b] - mine, slack)
                a, b, z = a[fits], b[fits], z[fits]
            yield from zip(a.tolist(), b.tolist(), z.tolist(), strict=True)


def _alike(these: NDArray[np.int32], those: NDArray[np.int32], few: int) -> NDArray[np.bool_]:
    """Whether sets of these counts (rows) may differ from those by fewer than ``few`` on either side."""
    return (excess(these, those) < few) & (excess(those, these) < few)
