"""The rules against differencing: whether a new set, beside the known ones, would single out a few persons.

A reader can subtract two released numbers, or add and subtract three. The result may concern only a few persons. Trackers (Denning,
Denning and Schwartz, "The tracker: a threat to statistical database security", ACM TODS 4, 1979) are sums of this kind:
``q(C or T) + q(C or not T) - q(all)`` is ``q(C)``. No rule can check sums of any number of sets: it is NP-hard to find one that
singles somebody out (Chin and Özsoyoğlu, "Auditing and inference control in statistical databases", IEEE TSE 8, 1982).
``nearest_oldest`` and ``is_near_several`` are the rules that are checked.

Each rule looks at the pictures first. They rule out only sets that cannot be near. Then the rule compares the sets themselves.
*But for few* means: neither of two sets has ``threshold`` persons whom the other lacks.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from twinpane_broker.cells.person_sets import PersonSet, near

from .candidate_set import AT_ONCE, CandidateSet, cover, excess, stretches
from .sketch_index import how_many

MANY = 8
"""Of more partners than this a sample is looked at before the sets themselves."""


def is_near_several(newcomer: CandidateSet) -> bool:
    """Whether a number about a set that is near no known one, combined with several released numbers, would tell of a few persons."""
    return is_near_a_union(newcomer) or completes_a_union(newcomer) or completes_an_intersection(newcomer) or is_near_a_sum(newcomer)


# ---------------------------------------------------------------- one and two known sets


def nearest_oldest(newcomer: CandidateSet) -> int | None:
    """The first known set that is near the newcomer: it differs, but only by a few persons. None if there is none."""
    known, k, shelf = newcomer.known, newcomer.threshold, newcomer.known.shelf
    start, stop = shelf.ranked.searchsorted((newcomer.persons - k + 1, newcomer.persons + k))
    found = shelf.order[start:stop]
    found = newcomer.nearly_inside(newcomer.held_but_for(k, found))
    return next((x for x in sorted(found.tolist()) if near(newcomer.who, known.who(x), k)), None)


def is_near_a_union(newcomer: CandidateSet) -> bool:
    """Whether the newcomer is the union of two known sets whose intersection is known or empty: but for few, and not both exactly."""
    known, k, seen = newcomer.known, newcomer.threshold, newcomer.cover
    shelf = known.shelf
    fits = shelf.persons < newcomer.persons + k
    # If two sets together hold all but fewer than k persons of the sample, one of them holds at least half of those.
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
    """Whether the union of the newcomer and a known set is known, and their intersection is known or empty.

    Both hold but for few persons, and not both exactly.
    """
    known, k = newcomer.known, newcomer.threshold
    shelf = known.shelf
    if not len(newcomer.holders):
        return False
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
    """Pairs (whole, partner) of known sets where the newcomer and the partner may together be nearly the whole."""
    shelf, k = newcomer.known.shelf, newcomer.threshold
    wholes = shelf.persons[holders]
    lowest = shelf.ranked.searchsorted(wholes - newcomer.persons - k, side="right")
    beyond = shelf.ranked.searchsorted(wholes + k, side="left")
    if (beyond - lowest).max() <= 1:
        return  # every whole is its own only partner
    for place, partner in stretches(lowest, beyond):
        x, y = holders[place], shelf.order[partner]
        x, y = x[x != y], y[x != y]
        for mine, theirs in ((newcomer.coarse, shelf.coarse), (newcomer.counts, shelf.counts)):
            if len(x):
                wide, part = theirs[x], theirs[y]
                likely = (excess(wide - mine, part) < k) & (excess(part, wide) < k)
                x, y = x[likely], y[likely]
        if len(x):
            likely = may_be_shared(newcomer, shelf.persons[y] + newcomer.persons - shelf.persons[x])
            if likely.any():
                yield x[likely], y[likely]


def _by_first(pairs: Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    for first, second in pairs:
        for start, stop in pairwise([*_starts(first), len(first)]):
            yield int(first[start]), second[start:stop]


def _starts(numbers: NDArray[np.int64]) -> list[int]:
    """The places at which another number begins; at least one number is asked for."""
    return [0, *(np.flatnonzero(numbers[1:] != numbers[:-1]) + 1).tolist()]


# ---------------------------------------------------------------- what two sets have in common
#
# A reader who knows the size of an intersection knows that of the union: |X| + |Y| - |X and Y|. For two sets X and Y with union Z and
# intersection M, the sum X + Y - Z - M is zero. If four released sets have this form but for few persons, the sum is a number about those
# few. The empty set counts as released: two sets that share fewer persons than the threshold are treated as disjoint. If two sets share
# more, and their intersection was not released, no reader knows the size of their union, and nothing is refused.
# Intersections that follow only from sums of several released sets are not looked for.


def tells_of_few(
    newcomer: CandidateSet, whole: PersonSet, one: PersonSet, other: PersonSet, expected: NDArray[np.int32], places: tuple[int, int]
) -> bool:
    """Whether the union of two sets is the whole, and their intersection is known or empty: but for few persons, and not both exactly.

    One of the three sets is the newcomer; ``places`` are the places of the other two on the shelf. ``expected`` is the counts of
    ``one`` plus those of ``other``, less those of the whole.
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
    shelf = newcomer.known.shelf
    start, stop = shelf.ranked.searchsorted((len(shared) - k + 1, len(shared) + k))
    found = shelf.order[start:stop]
    for number in found[_alike(shelf.counts[found], expected, 2 * k - 1)].tolist():
        known = newcomer.known.who(number)
        if number not in places and alike(known, shared, k) and not (exact and known == shared):
            return True
    return False


def may_be_shared(newcomer: CandidateSet, persons: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a known set, or the empty set, has nearly the expected size of an intersection or union; one answer per expected size."""
    slack, ranked = 2 * newcomer.threshold - 1, newcomer.known.shelf.ranked
    first = ranked.searchsorted(persons - slack, side="right")
    return (persons < slack) | (first < ranked.searchsorted(persons + slack, side="left"))


def completes_an_intersection(newcomer: CandidateSet) -> bool:
    """Whether the newcomer is the intersection of two known sets whose union is known: but for few persons, and not both exactly."""
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
    """Triples of known sets: the newcomer may be the intersection of the first two, and the third their union, but for few persons."""
    shelf, slack, holders = newcomer.known.shelf, 2 * newcomer.threshold - 1, newcomer.holders
    if len(holders) < 2:
        return
    sizes = shelf.persons[holders]
    wholes: NDArray[np.int64] | None = None
    held = newcomer.cover.bits[:, holders].astype(np.float32)  # counts of up to 512, which these hold exactly, and multiply fast
    rows = max(1, AT_ONCE // len(holders))
    for start in range(0, len(holders), rows):
        share = held[:, start : start + rows].T @ held > newcomer.cover.size - newcomer.threshold
        first, second = np.triu(share, start + 1).nonzero()
        sums = sizes[first + start] + sizes[second] - newcomer.persons
        likely = may_be_shared(newcomer, sums)
        if not likely.any():
            continue
        if wholes is None:
            wholes = newcomer.holding_all_but(slack)
            wholes = wholes[np.argsort(shelf.persons[wholes], kind="stable")]
        ranked = shelf.persons[wholes]
        sums, x, y = sums[likely], holders[first[likely] + start], holders[second[likely]]
        lowest, beyond = ranked.searchsorted(sums - slack, side="right"), ranked.searchsorted(sums + slack, side="left")
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
# The rules above compare the newcomer with every set and every pair. The rule below compares it with sums of disjoint sets from one answer,
# the largest first. Each sum that it finds is real, but it may miss one: it skips a cell whose witnesses are among its few persons outside
# the new set.


def is_near_a_sum(newcomer: CandidateSet) -> bool:
    """Whether a sum of disjoint sets of one answer is nearly the newcomer."""
    known, cover, k = newcomer.known, newcomer.cover, newcomer.threshold
    fits = known.shelf.persons < newcomer.persons + k
    if np.add.reduce(cover.counts, where=fits) <= cover.size - k:
        return False  # not even all of them together
    parts = known.shelf.probably_inside(newcomer.who) & fits
    if not np.logical_or.reduce(parts):
        return False
    answers, members = known.memberships
    held = np.bincount(answers, np.where(parts, cover.counts, 0)[members], minlength=1)
    likely = (held > cover.size - k)[answers] & parts[members]
    if not np.logical_or.reduce(likely):
        return False
    answers, members = answers[likely], members[likely]
    looked_at: set[bytes] = set()
    for start, stop in pairwise([*_starts(answers), len(answers)]):
        some = members[start:stop]
        if some.tobytes() in looked_at or cover.bits[:, some].any(axis=1).sum() <= cover.size - k:
            continue
        looked_at.add(some.tobytes())
        largest_first = some[np.argsort(-known.shelf.persons[some], kind="stable")]
        if _counts_leave_a_few(newcomer, largest_first) and near(newcomer.who, _sum(newcomer, largest_first), k):
            return True
    return False


def _counts_leave_a_few(newcomer: CandidateSet, parts: NDArray[np.int64]) -> bool:
    """Whether the sum may differ from the newcomer by a few persons only, judged by the counts of the pictures alone."""
    left = newcomer.counts.copy()
    for counts in newcomer.known.shelf.counts[parts]:
        rest = left - counts
        if np.maximum(np.minimum(counts, -rest), 0).sum() < newcomer.threshold:
            left = rest
    few = newcomer.threshold
    return bool(left.any() and abs(left[left > 0].sum()) < few and abs(left[left < 0].sum()) < few)


def _sum(newcomer: CandidateSet, parts: Iterable[int]) -> PersonSet:
    """The disjoint parts that lie nearly inside the newcomer, taken in order."""
    together, spilled = PersonSet(), 0
    for number in parts:
        part = newcomer.known.who(number)
        outside = len(part) - part.intersection_cardinality(newcomer.who)
        if spilled + outside < newcomer.threshold and not part.intersect(together):
            spilled += outside
            together |= part
    return together
