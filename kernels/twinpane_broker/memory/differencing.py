"""The rules against differencing: whether a new set, beside the known ones, would single out a few persons.

A reader can subtract two released numbers, or add and subtract three. The result may concern only a few persons. Trackers (Denning,
Denning and Schwartz, "The tracker: a threat to statistical database security", ACM TODS 4, 1979) are sums of this kind:
``q(C or T) + q(C or not T) - q(all)`` is ``q(C)``. No rule can check sums of any number of sets: it is NP-hard to find one that
singles somebody out (Chin and Özsoyoğlu, "Auditing and inference control in statistical databases", IEEE TSE 8, 1982).
``nearest_oldest`` and ``sums_near`` are the rules that are checked.

Each rule looks at the pictures first. They rule out only sets that cannot be near. Then the rule compares the sets themselves.
Two sets are *alike* if neither has so many persons whom the other lacks: they are equal, or *near*.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from twinpane_broker.cells.person_sets import PersonSet, near

from .candidate_set import AT_ONCE, CandidateSet, cover, excess, stretches
from .sketch_index import by_set, how_many

MANY = 8
"""Of more partners than this a sample is looked at before the sets themselves."""


@dataclass(frozen=True)
class SumOfSets:
    """What a reader can add up from numbers of known sets, and about whom: the newcomer equals these persons, or is near them."""

    plus: tuple[int, ...]
    """Known sets by number, whose numbers are added."""
    minus: tuple[int, ...]
    """Those whose numbers are subtracted."""
    who: PersonSet = field(repr=False)
    """The persons whom the sum is about. Its number is theirs, but for few whom two of the sets share."""
    exact: bool
    """Whether the newcomer's number and the sum are the same whatever they are: nothing is told of a few."""
    few: bool
    """Whether they differ by fewer than the threshold, not by the newcomer's distance alone."""

    @property
    def parts(self) -> tuple[int, ...]:
        """All its sets."""
        return self.plus + self.minus


def sums_near(newcomer: CandidateSet, threshold: int) -> Iterator[SumOfSets]:
    """The sums of several known sets that a set which is near no known one equals or is near.

    The newcomer is compared at its own distance, known sets with each other at the ``threshold``, which is not larger.
    """
    yield from _unions(newcomer, threshold)
    yield from _rests(newcomer, threshold)
    yield from _intersections(newcomer, threshold)
    exact: set[int] = set()
    # Parts that spill over by more would hide a sum that is nearer.
    for one in (newcomer, newcomer.judged_at(threshold)) if threshold < newcomer.threshold else (newcomer,):
        parts = _parts_of_answers(one)
        if parts is None:
            return  # nearer there are none either
        yield from _sums_of_one_answer(one, threshold, parts, exact)


# ---------------------------------------------------------------- one and two known sets


def nearest_oldest(newcomer: CandidateSet) -> int | None:
    """The first known set that is near the newcomer: it differs, but only by a few persons. None if there is none."""
    known, k, shelf = newcomer.known, newcomer.threshold, newcomer.known.shelf
    start, stop = shelf.ranked.searchsorted((newcomer.persons - k + 1, newcomer.persons + k))
    found = shelf.order[start:stop]
    found = newcomer.nearly_inside(newcomer.held_but_for(k, found))
    return next((x for x in sorted(found.tolist()) if near(newcomer.who, known.who(x), k)), None)


def _unions(newcomer: CandidateSet, threshold: int) -> Iterator[SumOfSets]:
    """The newcomer is like the union of two known sets whose intersection is like a known set, or empty."""
    known, k, seen = newcomer.known, newcomer.threshold, newcomer.cover
    shelf = known.shelf
    fits = shelf.persons < newcomer.persons + k
    # If two sets together hold all but fewer than k persons of the sample, one of them holds at least half of those.
    firsts = (fits & (2 * seen.counts > seen.size - k)).nonzero()[0]
    for x in newcomer.nearly_inside(firsts).tolist():
        fits[x] = False
        left = seen.bits[seen.bits[:, x] == 0]
        lacking = len(left) - how_many(left).astype(np.int64)
        more = newcomer.persons - int(shelf.persons[x])
        seconds = (fits & (lacking < k) & (shelf.persons > more - k)).nonzero()[0]
        seconds = seconds[may_be_shared(newcomer, shelf.persons[seconds] - more)]
        seconds = newcomer.nearly_inside(seconds)
        seconds = seconds[excess(newcomer.counts - shelf.counts[x], shelf.counts[seconds]) < k]
        for y in seconds.tolist():
            one, other = known.who(x), known.who(y)
            expected = shelf.counts[x] + shelf.counts[y] - newcomer.counts
            for fit in _fits(newcomer, (newcomer.who, one, other), expected, (x, y), (k, threshold)):
                yield SumOfSets((x, y), fit.shared, one | other, fit.exact, fit.few)


def _rests(newcomer: CandidateSet, threshold: int) -> Iterator[SumOfSets]:
    """The union of the newcomer and a known set is like a known set, and their intersection is like a known set, or empty."""
    known, k = newcomer.known, newcomer.threshold
    shelf = known.shelf
    if not len(newcomer.holders):
        return
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
            other, expected = known.who(y), newcomer.counts + shelf.counts[y] - shelf.counts[x]
            for fit in _fits(newcomer, (whole, newcomer.who, other), expected, (x, y), (k, threshold)):
                shared = [known.who(number) for number in fit.shared]
                yield SumOfSets((x, *fit.shared), (y,), (whole - other).union(*shared), fit.exact, fit.few)


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


@dataclass(frozen=True)
class _Fit:
    shared: tuple[int, ...]
    """The known set that is like the intersection of two sets; none if they share a few or nobody."""
    exact: bool
    few: bool


def _fits(
    newcomer: CandidateSet, sets: tuple[PersonSet, PersonSet, PersonSet], expected: NDArray[np.int32], places: tuple[int, int],
    disjoint: tuple[int, int],
) -> Iterator[_Fit]:  # fmt: skip
    """How the last two of three sets add up to the first, one of the three being the newcomer; ``places`` are the other two's numbers.

    ``expected`` is the counts of the last two, less those of the first. Two sets are taken as disjoint that share fewer persons than the
    first number of ``disjoint``: its distance if one of the two is the newcomer. The second number is the threshold.
    """
    (whole, one, other), k, (apart, threshold) = sets, newcomer.threshold, disjoint
    in_one, in_other = one.intersection_cardinality(whole), other.intersection_cardinality(whole)
    if max(len(one) - in_one, len(other) - in_other) >= k or in_one + in_other <= len(whole) - k:
        return
    both = one | other
    if not alike(both, whole, k):
        return
    shared, exact, few = one & other, both == whole, alike(both, whole, threshold)
    if len(shared) < apart:
        yield _Fit((), exact and not shared, few and len(shared) < threshold)
    if len(shared) < threshold:
        return
    shelf = newcomer.known.shelf
    start, stop = shelf.ranked.searchsorted((len(shared) - apart + 1, len(shared) + apart))
    found = shelf.order[start:stop]
    for number in found[_alike(shelf.counts[found], expected, 2 * k - 1)].tolist():
        known = newcomer.known.who(number)
        if number not in places and alike(known, shared, apart):
            yield _Fit((number,), exact and known == shared, few and alike(known, shared, threshold))


def may_be_shared(newcomer: CandidateSet, persons: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a known set, or the empty set, has nearly the expected size of an intersection or union; one answer per expected size."""
    slack, ranked = 2 * newcomer.threshold - 1, newcomer.known.shelf.ranked
    first = ranked.searchsorted(persons - slack, side="right")
    return (persons < slack) | (first < ranked.searchsorted(persons + slack, side="left"))


def _intersections(newcomer: CandidateSet, threshold: int) -> Iterator[SumOfSets]:
    """The newcomer is like the intersection of two known sets whose union is like a known set."""
    k, known = newcomer.threshold, newcomer.known
    for x, y, z in _squares(newcomer):
        one, other, whole = known.who(x), known.who(y), known.who(z)
        if one.intersection_cardinality(other) < threshold:
            continue
        shared = one & other
        if not alike(shared, newcomer.who, k):
            continue
        both = one | other
        if alike(both, whole, k):
            few = alike(shared, newcomer.who, threshold) and alike(both, whole, threshold)
            yield SumOfSets((x, y), (z,), shared, both == whole and shared == newcomer.who, few)


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
    holders = holders[np.argsort(shelf.persons[holders], kind="stable")]  # in order, sizes are looked up several times as fast
    sizes = shelf.persons[holders]
    held: NDArray[np.uint64] | None = None
    wholes: NDArray[np.int64] | None = None
    rows = max(1, AT_ONCE // len(holders))
    for start in range(0, len(holders), rows):
        # Sizes rule out most pairs: few have a set that could be their union.
        first, second = _has_size(sizes[start : start + rows, None] + (sizes[start:] - newcomer.persons), shelf.ranked, slack).nonzero()
        first, second = first[first < second] + start, second[first < second] + start
        if not len(first):
            continue
        held = by_set(newcomer.cover.bits[:, holders]) if held is None else held
        share = np.add.reduce(np.bitwise_count(held[first] & held[second]), axis=-1, dtype=np.int64)
        likely = share > newcomer.cover.size - newcomer.threshold
        if not likely.any():
            continue
        if wholes is None:
            wholes = newcomer.holding_all_but(slack)
            wholes = wholes[np.argsort(shelf.persons[wholes], kind="stable")]
        ranked = shelf.persons[wholes]
        first, second = first[likely], second[likely]
        sums, (x, y) = sizes[first] + sizes[second] - newcomer.persons, np.sort((holders[first], holders[second]), axis=0)
        lowest, beyond = ranked.searchsorted(sums - slack, side="right"), ranked.searchsorted(sums + slack, side="left")
        for pair, place in stretches(lowest, beyond):
            a, b, z = x[pair], y[pair], wholes[place]
            for mine, theirs in ((newcomer.coarse, shelf.coarse), (newcomer.counts, shelf.counts)):
                fits = (a != z) & (b != z) & _alike(theirs[z], theirs[a] + theirs[b] - mine, slack)
                a, b, z = a[fits], b[fits], z[fits]
            yield from zip(a.tolist(), b.tolist(), z.tolist(), strict=True)


def _has_size(persons: NDArray[np.int64], ranked: NDArray[np.int64], slack: int) -> NDArray[np.bool_]:
    """Whether there is a set whose size differs from each of these by less than ``slack``."""
    above = ranked.searchsorted(persons - slack, side="right")
    found: NDArray[np.int64] = ranked.take(above, mode="clip") - persons
    return (found > -slack) & (found < slack)


def _alike(these: NDArray[np.int32], those: NDArray[np.int32], few: int) -> NDArray[np.bool_]:
    """Whether sets of these counts (rows) may differ from those by fewer than ``few`` on either side."""
    return (excess(these, those) < few) & (excess(those, these) < few)


# ---------------------------------------------------------------- the cells of one answer
#
# The rules above compare the newcomer with every set and every pair. The rule below compares it with sums of disjoint sets from one answer,
# the largest first. Each sum that it finds is real, but it may miss one: it skips a cell whose witnesses are among its few persons outside
# the new set.


def _parts_of_answers(newcomer: CandidateSet) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """The answers of which parts may add up to the newcomer, and these parts: one entry for each. None if there is no such answer."""
    known, cover, k = newcomer.known, newcomer.cover, newcomer.threshold
    fits = known.shelf.persons < newcomer.persons + k
    if np.add.reduce(cover.counts, where=fits) <= cover.size - k:
        return None  # not even all of them together
    parts = newcomer.may_hold & fits
    if not np.logical_or.reduce(parts):
        return None
    answers, members = known.memberships
    held = np.bincount(answers, np.where(parts, cover.counts, 0)[members], minlength=1)
    likely = (held > cover.size - k)[answers] & parts[members]
    return (answers[likely], members[likely]) if np.logical_or.reduce(likely) else None


def _sums_of_one_answer(
    newcomer: CandidateSet, threshold: int, parts: tuple[NDArray[np.int64], NDArray[np.int64]], exact: set[int]
) -> Iterator[SumOfSets]:
    """A sum of disjoint sets of one answer is like the newcomer. An answer with an exact one joins ``exact``: it has no nearer one."""
    known, cover, k = newcomer.known, newcomer.cover, newcomer.threshold
    answers, members = parts
    looked_at: set[bytes] = set()
    for start, stop in pairwise([*_starts(answers), len(answers)]):
        some, answer = members[start:stop], int(answers[start])
        if answer in exact or some.tobytes() in looked_at or cover.bits[:, some].any(axis=1).sum() <= cover.size - k:
            continue
        looked_at.add(some.tobytes())
        largest_first = some[np.argsort(-known.shelf.persons[some], kind="stable")]
        if not _counts_leave_a_few(newcomer, largest_first):
            continue
        together, added = _sum(newcomer, largest_first.tolist())
        if len(added) > 1 and alike(newcomer.who, together, k):
            is_exact = sum(len(known.who(part)) for part in added) == len(together) and newcomer.who == together
            if is_exact:
                exact.add(answer)
            yield SumOfSets(added, (), together, is_exact, alike(newcomer.who, together, threshold))


def _counts_leave_a_few(newcomer: CandidateSet, parts: NDArray[np.int64]) -> bool:
    """Whether the sum may differ from the newcomer by a few persons only, judged by the counts of the pictures alone."""
    every = newcomer.known.shelf.counts[parts]
    left: NDArray[np.int64] = newcomer.counts - every.sum(axis=0)
    if left.min() >= 0:  # there is room for all of them
        return int(left.sum()) < newcomer.threshold
    left = newcomer.counts.astype(np.int64)
    for counts in every:
        rest = left - counts
        if np.maximum(np.minimum(counts, -rest), 0).sum() < newcomer.threshold:
            left = rest
    few = newcomer.threshold
    return bool(abs(left[left > 0].sum()) < few and abs(left[left < 0].sum()) < few)


def _sum(newcomer: CandidateSet, parts: Iterable[int]) -> tuple[PersonSet, tuple[int, ...]]:
    """The parts that lie nearly inside the newcomer and share few persons, taken in order: their persons, and which they are."""
    together, spilled, added, left = PersonSet(), 0, [], newcomer.who
    for number in parts:
        part = newcomer.known.who(number)
        # Who is in two parts is counted twice. If nobody might be, an answer would tell whether one person is.
        beyond = len(part) - part.intersection_cardinality(left)
        if spilled + beyond < newcomer.threshold:
            spilled += beyond
            together |= part
            left = left - part
            added.append(number)
    return together, tuple(added)
