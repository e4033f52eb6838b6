"""A new person set (the *newcomer*), compared with the pictures of the known sets to find the few that could be near it."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from twinpane_broker.cells.person_sets import PersonSet

from .released_sets import ReleasedSets
from .sketch import Sketch, joined, sample
from .sketch_index import Cover, coarse

LEAST_SAMPLE = 64
MOST_SAMPLE = 512
"""Persons of a set that are looked up in all others: enough that a set without them is seen to lack ``threshold`` of them."""
FEW = 64
"""Sets whose counts are compared column by column at once; of more, the coarse columns rule most of them out first."""
AT_ONCE = 1 << 15
"""Pairs whose counts are compared in one step."""


class CandidateSet:
    """A set that is not known yet, with its picture."""

    def __init__(self, who: PersonSet, picture: Sketch, threshold: int, known: ReleasedSets) -> None:
        self.who = who
        self.persons = picture.persons
        self.threshold = threshold
        self.known = known
        shelf = known.shelf
        shelf.widen(picture.shift)
        self.counts = joined(picture.counts, shelf.shift - picture.shift)
        self.coarse = coarse(self.counts)
        self.cover = cover(who, threshold, known)

    def judged_at(self, threshold: int) -> "CandidateSet":
        """The same set beside the same known ones, where a few are fewer than another ``threshold``, which is not larger."""
        other = CandidateSet.__new__(CandidateSet)
        other.__dict__ |= {**self.__dict__, "threshold": threshold}
        other.__dict__.pop("holders", None)
        return other

    @cached_property
    def may_hold(self) -> NDArray[np.bool_]:
        """Known sets that are probably in the newcomer (``probably_inside``)."""
        return self.known.shelf.probably_inside(self.who)

    @cached_property
    def holders(self) -> NDArray[np.int64]:
        """Known sets that may hold nearly all of the newcomer: they lack fewer than ``threshold`` of its persons."""
        return self.holding_all_but(self.threshold)

    def holding_all_but(self, few: int) -> NDArray[np.int64]:
        """Known sets that may lack fewer than ``few`` of the newcomer's persons."""
        shelf = self.known.shelf
        return self.held_but_for(few, (shelf.persons > self.persons - few).nonzero()[0])

    def held_but_for(self, few: int, found: NDArray[np.int64]) -> NDArray[np.int64]:
        """Keep the sets that may lack fewer than ``few`` of the newcomer's persons."""
        shelf = self.known.shelf
        if len(found):
            found = found[self.cover.counts[found] > self.cover.size - few]
        if len(found) > FEW:
            found = found[excess(self.coarse, shelf.coarse[found]) < few]
        if len(found):
            found = found[excess(self.counts, shelf.counts[found]) < few]
        return found

    def nearly_inside(self, found: NDArray[np.int64]) -> NDArray[np.int64]:
        """Keep the sets of which nearly all persons may be in the newcomer."""
        shelf = self.known.shelf
        if len(found) > FEW:
            found = found[excess(shelf.coarse[found], self.coarse) < self.threshold]
        if len(found):
            found = found[excess(shelf.counts[found], self.counts) < self.threshold]
        return found


def excess(these: NDArray[np.int32], those: NDArray[np.int32]) -> NDArray[np.int64]:
    """A lower bound per row of counts: how many persons the first set has that the second lacks."""
    others: NDArray[np.int64] = np.add.reduce(np.maximum(these - those, 0), axis=-1)
    return others


def cover(who: PersonSet, threshold: int, known: ReleasedSets) -> Cover:
    """Which known sets may hold which of a sample of ``who``."""
    return known.shelf.cover(sample(who, min(MOST_SAMPLE, max(LEAST_SAMPLE, 4 * threshold))))


def stretches(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs (i, place) for every place from starts[i] to stops[i] - 1. One step gives AT_ONCE pairs, or all pairs of one i."""
    several = np.maximum(stops - starts, 0)
    if not several.any():
        return
    first = 0
    while first < len(several):
        last = first + max(1, int(np.searchsorted(np.cumsum(several[first:]), AT_ONCE, side="right")))
        lengths = several[first:last]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        yield np.repeat(np.arange(first, last), lengths), np.repeat(starts[first:last], lengths) + within
        first = last
