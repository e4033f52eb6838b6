"""Where a set stands beside the released ones: its own numbers, an older set's in their place, or none."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from broker_world import some

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.memory import (
    ADMITTED,
    AS_FEW,
    QUANTILES,
    REFUSED,
    DamagedMemory,
    InProcessMemory,
    Memory,
    SqliteMemory,
    StandIn,
    Standing,
)

K = 10


def stood_in(who: PersonSet, said: bytes = b"") -> Standing:
    """A released set's number in place of another's."""
    return Standing(False, StandIn(who, len(who), said))


SAID, OTHER = b"a description", b"another one"
FIRST = stood_in(some(100), SAID)
"""The remembered set in place of another."""


@pytest.fixture(params=["in process", "in a file"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory]:
    """Both kinds of memory; each remembers 100 persons under a description."""
    if request.param == "in process":
        made: Memory = InProcessMemory()
    else:
        made = SqliteMemory(tmp_path / "memory.db")
    remember(made, "first", some(100), SAID)
    yield made
    if isinstance(made, SqliteMemory):
        made.close()


def remember(memory: Memory, key: str, who: PersonSet, said: bytes) -> None:
    with memory.decision() as decision:
        assert decision.place(who, said, K, K) == ADMITTED
        decision.put(key, b"an answer", [who])


def placed(memory: Memory, who: PersonSet, said: bytes = OTHER, distance: int = K) -> Standing:
    with memory.decision() as decision:
        return decision.place(who, said, K, distance)


def test_the_same_description_gets_its_own_numbers_again(memory: Memory) -> None:
    """Whatever the data hold it is the same set, so that its number is no news."""
    assert placed(memory, some(100), SAID) == ADMITTED


@pytest.mark.parametrize("who", [some(100), some(99), some(101), some(100, start=1), some(91), some(109)])
def test_equal_and_near_sets_get_the_same_stand_in(memory: Memory, who: PersonSet) -> None:
    """Under another description nothing tells an equal set from a near one."""
    assert placed(memory, who) == FIRST


def test_a_near_set_gets_a_stand_in_under_any_description(memory: Memory) -> None:
    """The description alone, of other persons, admits nothing."""
    assert placed(memory, some(99), SAID) == FIRST


@pytest.mark.parametrize("who", [some(85), some(86), some(84), some(85, start=1)])
def test_an_equal_set_is_placed_like_a_near_one(memory: Memory, who: PersonSet) -> None:
    """Beside two released sets both get the oldest within their distance: else the equal one is told by its own number."""
    remember(memory, "second", some(85), OTHER)
    assert placed(memory, who, b"a third", distance=19) == FIRST
    assert placed(memory, who, b"a third", distance=11) == stood_in(some(85), OTHER)


@pytest.mark.parametrize("who", [some(18), some(11), some(10, start=1), some(9), some(3)])
def test_near_a_small_set_more_persons_look_like_a_few(memory: Memory, who: PersonSet) -> None:
    """Else a set of exactly as many as the threshold asks for would be a scale for one person more."""
    (small := some(17)).add(1000)
    remember(memory, "second", small, OTHER)
    assert placed(memory, who, b"a third") == AS_FEW


@pytest.mark.parametrize("distance", [10, 11, 19])
def test_whatever_is_near_a_stand_in_is_not_few(memory: Memory, distance: int) -> None:
    """So a few persons, or none, are never told from more by a number."""
    for size in range(10, 45):
        start = 1000 + 100 * size
        remember(memory, str(size), some(size, start=start), str(size).encode())
        standing = placed(memory, some(size, start=start), b"another", distance)
        assert standing == (stood_in(some(size, start=start), str(size).encode()) if size - distance + 1 >= K else AS_FEW)


def test_a_few_persons_get_neither_numbers_nor_a_stand_in(memory: Memory) -> None:
    """A set below the threshold is refused outright, and nobody at all is no news."""
    assert placed(memory, some(9)) == AS_FEW
    assert placed(memory, PersonSet()) == ADMITTED


@pytest.mark.parametrize(("distance", "expected"), [(10, ADMITTED), (11, FIRST), (19, FIRST)])
def test_the_distance_alone_says_which_sets_are_near(memory: Memory, distance: int, expected: Standing) -> None:
    """Ten persons apart: released beside a distance of ten, near beside any larger one."""
    assert placed(memory, some(90), distance=distance) == expected


def test_the_oldest_of_several_near_sets_stands_in(memory: Memory) -> None:
    """Which one does not depend on which is nearest."""
    remember(memory, "second", some(110), OTHER)
    assert placed(memory, some(109), b"a third") == FIRST


def summed(who: PersonSet, persons: int | None = None, rests_on: tuple[PersonSet, ...] = ()) -> Standing:
    """What a reader can add up in place of a set's own number."""
    return Standing(False, StandIn(who, len(who) if persons is None else persons, rests_on=rests_on))


@pytest.mark.parametrize("who", [some(200), some(195), some(206), some(200, start=5)])
def test_a_set_that_follows_from_two_gets_their_sum(memory: Memory, who: PersonSet) -> None:
    """Whether it is their union or lacks a few of it: else a refusal would tell whether anybody was left out."""
    remember(memory, "second", some(100, start=100), OTHER)
    assert placed(memory, who, b"a third") == summed(some(200))


@pytest.mark.parametrize("shared", [0, 1, 9])
def test_a_sum_does_not_tell_whether_two_sets_share_anybody(memory: Memory, shared: int) -> None:
    """It is the sum of the two numbers, however many they share; only of enough shared persons does nobody know the union."""
    remember(memory, "second", some(100, start=100 - shared), OTHER)
    assert placed(memory, some(200 - shared), b"a third") == summed(some(200 - shared), 200)


@pytest.mark.parametrize("who", [some(60, start=40), some(55, start=40), some(60, start=45), some(9, start=40) | some(52, start=48)])
def test_the_rest_of_a_set_gets_the_difference(memory: Memory, who: PersonSet) -> None:
    """All less some is a number that a reader can subtract, whoever is in the rest."""
    remember(memory, "second", some(40), OTHER)
    assert placed(memory, who, b"a third") == summed(some(60, start=40))


@pytest.mark.parametrize("who", [some(30, start=70), some(28, start=70), some(32, start=70)])
def test_what_two_sets_share_gets_their_sum_less_the_union(memory: Memory, who: PersonSet) -> None:
    """The third number of an intersection follows from the other three."""
    remember(memory, "second", some(80, start=70), OTHER)
    remember(memory, "third", some(150), b"a third")
    assert placed(memory, who, b"a fourth") == summed(some(30, start=70))


@pytest.mark.parametrize("who", [some(400, start=200), some(395, start=200)])
def test_a_set_like_the_sum_of_an_earlier_answers_cells_gets_it(memory: Memory, who: PersonSet) -> None:
    """Four cells of one answer add up for every reader."""
    cells = [some(100, start=start) for start in range(200, 600, 100)]
    with memory.decision() as decision:
        assert all(decision.place(cell, bytes([place]), K, K).admitted for place, cell in enumerate(cells))
        decision.put("cells", b"an answer", cells)
    assert placed(memory, who, b"a third") == summed(some(400, start=200))


@pytest.mark.parametrize("who", [some(15, start=85), some(13, start=85), some(4, start=85)])
def test_a_sum_of_few_persons_is_refused(memory: Memory, who: PersonSet) -> None:
    """A number below the threshold is not shown, whoever was asked about."""
    with memory.decision() as decision:  # a looser project released both
        assert decision.place(some(91), OTHER, 5, 5).admitted
        decision.put("second", b"an answer", [some(91)])
    assert not placed(memory, who, b"a third", distance=11).admitted


@pytest.mark.parametrize("fewer", [0, 1, 5])
def test_a_cell_may_follow_from_the_question_and_an_older_set(memory: Memory, fewer: int) -> None:
    """*The women but for a month*, then both sexes with their total: neither women nor men show whether a woman is left out."""
    with memory.decision() as decision:
        assert decision.place(some(200 + fewer), OTHER, K, K).admitted
        assert decision.place(some(100 + fewer), b"women", K, K, totals=frozenset([OTHER])) == FIRST
        men = some(100, start=100 + fewer)
        assert decision.place(men, b"men", K, K, totals=frozenset([OTHER])) == summed(some(100 + fewer, start=100))


@pytest.mark.parametrize("fewer", [0, 1])
def test_a_sum_with_a_cell_of_this_answer_rests_on_it(memory: Memory, fewer: int) -> None:
    """The cell may be suppressed yet: then its number would follow."""
    cell = some(90, start=100)
    with memory.decision() as decision:
        assert decision.place(some(300), OTHER, K, K).admitted
        assert decision.place(cell, b"a cell", K, K).admitted
        assert decision.place(some(190 - fewer), b"the rest", K, K) == summed(some(190), rests_on=(cell,))


@pytest.mark.parametrize(("missing", "admitted"), [(0, True), (1, False)])
def test_a_last_cell_is_shown_beside_a_table_of_nearly_all(memory: Memory, missing: int, admitted: bool) -> None:
    """Persons by race, all but 16 of them, then by sex: the men follow from all and the women, whatever else is nearly as many.

    Who is in neither cell would follow from them, so then the men are refused as ever.
    """
    everybody, listed = some(1000), some(984)
    remember(memory, "everybody", everybody, b"everybody")
    remember(memory, "by race", listed, b"all listed races")
    with memory.decision() as decision:
        assert decision.place(everybody, b"everybody", K, K) == ADMITTED
        assert decision.place(some(600), b"women", K, K) == ADMITTED
        assert decision.place(some(400 - missing, start=600), b"men", K, 2 * K).admitted == admitted


@pytest.mark.parametrize("fewer", [0, 1])
def test_beside_a_stand_in_a_sum_rests_on_a_cell_too(memory: Memory, fewer: int) -> None:
    """What is placed first is all persons of the question; a cell that comes after may be suppressed yet."""
    cell = some(90, start=200)
    with memory.decision() as decision:
        assert decision.place(some(100), OTHER, K, K) == FIRST
        assert decision.place(cell, b"a cell", K, K).admitted
        assert decision.place(some(100) | some(90 - fewer, start=200), b"both", K, K) == summed(some(100) | cell, rests_on=(cell,))


@pytest.mark.parametrize("fewer", [0, 5])
def test_quantiles_are_not_added_up(memory: Memory, fewer: int) -> None:
    """The median of a whole does not follow from those of its parts: it is told after theirs, but of one near set only."""
    parts = [some(100, start=start) for start in (200, 300)]
    with memory.decision() as decision:
        for place, part in enumerate(parts):
            assert decision.place(part, bytes([place]), K, K, QUANTILES).admitted
        decision.put("parts", b"an answer", [], values={QUANTILES: parts})
    with memory.decision() as decision:
        assert decision.place(some(200 - fewer, start=200), OTHER, K, K, QUANTILES).admitted
        decision.put("whole", b"an answer", [], values={QUANTILES: [some(200 - fewer, start=200)]})
    with memory.decision() as decision:
        assert decision.place(some(198, start=200), b"a third", K, K, QUANTILES) == stood_in(some(200 - fewer, start=200), OTHER)


@pytest.mark.parametrize(("lacking", "admitted"), [(0, True), (5, False), (10, True)])
def test_cells_add_up_to_their_total_though_it_is_older(memory: Memory, lacking: int, admitted: bool) -> None:
    """What is left of it is judged by the rules for tables; but only where the total is one by its name."""
    with memory.decision() as decision:
        assert decision.place(some(60), b"cell", K, K, totals=frozenset([SAID])).admitted
        rest = some(40 - lacking, start=60 + lacking)
        assert decision.place(rest, b"rest", K, K, totals=frozenset([SAID])).admitted == admitted
    with memory.decision() as decision:
        assert decision.place(some(60), b"cell", K, K).admitted
        assert decision.place(some(40 - lacking, start=60 + lacking), b"rest", K, K).admitted == (lacking == 10)


@pytest.mark.parametrize("beyond", [0, 5, 9])
def test_a_union_of_cells_is_held_against_older_sets_too(memory: Memory, beyond: int) -> None:
    """Though it is exactly the sum of its own cells: with an older set it makes up all persons of the question, but for a few."""
    remember(memory, "second", some(90 + beyond, start=510), b"an older one")
    with memory.decision() as decision:
        assert decision.place(some(205, start=400), b"all", K, K).admitted
        assert decision.place(some(60, start=400), b"cell", K, K).admitted
        assert decision.place(some(45, start=460), b"another cell", K, K).admitted
        assert decision.admits(some(105, start=400), K, b"both", K, frozenset({b"all"})) == (beyond == 0)


def test_sets_of_one_decision_do_not_stand_in_for_each_other(memory: Memory) -> None:
    """A cell near another cell of its own table is refused, and one that equals it is the same number."""
    with memory.decision() as decision:
        assert decision.place(some(50, start=500), SAID, K, K) == ADMITTED
        assert decision.place(some(49, start=500), OTHER, K, K) == REFUSED
        assert decision.place(some(50, start=500), OTHER, K, K) == ADMITTED


def test_a_set_that_stood_in_is_admitted_as_no_union(memory: Memory) -> None:
    """Otherwise a complete line of cells would tell that a set equals its stand-in: one near it is refused as a union too."""
    for who in (some(100), some(99)):
        with memory.decision() as decision:
            assert decision.place(who, OTHER, K, K) == FIRST
            assert not decision.admits(who, K)
    with memory.decision() as decision:
        assert decision.admits(some(100), K, SAID)


def test_a_stand_in_leaves_no_new_set_behind(memory: Memory) -> None:
    """A set whose number is another's may not be remembered as released."""
    with memory.decision() as decision:
        decision.place(some(99), OTHER, K, K)
        with pytest.raises(ValueError, match="not asked about, or did not admit"):
            decision.put("second", b"an answer", [some(99)])
        decision.put("second", b"an answer", [some(100)])
    assert placed(memory, some(99), b"a third") == FIRST


def test_a_union_gets_a_stand_in_when_a_question_describes_it(memory: Memory) -> None:
    """A set that followed from several numbers has no description: whoever describes it gets its number marked."""
    with memory.decision() as decision:
        assert decision.admits(some(60, start=300), K)
        decision.put("second", b"an answer", [some(60, start=300)])
    assert placed(memory, some(60, start=300)) == stood_in(some(60, start=300))


def test_descriptions_outlive_a_restart(tmp_path: Path) -> None:
    """A memory that is opened again knows under which description a set was released."""
    with closing(SqliteMemory(tmp_path / "memory.db")) as memory:
        remember(memory, "first", some(100), SAID)
    with closing(SqliteMemory(tmp_path / "memory.db")) as memory:
        assert placed(memory, some(100), SAID) == ADMITTED
        assert placed(memory, some(100)) == FIRST


def test_a_memory_from_before_descriptions_opens(tmp_path: Path) -> None:
    """Its sets have no description, so that each question which describes one gets its number marked."""
    file = tmp_path / "memory.db"
    with closing(SqliteMemory(file)) as memory:
        remember(memory, "first", some(100), SAID)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP INDEX person_set_unsaid")
        connection.execute("ALTER TABLE person_set DROP COLUMN said")
        connection.execute("PRAGMA user_version = 2")
        connection.commit()
    with closing(SqliteMemory(file)) as memory:
        assert memory.get("first") == b"an answer"
        assert placed(memory, some(100), SAID) == placed(memory, some(99), SAID) == stood_in(some(100))
        remember(memory, "second", some(100, start=500), SAID)
        assert placed(memory, some(100, start=500), SAID) == ADMITTED


def test_what_was_told_of_values_counts_for_each_kind_of_today(tmp_path: Path) -> None:
    """Of an earlier file nobody knows whether means or quantiles were told: no number of values is told of a near set."""
    file = tmp_path / "memory.db"
    with closing(SqliteMemory(file)) as memory, memory.decision() as decision:
        assert decision.place(some(100), SAID, K, K, "values") == ADMITTED
        decision.put("first", b"an answer", [], values={"values": [some(100)]})
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 5")
    with closing(SqliteMemory(file)) as memory:
        for kind in ("values", "quantiles", "correlations"):
            with memory.decision() as decision:
                assert decision.place(some(99), OTHER, K, K, kind) == FIRST
                assert decision.place(some(100), SAID, K, K, kind) == ADMITTED
                assert decision.place(some(100, start=500), OTHER, K, K, kind) == ADMITTED
                decision.put(kind, b"an answer", [], values={kind: [some(100), some(100, start=500)]})
    with closing(SqliteMemory(file)) as memory, memory.decision() as decision:
        assert decision.place(some(99, start=500), SAID, K, K, "quantiles") == stood_in(some(100, start=500), OTHER)
        assert decision.place(some(100), OTHER, K, K, "rows of visit") == ADMITTED


def test_the_bytes_of_a_set_are_kept_once(tmp_path: Path) -> None:
    """A set of persons with values that is a set of persons too is read from there; one that is not has its own bytes."""
    file = tmp_path / "memory.db"
    with closing(SqliteMemory(file)) as memory, memory.decision() as decision:
        assert decision.place(some(100), SAID, K, K) == ADMITTED
        for who in (some(100), some(60)):
            assert decision.place(who, SAID + bytes([len(who)]), K, K, "values") == ADMITTED
        decision.put("first", b"an answer", [some(100)], values={"values": [some(100), some(60)]})
    with closing(sqlite3.connect(file)) as connection:
        assert [length > 0 for (length,) in connection.execute("SELECT length(body) FROM value_set ORDER BY number")] == [False, True]
    with closing(SqliteMemory(file, room=0)) as memory, memory.decision() as decision:
        assert decision.place(some(99), OTHER, K, K, "values") == stood_in(some(100), SAID + bytes([100]))
        assert decision.place(some(59), OTHER, K, K, "values") == stood_in(some(60), SAID + bytes([60]))


def test_a_set_of_values_whose_bytes_are_gone_is_noticed(tmp_path: Path) -> None:
    """Never as if nothing had been told of them: the memory decides nothing more."""
    file = tmp_path / "memory.db"
    with closing(SqliteMemory(file)) as memory, memory.decision() as decision:
        decision.place(some(100), SAID, K, K)
        decision.place(some(100), SAID, K, K, "values")
        decision.put("first", b"an answer", [some(100)], values={"values": [some(100)]})
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE person_set SET fingerprint = zeroblob(16)")
        connection.commit()
    with closing(SqliteMemory(file)) as memory, pytest.raises(DamagedMemory), memory.decision() as decision:
        decision.place(some(99), OTHER, K, K, "values")
