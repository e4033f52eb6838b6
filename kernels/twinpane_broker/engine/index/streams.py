"""Makes person sets from streams of rows. Each batch is sorted by cell and added to the cells' bitmaps, so memory holds sets, not rows."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from twinpane_broker.cells.person_sets import PersonSet

from .set_bytes import persons_set

AT_ONCE = 1 << 21
"""Rows that are sorted together."""
PERSON_BITS = 32


def persons_of(batches: Iterable[tuple[np.ndarray, ...]]) -> PersonSet:
    """The persons of a one-column stream."""
    who = PersonSet()
    for (persons,) in _joined(batches):
        who |= persons_set(np.unique(persons.astype(np.uint32)))
    return who


def sets_of(batches: Iterable[tuple[np.ndarray, ...]]) -> dict[int, PersonSet]:
    """The persons of every key, from a stream of keys and persons; keys are not negative."""
    sets: defaultdict[int, PersonSet] = defaultdict(PersonSet)
    for keys, persons in _joined(batches):
        for key, who in _by_key(keys.astype(np.int64), persons.astype(np.uint32)):
            sets[key] |= who
    return dict(sets)


def digits_of(batches: Iterable[tuple[np.ndarray, ...]]) -> dict[int, PersonSet]:
    """How often each person comes in a one-column stream: by the place of each binary digit, the persons who have it."""
    streams = [persons for (persons,) in batches]
    if not any(map(len, streams)):
        return {}
    who, often = np.unique(np.concatenate(streams).astype(np.uint32), return_counts=True)
    return {place: persons_set(who[(often >> place) & 1 == 1]) for place in range(int(often.max()).bit_length())}


def marked_sets_of(batches: Iterable[tuple[np.ndarray, ...]], marks: int) -> dict[int, dict[int, PersonSet]]:
    """The persons by key and by a third number, from a stream of keys, persons and that number, ``0 <= number < marks``."""
    both = ((keys.astype(np.int64) * marks + mark, persons) for keys, persons, mark in batches)
    sets: defaultdict[int, dict[int, PersonSet]] = defaultdict(dict)
    for key, who in sets_of(both).items():
        sets[key // marks][key % marks] = who
    return dict(sets)


def _by_key(keys: np.ndarray, persons: np.ndarray) -> Iterable[tuple[int, PersonSet]]:
    if keys.max() < 1 << (63 - PERSON_BITS):
        both = np.sort((keys << PERSON_BITS) | persons)
        keys, persons = both >> PERSON_BITS, (both & ((1 << PERSON_BITS) - 1)).astype(np.uint32)
    else:
        order = np.lexsort((persons, keys))
        keys, persons = keys[order], persons[order]
    ends = [*(np.flatnonzero(np.diff(keys)) + 1).tolist(), len(keys)]
    start = 0
    for end in ends:
        yield int(keys[start]), persons_set(persons[start:end])
        start = end


def _joined(batches: Iterable[tuple[np.ndarray, ...]]) -> Iterable[tuple[np.ndarray, ...]]:
    """Small batches as fewer large ones."""
    waiting: list[tuple[np.ndarray, ...]] = []
    size = 0
    for batch in batches:
        waiting.append(batch)
        size += len(batch[0])
        if size >= AT_ONCE:
            yield tuple(np.concatenate(columns) for columns in zip(*waiting, strict=True))
            waiting, size = [], 0
    if waiting:
        yield tuple(np.concatenate(columns) for columns in zip(*waiting, strict=True))
