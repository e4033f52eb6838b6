"""Person sets: equal sets have one form and one fingerprint, and what counts as a small difference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinpane_broker.cells.person_sets import NOBODY, PersonSet, canonical, digest, fingerprint, near

edges = st.sampled_from([0, 65_530, 131_068, 3 * 65_536 - 7, 2**32 - 400])
stretches = st.lists(st.tuples(edges, st.integers(0, 60), st.integers(1, 5)), max_size=40)
"""Pieces of sets: where, how far from there, how many in a row. Many sets of them take as many bytes as runs as they do as arrays."""


def persons_of(pieces: list[tuple[int, int, int]]) -> list[int]:
    return sorted({where + off + i for where, off, n in pieces for i in range(n) if where + off + i < 2**32})


def ways_to(persons: list[int]) -> list[PersonSet]:
    """The same set, put together in different ways: listed, ranges, in place, out of a larger one, packed before and after."""
    listed = PersonSet(persons)
    one_by_one, ranges = PersonSet(), PersonSet()
    for person in persons:
        one_by_one.add(person)
        ranges |= PersonSet(range(person, person + 1))
    runs = PersonSet()
    numbers = np.array(persons, dtype=np.int64)
    for piece in np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1) if persons else []:
        runs.add_range(int(piece[0]), int(piece[-1]) + 1)
    packed = runs.copy()
    packed.run_optimize()
    around = PersonSet(range(300_000)) | PersonSet(range(2**32 - 500, 2**32 - 1)) | listed
    left = around - (around - runs)
    split = (packed & PersonSet(range(0, 300_000, 2))) | (packed - PersonSet(range(0, 300_000, 2)))
    read = PersonSet.deserialize(packed.serialize())
    return [listed, one_by_one, ranges, runs, packed, left, split, read]


@settings(deadline=None, max_examples=300)
@given(stretches)
def test_equal_sets_have_one_fingerprint_however_computed(pieces: list[tuple[int, int, int]]) -> None:
    """Equal sets have one fingerprint, however they were computed.

    Otherwise a released set would be taken for a new one, and refused beside itself or remembered twice.
    """
    persons = persons_of(pieces)
    assert len({canonical(who) for who in ways_to(persons)}) == 1
    assert len({fingerprint(who) for who in ways_to(persons)}) == 1
    assert list(PersonSet.deserialize(canonical(PersonSet(persons)))) == persons


@settings(deadline=None)
@given(stretches, stretches)
def test_different_sets_have_different_fingerprints(one: list[tuple[int, int, int]], other: list[tuple[int, int, int]]) -> None:
    here, there = PersonSet(persons_of(one)), PersonSet(persons_of(other))
    assert (fingerprint(here) == fingerprint(there)) == (here == there)


@pytest.mark.parametrize("more", [0, 1, 2, 3])
@pytest.mark.parametrize("keys", [1, 3, 4, 9])
def test_runs_and_arrays_of_one_set_have_one_fingerprint(more: int, keys: int) -> None:
    """With two persons a run and one more, roaring keeps the form that it has. This case needs care."""
    runs, listed = PersonSet(), []
    for key in range(keys):
        for first in range(0, 3000, 3):
            start = key * 65_536 + first
            length = 3 if first < 3 * more else 2
            runs.add_range(start, start + length)
            listed += range(start, start + length)
    packed = runs.copy()
    packed.run_optimize()
    whole = PersonSet(listed)
    assert runs == whole == packed
    assert fingerprint(runs) == fingerprint(whole) == fingerprint(packed)


@pytest.mark.parametrize("size", [0, 1, 4096, 4097, 65_535, 65_536, 65_537, 300_000])
def test_a_fingerprint_leaves_the_set_as_it_is(size: int) -> None:
    who = PersonSet(range(size))
    before = who.serialize()
    fingerprint(who)
    assert who.serialize() == before
    assert fingerprint(who) == digest(canonical(who))
    assert fingerprint(who) != fingerprint(who ^ PersonSet([5]))


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)), st.integers(1, 12))
def test_sets_are_near_where_they_differ_by_few_on_either_side(one: set[int], other: set[int], threshold: int) -> None:
    few = one != other and len(one - other) < threshold and len(other - one) < threshold
    assert near(PersonSet(one), PersonSet(other), threshold) == few
    assert near(PersonSet(other), PersonSet(one), threshold) == few


def test_nobody_is_near_a_few() -> None:
    assert near(NOBODY, PersonSet(range(9)), 10)
    assert not near(NOBODY, PersonSet(range(10)), 10)
    assert not near(NOBODY, NOBODY, 10)
