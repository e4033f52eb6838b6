"""Where a set stands beside the released ones: its own numbers, an older set's in their place, or none."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from broker_world import some

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.memory import ADMITTED, REFUSED, DamagedMemory, InProcessMemory, Memory, SqliteMemory, Standing

K = 10
SAID, OTHER = b"a description", b"another one"
FIRST = Standing(False, some(100), SAID)
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
    assert placed(memory, who, b"a third", distance=11).said == OTHER


@pytest.mark.parametrize("who", [some(11), some(10, start=1), some(9), some(3)])
def test_a_few_persons_near_a_released_set_look_like_more(memory: Memory, who: PersonSet) -> None:
    """Else a set of exactly as many as the threshold asks for would be a scale for one person more."""
    (ten := some(10)).add(1000)
    remember(memory, "second", ten, OTHER)
    assert placed(memory, who, b"a third") == Standing(False, ten, OTHER)


def test_a_few_persons_get_neither_numbers_nor_a_stand_in(memory: Memory) -> None:
    """A set below the threshold is refused outright, and nobody at all is no news."""
    assert placed(memory, some(9)) == REFUSED
    assert placed(memory, PersonSet()) == ADMITTED


@pytest.mark.parametrize(("distance", "expected"), [(10, ADMITTED), (11, FIRST), (19, FIRST)])
def test_the_distance_alone_says_which_sets_are_near(memory: Memory, distance: int, expected: Standing) -> None:
    """Ten persons apart: released beside a distance of ten, near beside any larger one."""
    assert placed(memory, some(90), distance=distance) == expected


def test_the_oldest_of_several_near_sets_stands_in(memory: Memory) -> None:
    """Which one does not depend on which is nearest."""
    remember(memory, "second", some(110), OTHER)
    assert placed(memory, some(109), b"a third") == FIRST


def test_a_set_near_a_union_has_no_stand_in(memory: Memory) -> None:
    """Its number follows from two, and no one released set can stand for it."""
    remember(memory, "second", some(100, start=100), OTHER)
    assert placed(memory, some(195), b"a third") == REFUSED


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
            assert decision.place(who, OTHER, K, K).stand_in == some(100)
            assert not decision.admits(who, K)
    with memory.decision() as decision:
        assert decision.admits(some(100), K)


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
    assert placed(memory, some(60, start=300)) == Standing(False, some(60, start=300))


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
        assert placed(memory, some(100), SAID) == placed(memory, some(99), SAID) == Standing(False, some(100))
        remember(memory, "second", some(100, start=500), SAID)
        assert placed(memory, some(100, start=500), SAID) == ADMITTED


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
        assert decision.place(some(99), OTHER, K, K, "values").stand_in == some(100)
        assert decision.place(some(59), OTHER, K, K, "values").stand_in == some(60)


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
