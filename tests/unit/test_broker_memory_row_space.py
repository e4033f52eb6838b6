"""What exact numbers tell together: a set is refused where, with any number of released ones, it tells of a few persons."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.memory import InProcessMemory, Memory, SqliteMemory
from twinpane_broker.memory import row_space as spaces
from twinpane_broker.memory.row_space import COLUMNS, RowSpace, counted, is_of_few

K = 10


@pytest.fixture(params=["in process", "in a file"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory]:
    """Both kinds of memory."""
    made: Memory = InProcessMemory() if request.param == "in process" else SqliteMemory(tmp_path / "memory.db")
    yield made
    if isinstance(made, SqliteMemory):
        made.close()


def admitted(memory: Memory, who: PersonSet, *, exact: bool = True, put: bool = True) -> bool:
    """Whether a set is admitted in a decision of its own, and released."""
    with memory.decision(exact=exact) as decision:
        said = decision.admits(who, K)
        if put:
            decision.put(str(hash(who.serialize())), b"", [who] if said else [])
    return said


def whole_and_parts(parts: int, left_out: int) -> list[PersonSet]:
    """A set of persons, and parts of it that leave out so many of them between the last two parts."""
    starts = [100 * at + left_out * (at == parts - 1) for at in range(parts)]
    cut = [PersonSet(range(start, 100 * (at + 1) + left_out * (at == parts - 1))) for at, start in enumerate(starts)]
    return [PersonSet(range(100 * parts + left_out)), *cut]


@pytest.mark.parametrize("parts", [3, 4, 7])
@pytest.mark.parametrize("left_out", [1, 9])
def test_the_last_of_a_whole_and_its_parts_is_refused(memory: Memory, parts: int, left_out: int) -> None:
    """Whichever it is: a whole less its parts is the number of the few whom they leave out."""
    sets = whole_and_parts(parts, left_out)
    for last in (0, 1, parts):
        sets[last], sets[-1] = sets[-1], sets[last]
        fresh = InProcessMemory() if last else memory
        assert [admitted(fresh, who) for who in sets] == [True] * parts + [False]


def test_a_band_is_found_where_every_set_is_in_each_sum(memory: Memory) -> None:
    """The sum of two overlapping sets less two others: none of them alone, and no two, are near anything."""
    a, b, c, band = (PersonSet(range(100 * at, 100 * at + n)) for at, n in enumerate((60, 50, 70, 4)))
    assert [admitted(memory, who) for who in (a | b, b | c, a | c | band)] == [True] * 3
    assert not admitted(memory, a | b | c)  # twice this, less the three, is a number about the band


def test_parts_that_leave_out_nobody_or_enough_are_admitted(memory: Memory) -> None:
    """Sums that are exact tell nothing new, and a number of as many persons as the threshold may be told."""
    for left_out in (0, K):
        fresh = memory if left_out else InProcessMemory()
        assert all(admitted(fresh, who) for who in whole_and_parts(4, left_out))


def test_rounded_numbers_are_looked_at_by_pairs_alone(memory: Memory) -> None:
    """Rounding hides a few in a sum of three and more sets."""
    assert all(admitted(memory, who, exact=False) for who in whole_and_parts(3, 5))


def test_other_sets_through_a_band_do_not_hide_it() -> None:
    """Sets that each hold some of a band: nobody in it is in the same sets as another, and their sum is still told."""
    random = np.random.default_rng(5)
    for left_out, others in [(6, 40)] * 2 + [(K - 1, 80)] * 4:
        memory, sets = InProcessMemory(), whole_and_parts(3, left_out)
        for _ in range(others):
            admitted(memory, PersonSet(np.flatnonzero(random.random(400) < 0.4).astype(np.uint32)))
        assert [admitted(memory, who) for who in sets] == [True, True, True, False]


def test_only_what_was_released_counts(memory: Memory) -> None:
    """A set that was admitted and then not shown tells nothing."""
    *sets, last = whole_and_parts(3, 5)
    for who in sets[:-1]:
        assert admitted(memory, who)
    assert admitted(memory, sets[-1], put=False)
    assert admitted(memory, last)
    assert not admitted(memory, sets[-1])


def test_sets_admitted_in_one_decision_count_in_it(memory: Memory) -> None:
    """The cells of one answer are subtracted too."""
    *sets, last = whole_and_parts(3, 5)
    with memory.decision(exact=True) as decision:
        assert all(decision.admits(who, K) for who in sets)
        assert not decision.admits(last, K)


def test_what_another_process_released_counts_after_a_restart(tmp_path: Path) -> None:
    """Two that share a file know of each other's sets, and so does one that opens it later."""
    *sets, last = whole_and_parts(3, 5)
    one, other = SqliteMemory(tmp_path / "memory.db"), SqliteMemory(tmp_path / "memory.db")
    assert [admitted(memory, who) for memory, who in zip((one, other, one), sets, strict=True)] == [True] * 3
    assert not admitted(other, last)
    one.close()
    other.close()
    later = SqliteMemory(tmp_path / "memory.db")
    assert not admitted(later, last, put=False)
    later.close()


def test_kinds_of_numbers_are_not_subtracted_from_each_other(memory: Memory) -> None:
    """A mean beside numbers of persons completes no sum of persons."""
    *sets, last = whole_and_parts(3, 5)
    for who in sets:
        assert admitted(memory, who)
    with memory.decision(exact=True) as decision:
        assert decision.place(last, b"said", K, K, "values").admitted


def test_persons_who_share_a_column_are_counted() -> None:
    """Of a site of more persons than columns: a column holds several, and a band is still seen."""
    space, sets = RowSpace(), [PersonSet(range(40_000)), PersonSet(range(15_000)), PersonSet(range(15_000, 31_000))]
    space.follow(sets.__getitem__, 3)
    assert space.tells_of_few(PersonSet(range(31_000, 39_995)), K)
    assert not space.tells_of_few(PersonSet(range(31_000, 39_985)), K)
    assert not space.tells_of_few(PersonSet(range(31_000, 40_000)), K)
    assert counted(sets[0]).sum() == 40_000


def test_sets_that_are_taken_back_leave_no_trace() -> None:
    """After any are added and removed the others are judged as before."""
    random = np.random.default_rng(2)
    sets = [PersonSet(np.flatnonzero(random.random(200) < 0.5).astype(np.uint32)) for _ in range(30)]
    rows = [counted(who) for who in sets]
    space = RowSpace()
    space.follow(sets.__getitem__, 12)
    before, reduced = space._seen_by_all(rows[20]).rests, [basis._reduced[:12].copy() for basis in space._bases]
    space.follow(sets.__getitem__, 30)
    space.truncate(12)
    assert (space._seen_by_all(rows[20]).rests == before).all()
    assert all((basis._reduced[:12] == kept).all() for basis, kept in zip(space._bases, reduced, strict=True))
    space.follow([*sets[:12], sets[0], *sets[13:]].__getitem__, 30)
    assert space.rank == 29


def test_of_very_many_sets_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the latest tell together is refused; what needs an older one is left to the account."""
    monkeypatch.setattr(spaces, "MOST_ROWS", 8)
    random, sets = np.random.default_rng(3), whole_and_parts(3, 5)
    others = [PersonSet(np.flatnonzero(random.random(305) < 0.5).astype(np.uint32)) for _ in range(40)]
    space, all_but_the_last = RowSpace(), [*others, *sets[:3]]
    space.follow(all_but_the_last.__getitem__, len(all_but_the_last))
    assert space.rank <= 8
    assert space.tells_of_few(sets[3], K)
    all_but_the_last += others[:8]
    space.follow(all_but_the_last.__getitem__, len(all_but_the_last))
    assert not space.tells_of_few(sets[3], K)
    space.truncate(1)
    assert space.rank == 0
    assert not space.tells_of_few(sets[3], K)


def test_the_rest_of_a_few_is_told_by_its_sides() -> None:
    """Fewer than the threshold on either side, and somebody at all; however often a combination is taken."""
    row = np.zeros(COLUMNS)
    assert not is_of_few(row, K)
    row[:9], row[9:18] = 2, spaces.PRIME - 2
    assert is_of_few(row, K)
    row[18] = 2
    assert not is_of_few(row, K)


def test_what_is_refused_tells_of_few_by_rational_arithmetic() -> None:
    """Beside all supports of few persons, tried one by one: nothing is refused without one, and hardly one is overlooked."""
    random, k, found, there = np.random.default_rng(4), 3, 0, 0
    for _ in range(60):
        table = random.random((6, 9)) < 0.5
        space, sets = RowSpace(), [PersonSet(np.flatnonzero(row).astype(np.uint32)) for row in table]
        space.follow(sets.__getitem__, 5)
        says = space.tells_of_few(sets[5], k)
        assert not says or tells(table, 2 * k - 2)
        if tells(table, k - 1):
            there, found = there + 1, found + says
    assert there > 10
    assert found >= 0.9 * there


def tells(table: np.ndarray, most: int) -> bool:
    """Whether a combination of rows with the last one in it holds somebody, and at most so many columns."""
    if rank(table) == rank(table[:-1]):
        return False
    columns = range(table.shape[1])
    lacking = (np.delete(table, some, axis=1) for n in range(1, most + 1) for some in combinations(columns, n))
    return any(rank(rest) == rank(rest[:-1]) for rest in lacking)


def rank(table: Iterable[Iterable[bool]]) -> int:
    """The rank over the rational numbers."""
    rows, found = [[Fraction(int(one)) for one in row] for row in table], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((at for at in range(found, len(rows)) if rows[at][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        for at in range(found + 1, len(rows)):
            by = rows[at][column] / rows[found][column]
            rows[at] = [one - by * other for one, other in zip(rows[at], rows[found], strict=True)]
        found += 1
    return found


def test_rows_are_kept_as_they_are_reduced() -> None:
    """In the columns that are seen, whatever came and went: each row is what its pivots leave of it."""
    random = np.random.default_rng(4)
    sets = [PersonSet(np.flatnonzero(random.random(5_000) < 0.5).astype(np.uint32)) for _ in range(60)]
    space = RowSpace()
    for size in (40, 25, 60):
        space.follow(sets.__getitem__, size)
        space.truncate(size)
        reduced_rightly(space)


@pytest.mark.parametrize("nested", [False, True])
def test_what_is_left_of_rows_is_as_if_made_anew(monkeypatch: pytest.MonkeyPatch, nested: bool) -> None:
    """When the oldest are forgotten, the others keep their pivots, or get those of the forgotten."""
    monkeypatch.setattr(spaces, "MOST_ROWS", 32)
    random = np.random.default_rng(5)
    drawn = [np.flatnonzero(random.random(4_000) < 0.5).astype(np.uint32) for _ in range(90)]
    sets = [PersonSet(np.concatenate(drawn[at - at % 6 : at + 1]) if nested else drawn[at]) for at in range(90)]
    space = RowSpace()
    space.follow(sets.__getitem__, 90)
    assert 24 <= space.rank <= 32
    reduced_rightly(space)
    rows = [counted(who) for who in sets[90 - space.rank :]]
    assert (space.rows == rows).all()
    assert not space._seen_by_all(rows[3] + rows[-1]).rests.any()
    assert (space._alike == spaces.FACTORS[: space.rank] @ space.rows).all()


def reduced_rightly(space: RowSpace) -> None:
    """Each row is one at its own pivot and nothing at the others; in the columns that are seen it is kept so."""
    for basis in space._bases:
        assert (basis._solved(space.rows[:, basis._pivots]) == np.eye(space.rank)).all()
        assert (basis._reduced[: space.rank] == basis._solved(space.rows[:, spaces.SEEN])).all()
