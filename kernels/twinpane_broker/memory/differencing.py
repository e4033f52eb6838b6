"""The rules against differencing: whether a new set, beside the known ones, would single out a few persons.

Two released numbers are subtracted, or three are added and subtracted; what is left may concern a few persons only. Denning and
Schlörer's trackers (Denning, Denning and Schwartz, "The tracker: a threat to statistical database security", ACM TODS 4, 1979) are such
sums: ``q(C or T) + q(C or not T) - q(all)`` is ``q(C)``. A union of two sets counts where its number follows from released ones: see
``intersections``. Sums of any number of sets cannot all be looked at: to find one that singles somebody out is NP-hard (Chin and
Özsoyoğlu, "Auditing and inference control in statistical databases", IEEE TSE 8, 1982).

Each rule first looks at the pictures, which leave out only what cannot be near, and then at the sets themselves.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from twinpane_broker.cells.person_sets import near

from .candidate_set import CandidateSet, cover, excess, stretches
from .intersections import may_be_shared, tells_of_few
from .sketch_index import how_many

MANY = 8
"""Of more partners than this a sample is looked at before the sets themselves."""


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
