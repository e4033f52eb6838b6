"""A small picture (sketch) of a large person set. Two pictures show that their sets differ by many persons, without the sets themselves.

A picture proves differences only: two sets differ by at least as many persons as it says. It never proves that sets are alike.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from twinpane_broker.cells.person_sets import PersonSet

COLUMNS = 64
"""Ranges of persons' numbers in which a picture counts; their width is a power of two, so that they can be joined later."""
PLACES = 1 << 14
"""Places that persons are hashed to. A set marks the places of its persons, or of a sample of them that fills at most half."""
WITNESSES = 3
"""Persons that stand for their set where a guess is enough."""
_STEP = 2
"""Each level of sampling keeps every fourth person: those whose number is a multiple of 4 to the level."""
_WIDE = 28
"""Up to so many bits of persons' numbers, a level is a bitmap of its own to intersect with."""


@dataclass(frozen=True)
class Sketch:
    """The picture of one set. ``counts[i]`` is how many persons have ``number >> shift == i``. The counts add up to ``persons``."""

    persons: int
    shift: int
    counts: NDArray[np.int32]
    level: int
    """Of the persons that ``places`` are of."""
    places: NDArray[np.uint16]
    """Where the set's persons of that level are hashed to: one for each person, in any order."""
    witnesses: NDArray[np.uint32]
    """Up to WITNESSES persons, spread over the set."""


@dataclass(frozen=True)
class Sample:
    """Some persons of a set, and the places that they are hashed to. The higher a person's level, the more pictures tell of that person."""

    places: NDArray[np.uint16]
    levels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.places)


def sketch(who: PersonSet) -> Sketch:
    """The picture of a set of at least one person."""
    persons, shift = len(who), shift_of(who)
    level = 0
    while persons >> (_STEP * level) > PLACES // 2:
        level += 1
    last, sampled = persons - 1, _sampled(who, level)
    return Sketch(
        persons=persons,
        shift=shift,
        counts=counts(who, shift) if level else _counted(sampled >> np.uint32(shift)),
        level=level,
        places=places(sampled),
        witnesses=np.array([who[last * i // (WITNESSES - 1)] for i in range(WITNESSES)], dtype=np.uint32),
    )


def shift_of(who: PersonSet) -> int:
    """The width, as a power of two, of the narrowest columns that hold the whole set."""
    return max(0, who.max().bit_length() - (COLUMNS - 1).bit_length())


def counts(who: PersonSet, shift: int) -> NDArray[np.int32]:
    """How many of a set's persons are in each column."""
    used = (who.max() >> shift) + 1
    found = np.zeros(COLUMNS, np.int32)
    found[:used] = [who.range_cardinality(i << shift, (i + 1) << shift) for i in range(used)]
    return found


def _counted(columns: NDArray[np.uint32]) -> NDArray[np.int32]:
    """The same of few persons, from the columns that they are in."""
    return np.bincount(columns, minlength=COLUMNS).astype(np.int32)


def joined(counts: NDArray[np.int32], by: int) -> NDArray[np.int32]:
    """The counts (one picture per row) in columns that are 2 to the ``by`` times as wide."""
    if by == 0:
        return counts
    wide = np.zeros_like(counts)
    together = min(1 << by, COLUMNS)
    wide[..., : COLUMNS // together] = np.add.reduce(counts.reshape(*counts.shape[:-1], COLUMNS // together, together), axis=-1)
    return wide


def sample(who: PersonSet, size: int) -> Sample:
    """Up to ``size`` persons of a set, those of the highest levels. Fewer only if the set is smaller."""
    level = 0
    while len(who) >> (_STEP * (level + 1)) >= size:
        level += 1
    found = _sampled(who, level)
    while len(found) < size and level > 0:
        level -= 1
        found = _sampled(who, level)
    hashed, levels = places(found), _levels(found)
    # Of one level those hashed furthest: neighbours may share their sets.
    chosen = np.sort((levels.astype(np.uint32) << np.uint32(16)) | hashed)[-size:]
    return Sample(chosen.astype(np.uint16), (chosen >> np.uint32(16)).astype(np.uint8))


def _sampled(who: PersonSet, level: int) -> NDArray[np.uint32]:
    """Numbers of the set's persons of at least that level."""
    bits = who.max().bit_length()
    if level == 0 or bits > _WIDE:
        everyone = numbers(who)
        found: NDArray[np.uint32] = everyone[(everyone & np.uint32((1 << (_STEP * level)) - 1)) == 0]
        return found
    return numbers(who & _every(level, -(-bits // 4) * 4))


def numbers(who: PersonSet) -> NDArray[np.uint32]:
    return np.asarray(who.to_array(), dtype=np.uint32)


@lru_cache(maxsize=32)
def _every(level: int, bits: int) -> PersonSet:
    return PersonSet(range(0, 1 << bits, 1 << (_STEP * level)))


def places(persons: NDArray[np.uint32]) -> NDArray[np.uint16]:
    """The place, of PLACES, that each person is hashed to.

    Multiplicative hashing (Knuth, The Art of Computer Programming, 6.4) spreads neighbours and multiples evenly.
    """
    return ((persons * np.uint32(0x9E3779B1)) >> np.uint32(32 - (PLACES - 1).bit_length())).astype(np.uint16)


def _levels(persons: NDArray[np.uint32]) -> NDArray[np.uint8]:
    below_lowest = ~persons & (persons - np.uint32(1))
    return np.bitwise_count(below_lowest) // np.uint8(_STEP)
