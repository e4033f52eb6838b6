"""The memory against differencing, beside a slow reading of its promise: all sets are tried by twos, threes and fours."""

from collections.abc import Iterable
from datetime import date
from itertools import combinations, pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.memory import InProcessMemory
from twinpane_broker.memory import sketch as pictures
from twinpane_broker.memory.sketch_index import SketchIndex


def few(one: frozenset[int], other: frozenset[int], k: int) -> bool:
    """The sets differ, on neither side by the threshold."""
    return one != other and len(one - other) < k and len(other - one) < k


def alike(one: frozenset[int], other: frozenset[int], k: int) -> bool:
    """The sets are equal or differ by few."""
    return one == other or few(one, other, k)


def refused(new: frozenset[int], released: Iterable[frozenset[int]], k: int) -> bool:
    """Whether the promise forbids a set beside the released ones."""
    released = list(dict.fromkeys(released))
    if not new:
        return False

    def told(whole: frozenset[int], one: frozenset[int], other: frozenset[int]) -> bool:
        if not alike(one | other, whole, k):
            return False
        known = [each for each in (*released, new) if each not in (whole, one, other)] if len(one & other) >= k else [frozenset()]
        return any(alike(one & other, shared, k) for shared in known)

    sharing = [(x, y) for x, y in combinations(released, 2) if alike(x & y, new, k)]
    return (
        len(new) < k
        or any(alike(new, x, k) for x in released)
        or any(told(new, x, y) for x, y in combinations(released, 2))
        or any(told(x, new, y) for x, y in permutations(released, 2))
        or any(told(z, x, y) for x, y in sharing for z in released if z not in (x, y))
    )


def admitted(sets: Iterable[Iterable[int]], k: int, memory: InProcessMemory | None = None) -> list[bool]:
    """What the memory says of sets that are proposed one after the other, each in a decision of its own."""
    memory = memory or InProcessMemory()
    said = []
    for i, one in enumerate(sets):
        with memory.decision() as decision:
            who = PersonSet(one)
            said.append(decision.admits(who, k))
            decision.put(str(i), b"", [who] if said[-1] else [])
    return said


def expected(sets: Iterable[frozenset[int]], k: int) -> list[bool]:
    """What it must say."""
    released: list[frozenset[int]] = []
    said = []
    for one in sets:
        said.append(not refused(one, released, k))
        if said[-1]:
            released.append(one)
    return said


def blocks(sizes: list[int], at: int = 0) -> list[frozenset[int]]:
    """Neighbouring stretches of persons."""
    starts = np.cumsum([at, *sizes])
    return [frozenset(range(a, b)) for a, b in pairwise(starts)]


@st.composite
def questions(draw: st.DrawFn) -> tuple[list[frozenset[int]], int]:
    """Sets made of a few blocks, some small, joined, left out and nudged: most of them are near something."""
    k = draw(st.integers(3, 6))
    stride = draw(st.sampled_from([1, 1, 7, 4096, 70_001]))
    pieces = blocks(draw(st.lists(st.integers(1, 14), min_size=4, max_size=7)))
    joined = st.lists(st.sampled_from(pieces), min_size=1, max_size=6).map(lambda some: frozenset().union(*some))
    nudged = st.builds(lambda one, more: one ^ frozenset(more), joined, st.lists(st.integers(0, max(max(p) for p in pieces)), max_size=4))
    sets = draw(st.lists(st.one_of(joined, nudged), min_size=2, max_size=14))
    if draw(st.booleans()):
        # Four sets of which two are the union and the intersection of the others, but for some.
        one, other, few_more = draw(joined), draw(joined), st.frozensets(st.integers(0, 100), max_size=2)
        sets = draw(st.permutations([one, other, (one | other) ^ draw(few_more), (one & other) ^ draw(few_more), *sets[:3]]))
    return [frozenset(person * stride for person in one) for one in sets], k


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(questions())
def test_the_memory_decides_as_a_slow_reading_of_its_promise(asked: tuple) -> None:
    """The memory admits a set exactly if a slow implementation of its promise allows it."""
    sets, k = asked
    assert admitted(sets, k) == expected(sets, k)


def refused_bits(new: np.ndarray, released: np.ndarray, k: int) -> bool:
    """``refused`` for many persons: sets as rows of bits, which are not among one another and not empty."""

    def size(rows: np.ndarray) -> np.ndarray:
        return np.bitwise_count(rows).sum(axis=-1, dtype=np.int64)

    def alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return (size(one & ~other) < k) & (size(other & ~one) < k)

    def told(whole: np.ndarray, one: np.ndarray, other: np.ndarray) -> bool:
        union, both = one | other, one & other
        if not alike(union, whole):
            return False
        if size(both) < k:
            return True
        parts = np.stack([whole, one, other])
        others = [each for each in (*released, new) if not (each == parts).all(axis=1).any()]
        return any(alike(both, each) for each in others)

    if size(new) < k or alike(new, released).any():
        return True
    for i, x in enumerate(released):
        others = np.delete(released, i, axis=0)
        adds_up = alike(new, x | others)
        completes = alike(x, new | others)
        if any(told(new, x, y) for y in others[adds_up]) or any(told(x, new, y) for y in others[completes]):
            return True
        shares = alike(new, x & others)
        for y in others[shares]:
            wholes = released[alike(released, x | y)]
            if any(told(z, x, y) for z in wholes if (z != x).any() and (z != y).any()):
                return True
    return False


def expected_bits(sets: list[np.ndarray], k: int) -> list[bool]:
    """What the memory must say of sets given as True and False for each person."""
    released = np.zeros((0, len(np.packbits(sets[0]))), np.uint8)
    said = []
    for one in sets:
        new = np.packbits(one)
        said.append(bool(not one.any() or not refused_bits(new, released, k)))
        if said[-1] and one.any():
            released = np.vstack([released, new])
    return said


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([300, 3_000, 60_000]))
def test_the_memory_judges_sets_that_only_pictures_tell_apart(seed: int, universe: int) -> None:
    """The memory also keeps its promise for sets that only their pictures tell apart.

    Sets of every size over thousands of persons, with their complements, cells of crosstabs, unions and near misses.
    """
    k = 10
    chance = np.random.default_rng(seed)
    everyone = np.arange(universe)
    traits = [everyone * n // universe for n in (2, 5)] + [chance.integers(0, n, universe) for n in (2, 3, 60)]
    sets = [everyone >= 0]
    for _ in range(20):
        a, b = chance.choice(len(traits), 2, replace=False)
        chosen = (traits[a] == chance.integers(0, traits[a].max() + 1)) & (
            chance.random() < 0.3 or traits[b] <= chance.integers(0, traits[b].max() + 1)
        )
        sets.append(~chosen if chance.random() < 0.3 else chosen)
        if chance.random() < 0.5:
            nudge = np.zeros(universe, bool)
            nudge[chance.integers(0, universe, chance.integers(1, 14))] = True
            one, other = (sets[i] for i in chance.integers(0, len(sets), 2))
            near = [one | other, one & ~other, one ^ nudge, (one | other) ^ nudge, (one & ~other) | nudge]
            sets.append(near[chance.integers(0, 5)])
    assert admitted([np.flatnonzero(one).astype(np.uint32) for one in sets], k) == expected_bits(sets, k)


OVERLAPPING = [range(400), range(300, 700), range(300, 400)]


@pytest.mark.parametrize(
    ("released", "new", "fine"),
    [
        pytest.param([range(1000)], range(995), False, id="all but five"),
        pytest.param([range(1000)], range(990), True, id="all but ten"),
        pytest.param([range(500)], [*range(3, 500), *range(600, 603)], False, id="three exchanged for three"),
        pytest.param([range(400), range(400, 700)], range(703), False, id="two cells and three more"),
        pytest.param([range(400), range(300, 700)], range(698), True, id="two overlapping cells, all but two"),
        pytest.param(OVERLAPPING, range(698), False, id="two overlapping cells and what they share, all but two"),
        pytest.param(OVERLAPPING, range(700), False, id="two overlapping cells and what they share"),
        pytest.param([*OVERLAPPING[:2], range(700)], range(302, 400), False, id="what overlapping cells share, all but two"),
        pytest.param([*OVERLAPPING[:2], range(700)], range(300, 400), False, id="what overlapping cells share"),
        pytest.param([range(1000), range(600)], range(602, 1000), False, id="the rest of a whole, but two"),
        pytest.param([range(1000), range(600)], range(600, 1000), False, id="the rest of a whole"),
        pytest.param([range(1000), range(600)], range(597, 1000), False, id="the rest of a whole, and three whom the cell holds"),
        pytest.param([range(600), range(597, 1000)], range(1000), False, id="the sum of two cells that share three"),
        pytest.param([range(600), range(400, 1000)], range(1000), True, id="the sum of two cells that share many"),
        pytest.param([], range(9), False, id="nine persons"),
        pytest.param([range(9_000)], range(4_000, 4_010), True, id="ten persons"),
    ],
)
def test_known_ways_to_single_out_a_few(released: list, new: Iterable[int], fine: bool) -> None:
    assert admitted([*(frozenset(one) for one in released), frozenset(new)], 10) == [True] * len(released) + [fine]


COHORT, DIAGNOSED, EVERYBODY = frozenset(range(19_001)), frozenset(range(8_401, 19_997)), frozenset(range(20_000))
"""All but three of everybody are in the cohort or have the diagnosis; 10,600 are both."""


@pytest.mark.parametrize("order", list(permutations([COHORT, DIAGNOSED, EVERYBODY])))
def test_an_unreleased_intersection_hinders_no_question(order: tuple) -> None:
    """Nobody can compute the size of the union. So no reader learns that three persons are in neither set."""
    assert len(COHORT & DIAGNOSED) == 10_600
    assert admitted(order, 11) == [True, True, True]


@pytest.mark.parametrize(
    "released",
    [
        [*OVERLAPPING, range(700)],
        [*OVERLAPPING[:2], range(700), range(300, 400)],
        [range(1000), range(600), range(600, 1000)],
        [*[range(at, at + 100) for at in range(0, 600, 100)], range(600)],
    ],
)
def test_exact_sums_within_one_answer_tell_nothing(released: list) -> None:
    """Sets of one answer may add up, but for nobody: all readers see them together, and what is left of a total is judged by the table."""
    memory = InProcessMemory()
    released_together(memory, released)
    with memory.decision() as decision:
        assert not decision.admits(PersonSet(released[-1]), 10), "later it is a set that somebody asked for"


@pytest.mark.parametrize("given", [range(8_401, 19_001), range(8_405, 19_003)], ids=["released", "released but for a few"])
def test_the_last_of_a_union_and_an_intersection_is_refused(given: range) -> None:
    """The last number would tell how many persons are in neither set, whichever of the numbers comes last."""
    for order in permutations([COHORT, DIAGNOSED, EVERYBODY, frozenset(given)]):
        assert admitted(order, 11) == [True, True, True, False]
    assert admitted([COHORT, DIAGNOSED, COHORT | DIAGNOSED, COHORT & DIAGNOSED], 11) == [True, True, True, False], "nobody is left"


def test_what_two_sets_share_may_follow_from_their_union() -> None:
    """A released set must not differ by a few persons from an intersection that follows from X + Y - Z."""
    union, nearly = COHORT | DIAGNOSED, COHORT & DIAGNOSED ^ frozenset([5, 9_000])
    for order in permutations([COHORT, DIAGNOSED, union, nearly]):
        assert admitted(order, 11) == [True, True, True, False]


def test_a_tracker_gets_nowhere() -> None:
    """q(C or T) + q(C or not T) - q(all) is q(C): Denning's general tracker for three persons C; and the individual tracker."""
    everyone = frozenset(range(1000))
    c, t = frozenset([100, 600, 601]), frozenset(range(400))
    assert admitted([everyone, c | t, c | (everyone - t)], 10) == [True, True, False]
    a, b = frozenset(range(500)), frozenset(range(497))
    assert admitted([a, a & b], 10) == [True, False]


def test_a_proposed_set_counts_in_its_decision_only() -> None:
    """A proposed set counts for the next set of its decision. It is forgotten if it is not released."""
    memory = InProcessMemory()
    whole, most = PersonSet(range(1000)), PersonSet(range(996))
    with memory.decision() as decision:
        assert decision.admits(most, 10)
        assert not decision.admits(whole, 10)
        decision.put("a", b"withheld", [], ("p", date(2026, 1, 1)))
    with memory.decision() as decision:
        assert decision.admits(whole, 10)
        assert not decision.admits(most, 10)


def test_an_equal_set_is_admitted_by_its_name_alone() -> None:
    """Under its own name its number is out, and a stricter project does not change that; under another it may tell that nobody is left."""
    memory = InProcessMemory()
    one, other = PersonSet(range(100)), PersonSet(range(106))
    with memory.decision() as decision:
        assert decision.admits(one, 5, b"its name")
        assert decision.admits(other, 5)
        decision.put("a", b"", [one, other])
    with memory.decision() as decision:
        assert not decision.admits(PersonSet(range(100)), 10, b"another")
        assert decision.admits(PersonSet(range(100)), 10, b"another", totals=frozenset([b"its name"]))
    with memory.decision() as decision:
        assert decision.admits(PersonSet(range(100)), 10, b"its name")
    with memory.decision() as decision:
        assert decision.admits(PersonSet(), 10)
        assert decision.admits(PersonSet(range(50)), 10), "of sets that a looser project released, only what the new one adds counts"


def released_together(memory: InProcessMemory, sets: Iterable[Iterable[int]], k: int = 10) -> None:
    """One answer with all of these sets."""
    whos = [PersonSet(one) for one in sets]
    with memory.decision() as decision:
        assert all(decision.admits(who, k) for who in whos)
        decision.put(str(len(whos)), b"", whos)


CELLS = [range(at, at + 100) for at in range(0, 600, 100)]


@pytest.mark.parametrize(
    ("new", "fine"),
    [
        (range(600), None),
        (range(603), False),
        (range(597), False),
        ([*range(98), *range(100, 399), *range(700, 704)], False),
        (range(612), True),
        (range(450), True),
        (range(700, 1000), True),
    ],
)
@pytest.mark.parametrize("when", ["before", "in the same decision"])
def test_cells_of_one_answer_add_up_to_no_whole_but_a_few(new: Iterable[int], fine: bool | None, when: str) -> None:
    """Six cells and a total of a few more or fewer: no two cells alone tell, all together do. Exactly their total is only their own."""
    memory = InProcessMemory()
    if when == "before":
        released_together(memory, CELLS)
    with memory.decision() as decision:
        if when != "before":
            assert all(decision.admits(PersonSet(cell), 10) for cell in CELLS)
        assert decision.admits(PersonSet(new), 10) == (when != "before" if fine is None else fine)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.integers(3, 20), min_size=3, max_size=7), st.data())
def test_sums_of_many_are_refused_only_if_they_isolate_few(sizes: list[int], data: st.DataObject) -> None:
    """Sums of many are refused only where they single out a few, and always where the cells are disjoint and wholly inside."""
    k = 3
    cells = blocks(sizes)
    memory = InProcessMemory()
    released_together(memory, cells, k)
    chosen = data.draw(st.lists(st.sampled_from(cells), min_size=2, unique=True))
    nudge = data.draw(st.frozensets(st.integers(0, sum(sizes) + 5), max_size=4))
    new = data.draw(st.sampled_from([frozenset().union(*chosen) ^ nudge, frozenset().union(*chosen) | nudge]))
    with memory.decision() as decision:
        admitted_now = decision.admits(PersonSet(new), k)
    sums = [frozenset().union(*some) for n in range(1, len(cells) + 1) for some in combinations(cells, n)]
    near_a_sum = any(alike(new, one, k) for one in sums)
    assert admitted_now or refused(new, cells, k) or near_a_sum
    inside = frozenset().union(*(cell for cell in cells if cell <= new))
    if alike(new, inside, k):
        assert not admitted_now


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60_000), st.sampled_from([1, 4, 64, 1000, 16_384]), st.integers(0, 5))
def test_a_picture_never_says_that_a_set_lacks_whom_it_holds(seed: int, size: int, stride: int, takes: int) -> None:
    """The pictures may call sets alike that are not; the other way round a near set would be missed."""
    chance = np.random.default_rng(seed)
    base = int(chance.integers(0, 2**32 - size * stride))
    numbers = (base + np.arange(size, dtype=np.int64) * stride).astype(np.uint32)
    whole = PersonSet(numbers)
    part = PersonSet(numbers[chance.random(size) < 2.0**-takes]) or whole
    shelf = SketchIndex()
    for one in (whole, part, whole):
        shelf.add(pictures.sketch(one))
    for looked_for in (part, whole):
        picked = pictures.sample(looked_for, 64)
        cover = shelf.cover(picked)
        assert len(picked) == cover.size <= 64
        assert cover.counts[0] == cover.counts[2] == cover.size
        if looked_for == part:
            assert cover.counts[1] == cover.size
    assert shelf.counts.sum(axis=1).tolist() == shelf.persons.tolist() == [len(whole), len(part), len(whole)]
    assert (shelf.counts[1] <= shelf.counts[0]).all()


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=6), st.integers(0, 2**31))
def test_sets_that_are_taken_away_leave_no_trace(sizes: list[int], seed: int) -> None:
    """After sets are removed, the shelf is the same as if it had never held them."""
    chance = np.random.default_rng(seed)
    made = [pictures.sketch(PersonSet(np.unique(chance.integers(0, 100_000, 30)).astype(np.uint32))) for _ in range(500)]
    moving, shelf, kept = SketchIndex(), SketchIndex(), []
    for n in sizes:
        kept += made[:n]
        for picture in made[:n]:
            moving.add(picture)
        kept = kept[: 13 * n]
        moving.truncate(len(kept))
    for picture in kept:
        shelf.add(picture)
    picked = pictures.sample(PersonSet(range(0, 100_000, 91)), 64)
    assert moving.size == len(kept)
    if kept:
        assert (moving.cover(picked).bits == shelf.cover(picked).bits).all()
        assert (moving.persons == shelf.persons).all()
        assert (np.diff(moving.persons[moving.order]) >= 0).all()
        assert sorted(moving.order.tolist()) == list(range(len(kept)))
