"""The rules against differencing: whether a new set, beside the known ones, would single out a few persons.

Two released numbers are subtracted, or three are added and subtracted; what is left may concern a few persons only. Denning and
Schlörer's trackers (Denning, Denning and Schwartz, "The tracker: a threat to statistical database security", ACM TODS 4, 1979) are such
sums: ``q(C or T) + q(C or not T) - q(all)`` is ``q(C)``. Sums of any number of sets cannot all be looked at: to find one that singles
somebody out is NP-hard (Chin and Özsoyoğlu, "Auditing and inference control in statistical databases", IEEE TSE 8, 1982).

Each rule first looks at the pictures, which leave out only what cannot be near, and then at the sets themselves.
"""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from twinpane_broker.persons import PersonSet, near

from .known import Known
from .shelf import Cover, coarse, how_many
from .sketch import counts, sample, shift_of

LEAST_SAMPLE = 64
MOST_SAMPLE = 512
"""Persons of a set that are looked up in all others: enough that a set without them is seen to lack ``threshold`` of them."""
MANY = 8
"""Of more partners than this a sample is looked at before the sets themselves."""
_AT_ONCE = 1 << 15
"""Pairs whose counts are compared in one step."""


class Newcomer:
    """A set that is not known yet, seen beside those that are."""

    def __init__(self, who: PersonSet, threshold: int, known: Known) -> None:
        self.who = who
        self.persons = len(who)
        self.threshold = threshold
        self.known = known
        shelf = known.shelf
        shelf.widen(max(shelf.shift, shift_of(who)))
        self.counts = counts(who, shelf.shift)
        self.coarse = coarse(self.counts)
        self.cover = _cover(who, threshold, known)

    @property
    def may_hold_all(self) -> NDArray[np.bool_]:
        """(sets,): those that may lack fewer than ``threshold`` of the newcomer's persons."""
        return self.cover.size - self.cover.counts < self.threshold

    @cached_property
    def holders(self) -> NDArray[np.int64]:
        """Sets that may hold nearly all of the newcomer: all but fewer than ``threshold``."""
        shelf = self.known.shelf
        found = np.flatnonzero(self.may_hold_all & (shelf.persons > self.persons - self.threshold))
        found = found[_excess(self.coarse, shelf.coarse[found]) < self.threshold]
        return found[_excess(self.counts, shelf.counts[found]) < self.threshold]

    def nearly_inside(self, found: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of these sets, those of which nearly all may be inside the newcomer."""
        shelf = self.known.shelf
        found = found[_excess(shelf.coarse[found], self.coarse) < self.threshold]
        return found[_excess(shelf.counts[found], self.counts) < self.threshold]


def is_near_a_set(newcomer: Newcomer) -> bool:
    """Whether a known set differs from the newcomer by few persons, but not by none."""
    known, k = newcomer.known, newcomer.threshold
    found = np.flatnonzero(newcomer.may_hold_all & (np.abs(known.shelf.persons - newcomer.persons) < k))
    found = newcomer.nearly_inside(found)
    found = found[_excess(newcomer.counts, known.shelf.counts[found]) < k]
    return any(near(newcomer.who, known.who(x), k) for x in found)


def is_near_a_union(newcomer: Newcomer) -> bool:
    """Whether the union of two known sets differs from the newcomer by few, or is the newcomer and they share few."""
    known, k, cover = newcomer.known, newcomer.threshold, newcomer.cover
    shelf = known.shelf
    fits = shelf.persons < newcomer.persons + k
    # Of two sets that together hold all but fewer than k of the sample, one holds half of that.
    firsts = np.flatnonzero(fits & (2 * cover.counts > cover.size - k))
    for x in newcomer.nearly_inside(firsts):
        left = cover.bits[cover.bits[:, x] == 0]
        lacking = len(left) - how_many(left).astype(np.int64)
        seconds = np.flatnonzero(fits & (lacking < k) & (shelf.persons > newcomer.persons - int(shelf.persons[x]) - k))
        seconds = newcomer.nearly_inside(seconds[seconds != x])
        seconds = seconds[_excess(newcomer.counts - shelf.counts[x], shelf.counts[seconds]) < k]
        if any(isolates(newcomer.who, known.who(x), known.who(y), k) for y in seconds):
            return True
    return False


def completes_a_union(newcomer: Newcomer) -> bool:
    """Whether the newcomer and a known set are together near another known set, or are that set and share few."""
    known, k = newcomer.known, newcomer.threshold
    for x, partners in _by_first(_pairs(newcomer, newcomer.holders)):
        whole = known.who(x)
        if len(partners) > MANY:
            rest = whole - newcomer.who
            if len(newcomer.who) - len(whole) + len(rest) >= k:
                continue
            if len(rest):
                cover = _cover(rest, k, known)
                partners = partners[cover.size - cover.counts[partners] < k]
        for y in partners:
            partner = known.who(y)
            # Where the partner holds the newcomer, their union is an old set, whose relations were decided before.
            if not newcomer.who.issubset(partner) and isolates(whole, newcomer.who, partner, k):
                return True
    return False


def isolates(whole: PersonSet, one: PersonSet, other: PersonSet, threshold: int) -> bool:
    """Whether ``one`` and ``other`` together are near the whole; or are the whole, and fewer than the threshold are in both."""
    in_one, in_other = one.intersection_cardinality(whole), other.intersection_cardinality(whole)
    outside = max(len(one) - in_one, len(other) - in_other)
    if outside >= threshold or in_one + in_other <= len(whole) - threshold:
        return False
    both = one | other
    if both != whole:
        return near(whole, both, threshold)
    return 0 < one.intersection_cardinality(other) < threshold


def _pairs(newcomer: Newcomer, holders: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs (whole, partner) of known sets in which the newcomer and the partner may make up nearly the whole."""
    shelf, k = newcomer.known.shelf, newcomer.threshold
    ranked = shelf.persons[shelf.order]
    wholes = shelf.persons[holders]
    lowest = np.searchsorted(ranked, wholes - newcomer.persons - k, side="right")
    beyond = np.searchsorted(ranked, wholes + k, side="left")
    several = beyond - lowest
    start = 0
    while start < len(holders):
        stop = start + max(1, int(np.searchsorted(np.cumsum(several[start:]), _AT_ONCE, side="right")))
        lengths = several[start:stop]
        x = np.repeat(holders[start:stop], lengths)
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        y = shelf.order[np.repeat(lowest[start:stop], lengths) + within]
        start = stop
        x, y = x[x != y], y[x != y]
        for mine, theirs in ((newcomer.coarse, shelf.coarse), (newcomer.counts, shelf.counts)):
            likely = _excess(theirs[x] - mine, theirs[y]) < k
            x, y = x[likely], y[likely]
            likely = _excess(theirs[y], theirs[x]) < k
            x, y = x[likely], y[likely]
        if len(x):
            yield x, y


def _by_first(pairs: Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    for first, second in pairs:
        starts = np.flatnonzero(np.diff(first, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(first)], strict=True):
            yield int(first[start]), second[start:stop]


def _excess(these: NDArray[np.int32], those: NDArray[np.int32]) -> NDArray[np.int64]:
    """By how many persons, at least, each of these (rows of counts) has others than those."""
    return np.maximum(these - those, 0).sum(axis=-1)


def _cover(who: PersonSet, threshold: int, known: Known) -> Cover:
    return known.shelf.cover(sample(who, min(MOST_SAMPLE, max(LEAST_SAMPLE, 4 * threshold))))

