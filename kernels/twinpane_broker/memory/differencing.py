"""The rules against differencing: whether a new set, beside the known ones, would single out a few persons.

Two released numbers are subtracted, or three are added and subtracted; what is left may concern a few persons only. Denning and
Schlörer's trackers (Denning, Denning and Schwartz, "The tracker: a threat to statistical database security", ACM TODS 4, 1979) are such
sums: ``q(C or T) + q(C or not T) - q(all)`` is ``q(C)``. Sums of any number of sets cannot all be looked at: to find one that singles
somebody out is NP-hard (Chin and Özsoyoğlu, "Auditing and inference control in statistical databases", IEEE TSE 8, 1982). What is
looked at is in ``singles_out``, rule by rule.

Each rule first looks at the pictures, which leave out only what cannot be near, and then at the sets themselves.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from twinpane_broker.cells.person_sets import PersonSet, near

from .candidate_set import AT_ONCE, CandidateSet, cover, excess, stretches
from .released_sets import ReleasedSets
from .sketch_index import how_many

MANY = 8
"""Of more partners than this a sample is looked at before the sets themselves."""


def singles_out(who: PersonSet, threshold: int, known: ReleasedSets, together: Sequence[int] = ()) -> bool:
    """Whether numbers about a set and about known ones would together tell of fewer than ``threshold`` persons.

    ``who`` is neither known nor empty. ``together`` are the known sets that the same answer is to release.
    """
    if len(who) < threshold:
        return True
    if not len(known):
        return False
    newcomer = CandidateSet(who, threshold, known)
    return (
        is_near_a_set(newcomer)
        or is_near_a_union(newcomer)
        or completes_a_union(newcomer)
        or completes_an_intersection(newcomer)
        or is_near_a_sum(newcomer, np.array(together, dtype=np.int64))
    )


# ---------------------------------------------------------------- one and two known sets


def is_near_a_set(newcomer: CandidateSet) -> bool:
    """Whether a known set differs from the newcomer by few persons, but not by none."""
    known, k = newcomer.known, newcomer.threshold
    found = np.flatnonzero(newcomer.may_hold_all & (np.abs(known.shelf.persons - newcomer.persons) < k))
    found = newcomer.nearly_inside(found)
    found = found[excess(newcomer.counts, known.shelf.counts[found]) < k]
    return any(near(newcomer.who, known.who(x), k) for x in found.tolist())


def is_near_a_union(newcomer: CandidateSet) -> bool:
    """Whether the newcomer is the union of two known sets, and a known one (or nobody) what they share: but for few, not both exactly."""
    known, k, seen = newcomer.known, newcomer.threshold, newcomer.cover
    shelf = known.shelf
    fits = shelf.persons < newcomer.persons + k
    # Of two sets that together hold all but fewer than k of the sample, one holds half of that.
    firsts = np.flatnonzero(fits & (2 * seen.counts > seen.size - k))
    for x in newcomer.nearly_inside(firsts).tolist():
        fits[x] = False
        left = seen.bits[seen.bits[:, x] == 0]
        lacking = len(left) - how_many(left).astype(np.int64)
        more = newcomer.persons - int(shelf.persons[x])
        seconds = np.flatnonzero(fits & (lacking < k) & (shelf.persons > more - k))
        seconds = seconds[may_be_shared(newcomer, shelf.persons[seconds] - more)]
        seconds = newcomer.nearly_inside(seconds)
        seconds = seconds[excess(newcomer.counts - shelf.counts[x], shelf.counts[seconds]) < k]
        for y in seconds.tolist():
            shared = shelf.counts[x] + shelf.counts[y] - newcomer.counts
            if tells_of_few(newcomer, newcomer.who, known.who(x), known.who(y), shared, (x, y)):
                return True
    return False


def completes_a_union(newcomer: CandidateSet) -> bool:
    """Whether the newcomer and a known set are together another known set, and a known one (or nobody) what they share.

    But for few persons, and not both exactly.
    """
    known, k = newcomer.known, newcomer.threshold
    shelf = known.shelf
    for x, partners in _by_first(_pairs(newcomer, newcomer.holders)):
        whole = known.who(x)
        if len(partners) > MANY:
            rest = whole - newcomer.who
            if len(newcomer.who) - len(whole) + len(rest) >= k:
                continue
            if len(rest):
                seen = cover(rest, k, known)
                partners = partners[seen.size - seen.counts[partners] < k]
        for y in partners.tolist():
            shared = newcomer.counts + shelf.counts[y] - shelf.counts[x]
            if tells_of_few(newcomer, whole, newcomer.who, known.who(y), shared, (x, y)):
                return True
    return False


def _pairs(newcomer: CandidateSet, holders: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs (whole, partner) of known sets in which the newcomer and the partner may make up nearly the whole."""
    shelf, k, ranked = newcomer.known.shelf, newcomer.threshold, newcomer.ranked
    wholes = shelf.persons[holders]
    lowest = np.searchsorted(ranked, wholes - newcomer.persons - k, side="right")
    beyond = np.searchsorted(ranked, wholes + k, side="left")
    for place, partner in stretches(lowest, beyond):
        x, y = holders[place], shelf.order[partner]
        x, y = x[x != y], y[x != y]
        for mine, theirs in ((newcomer.coarse, shelf.coarse), (newcomer.counts, shelf.counts)):
            likely = excess(theirs[x] - mine, theirs[y]) < k
            x, y = x[likely], y[likely]
            likely = excess(theirs[y], theirs[x]) < k
            x, y = x[likely], y[likely]
        likely = may_be_shared(newcomer, shelf.persons[y] + newcomer.persons - shelf.persons[x])
        if likely.any():
            yield x[likely], y[likely]


def _by_first(pairs: Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    for first, second in pairs:
        starts = np.flatnonzero(np.diff(first, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(first)], strict=True):
            yield int(first[start]), second[start:stop]


# ---------------------------------------------------------------- what two sets have in common
#
# Where a reader knows its number, they know that of the union, |X| + |Y| - |X and Y|. Of any two sets X and Y the union Z and the
# intersection M hold every person as often as X and Y do: X + Y - Z - M is nothing. So where four sets are released that are this but for
# few persons, that sum is a number about those few. Nobody counts as released: sets that share fewer than the threshold are as good as
# disjoint. Where sets share more, and nobody released that, their union is a number that no reader has: it hinders no question.
# Intersections that follow only from sums of several released sets are not looked for.


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


# ---------------------------------------------------------------- the cells of one answer
#
# What is done above for every one and every two sets is done here for the disjoint sets of single answers, largest first. What it finds is
# there; it need not find all: a cell whose witnesses are among the few whom it has outside the new set is passed over.


def is_near_a_sum(newcomer: CandidateSet, together: NDArray[np.int64]) -> bool:
    """Whether disjoint sets that one answer released, or the decision under way admitted ``together``, are nearly the newcomer."""
    known, cover, k = newcomer.known, newcomer.cover, newcomer.threshold
    parts = known.shelf.probably_inside(newcomer.who) & (known.shelf.persons < newcomer.persons + k)
    answers, members = known.memberships
    answers = np.concatenate([answers, np.full(len(together), known.families)])
    members = np.concatenate([members, together])
    held = np.bincount(answers, np.where(parts, cover.counts, 0)[members], minlength=1)
    likely = (held > cover.size - k)[answers] & parts[members]
    answers, members = answers[likely], members[likely]
    looked_at: set[bytes] = set()
    for start, stop in pairwise([*np.flatnonzero(np.diff(answers, prepend=-1)).tolist(), len(answers)]):
        some = members[start:stop]
        if some.tobytes() in looked_at or cover.bits[:, some].any(axis=1).sum() <= cover.size - k:
            continue
        looked_at.add(some.tobytes())
        largest_first = some[np.argsort(-known.shelf.persons[some], kind="stable")]
        if _counts_leave_a_few(newcomer, largest_first) and near(newcomer.who, _sum(newcomer, largest_first), k):
            return True
    return False


def _counts_leave_a_few(newcomer: CandidateSet, parts: NDArray[np.int64]) -> bool:
    """What ``_sum`` would leave of the newcomer, and add to it, judged by the counts of the pictures alone."""
    left = newcomer.counts.copy()
    for counts in newcomer.known.shelf.counts[parts]:
        rest = left - counts
        if np.maximum(np.minimum(counts, -rest), 0).sum() < newcomer.threshold:
            left = rest
    return bool(left.any()) and abs(left[left > 0].sum()) < newcomer.threshold and abs(left[left < 0].sum()) < newcomer.threshold


def _sum(newcomer: CandidateSet, parts: Iterable[int]) -> PersonSet:
    """The first of the parts that are nearly in the newcomer and have nobody in common."""
    together, spilled = PersonSet(), 0
    for number in parts:
        part = newcomer.known.who(number)
        outside = len(part) - part.intersection_cardinality(newcomer.who)
        if spilled + outside < newcomer.threshold and not part.intersect(together):
            spilled += outside
            together |= part
    return together
