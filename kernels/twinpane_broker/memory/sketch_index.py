"""The pictures of all known sets, side by side in arrays: one pass finds the few, among thousands, that a new set could be near."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinpane_broker.cells.person_sets import PersonSet

from .sketch import COLUMNS, PLACES, WITNESSES, Sample, Sketch, joined, numbers, places

COARSE = 8
"""Columns of the first, coarse look."""
_WORD = 64
"""Sets whose marks on a place are one number."""
_CHUNK = 8
"""Such numbers side by side, a cache line. A shelf grows by chunks, and moves at most the last one."""
_MOST_LEVELS = 17


@dataclass(frozen=True)
class Cover:
    """The persons of a sample whom each set on the shelf may hold. It never says that a set lacks a person whom the set holds."""

    bits: NDArray[np.uint8]
    """(sample, sets): 1 where the set may hold the person."""
    counts: NDArray[np.int64]
    """(sets,): how many of the sample it may hold."""

    @property
    def size(self) -> int:
        """Persons in the sample."""
        return len(self.bits)


class SketchIndex:
    """Pictures in the order in which they were added. The last ones can be removed again."""

    def __init__(self) -> None:
        self.size = 0
        self.shift = 0
        self._persons = np.zeros(256, np.int64)
        self._counts = np.zeros((256, COLUMNS), np.int32)
        self._coarse = np.zeros((256, COARSE), np.int32)
        self._witnesses = np.zeros((WITNESSES, 256), np.uint16)
        self._all_witnesses = PersonSet()
        self._order = np.zeros(256, np.int64)
        self._ranked = np.zeros(256, np.int64)
        self._marks: list[NDArray[np.uint64]] = []
        self._levels = np.zeros((_MOST_LEVELS, 256 // _WORD), np.uint64)
        self._highest = 0

    @property
    def persons(self) -> NDArray[np.int64]:
        """(sets,): how many persons each holds."""
        return self._persons[: self.size]

    @property
    def counts(self) -> NDArray[np.int32]:
        """(sets, COLUMNS): how many persons each set has in each column. A column spans 2 to the ``shift`` person numbers."""
        return self._counts[: self.size]

    @property
    def coarse(self) -> NDArray[np.int32]:
        """(sets, COARSE): the counts, with eight columns joined into one."""
        return self._coarse[: self.size]

    @property
    def order(self) -> NDArray[np.int64]:
        """Places of the sets on the shelf, ordered by size, smallest first."""
        return self._order[: self.size]

    @property
    def ranked(self) -> NDArray[np.int64]:
        """(sets,): how many persons the sets hold, in that order."""
        return self._ranked[: self.size]

    def add(self, picture: Sketch) -> None:
        """Put a picture beside the others."""
        at = self.size
        self._make_room()
        self.widen(picture.shift)
        self._persons[at] = picture.persons
        self._counts[at] = joined(picture.counts, self.shift - picture.shift)
        self._coarse[at] = coarse(self._counts[at])
        self._witnesses[:, at] = places(picture.witnesses)
        self._all_witnesses.update(picture.witnesses.tolist())
        before = int(self.ranked.searchsorted(picture.persons))
        for ordered, new in ((self._order, at), (self._ranked, picture.persons)):
            ordered[before + 1 : at + 1] = ordered[before:at]
            ordered[before] = new
        word, bit = at // _WORD, np.uint64(1 << (at % _WORD))
        self._marks[word // _CHUNK][:, word % _CHUNK][picture.places.astype(np.intp)] |= bit  # other types are slower
        self._levels[picture.level, word] |= bit
        self._highest = max(self._highest, picture.level)
        self.size = at + 1

    def truncate(self, size: int) -> None:
        """Take away all but the first ``size`` pictures."""
        if size >= self.size:
            return
        kept = self.order < size
        self._order[:size], self._ranked[:size] = self.order[kept], self.ranked[kept]
        for word in range(size // _WORD, (self.size - 1) // _WORD + 1):
            bits = np.uint64((1 << max(0, min(_WORD, size - word * _WORD))) - 1)
            self._marks[word // _CHUNK][:, word % _CHUNK] &= bits
            self._levels[:, word] &= bits
        self.size = size

    def widen(self, shift: int) -> None:
        """Join columns, so that they hold larger numbers of persons."""
        if shift > self.shift:
            self.counts[:] = joined(self.counts, shift - self.shift)
            self.coarse[:] = coarse(self.counts)
            self.shift = shift

    def cover(self, picked: Sample) -> Cover:
        """The sample's persons whom each set may hold. A picture may mark a sample only; its set may then hold everyone of lower levels."""
        words = -(-self.size // _WORD)
        chunks = self._marks[: -(-words // _CHUNK)]
        several = [marks[picked.places] for marks in chunks]
        found = (several[0] if len(several) == 1 else np.concatenate(several, axis=1))[:, :words]
        for level in range(int(picked.levels.min()) + 1, self._highest + 1):
            holders = self._levels[level, :words]
            if holders.any():
                found[picked.levels < level] |= holders
        by_byte = np.ascontiguousarray(found).astype("<u8", copy=False).view(np.uint8)
        bits = np.unpackbits(by_byte, axis=1, bitorder="little")[:, : self.size]
        return Cover(bits, how_many(bits).astype(np.int64))

    def probably_inside(self, who: PersonSet) -> NDArray[np.bool_]:
        """(sets,): whether all but one of the set's witnesses are in ``who``. A guess, either way."""
        marked = np.zeros(PLACES, np.bool_)
        marked[places(numbers(who & self._all_witnesses))] = True
        found = marked.view(np.uint8)[self._witnesses[:, : self.size]]
        inside: NDArray[np.bool_] = np.add.reduce(found, axis=0, dtype=np.uint8) >= WITNESSES - 1
        return inside

    def _make_room(self) -> None:
        if self.size == len(self._persons):
            self._persons, self._counts, self._coarse, self._order, self._ranked = (
                np.concatenate([rows, np.zeros_like(rows)])
                for rows in (self._persons, self._counts, self._coarse, self._order, self._ranked)
            )
            self._levels, self._witnesses = (
                np.concatenate([columns, np.zeros_like(columns)], axis=1) for columns in (self._levels, self._witnesses)
            )
        if self.size == sum(marks.shape[1] for marks in self._marks) * _WORD:
            # One number wide at first: many memories stay small, and a whole chunk's first touch takes as long as a small table.
            if not self._marks or self._marks[-1].shape[1] == _CHUNK:
                self._marks.append(np.zeros((PLACES, 1), np.uint64))
            else:
                self._marks[-1] = np.concatenate([self._marks[-1], np.zeros_like(self._marks[-1])], axis=1)


def how_many(bits: NDArray[np.uint8]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The number of ones in each column, in the smallest type, which is several times faster."""
    ones: NDArray[np.uint8] | NDArray[np.uint16] = np.add.reduce(bits, axis=0, dtype=np.uint8 if len(bits) < 256 else np.uint16)
    return ones


def by_set(bits: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """(sets, words): each column of ones and zeros as a few numbers, in which what two of them share is counted many times faster."""
    packed = np.packbits(bits, axis=0)
    whole = np.zeros((bits.shape[1], -(-len(packed) // 8) * 8), np.uint8)
    whole[:, : len(packed)] = packed.T
    return whole.view(np.uint64)


def coarse(counts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Counts in COARSE columns, for rows of COLUMNS."""
    joined: NDArray[np.int32] = np.add.reduce(counts.reshape(*counts.shape[:-1], COARSE, COLUMNS // COARSE), axis=-1, dtype=np.int32)
    return joined
