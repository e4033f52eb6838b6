"""The memory in a file: durable, shared by threads and processes, closed to what is damaged, and open to files of before."""

import multiprocessing
import os
import signal
import sqlite3
import threading
from contextlib import closing
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.memory import DamagedMemory, InProcessMemory, SqliteMemory

TODAY = date(2026, 11, 22)
WHOLE, MOST, HALF = PersonSet(range(1000)), PersonSet(range(995)), PersonSet(range(500))
SPAWN = multiprocessing.get_context("spawn")


SAID = b"a description"


def release(memory: SqliteMemory | InProcessMemory, key: str, *sets: PersonSet, k: int = 10) -> bool:
    """Decide one question about these sets: keep it if all are admitted."""
    with memory.decision() as decision:
        if not all(decision.admits(who, k, SAID) for who in sets):
            return False
        decision.put(key, f"answer {key}".encode(), sets)
        return True


def admits(memory: SqliteMemory | InProcessMemory, who: PersonSet, k: int = 10) -> bool:
    """What the memory says of a set under the name that all have here, and forgets."""
    with memory.decision() as decision:
        return decision.admits(who, k, SAID)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture(params=["in a process", "in a file"])
def memory(request: pytest.FixtureRequest, file: Path) -> SqliteMemory | InProcessMemory:
    return InProcessMemory() if request.param == "in a process" else SqliteMemory(file)


def damage(file: Path, statement: str) -> None:
    """Change the file behind the memory's back."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(statement)
        connection.commit()


def test_an_answer_is_given_again_byte_for_byte(memory: SqliteMemory | InProcessMemory) -> None:
    assert memory.get("q") is None
    assert release(memory, "q", WHOLE, HALF)
    assert memory.get("q") == b"answer q"
    with memory.decision() as decision:
        assert decision.get("q") == b"answer q"
        assert decision.get("other") is None


def test_what_was_put_is_seen_in_its_decision_alone(memory: SqliteMemory | InProcessMemory) -> None:
    """Only the decision itself sees what was put, until the decision ends."""
    with memory.decision() as decision:
        decision.put("q", b"a", [])
        assert decision.get("q") == b"a"
        assert memory.get("q") is None
    assert memory.get("q") == b"a"


def test_withheld_answers_are_counted_by_project_and_day(memory: SqliteMemory | InProcessMemory) -> None:
    with memory.decision() as decision:
        decision.put("a", b"", [], ("p", TODAY))
        assert decision.withheld("p", TODAY) == 1
        decision.put("b", b"", [], ("p", TODAY))
        decision.put("c", b"", [], ("other", TODAY))
        decision.put("d", b"", [], ("p", date(2026, 11, 21)))
        decision.put("e", b"", [])
    with memory.decision() as decision:
        assert [decision.withheld("p", TODAY), decision.withheld("other", TODAY), decision.withheld("nobody", TODAY)] == [2, 1, 0]


def test_an_error_in_a_decision_leaves_nothing_of_it(memory: SqliteMemory | InProcessMemory) -> None:

    def fail() -> None:
        with memory.decision() as decision:
            assert decision.admits(MOST, 10)
            decision.put("q", b"a", [MOST], ("p", TODAY))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert memory.get("q") is None
    assert release(memory, "r", WHOLE)
    with memory.decision() as decision:
        assert decision.withheld("p", TODAY) == 0


def test_sets_that_were_admitted_but_not_released_do_not_count(memory: SqliteMemory | InProcessMemory) -> None:
    with memory.decision() as decision:
        assert decision.admits(HALF, 10)
        assert decision.admits(MOST, 10)
        decision.put("q", b"a", [HALF])
    assert release(memory, "r", WHOLE)
    assert not admits(memory, PersonSet(range(504)))


def test_a_set_that_was_not_admitted_cannot_be_put(memory: SqliteMemory | InProcessMemory) -> None:
    """A mistake in the rules above must not let out what the memory refused, or was never asked about."""
    with pytest.raises(ValueError, match="did not admit"), memory.decision() as decision:
        decision.put("q", b"a", [WHOLE])
    with memory.decision() as decision:
        assert decision.admits(WHOLE, 10)
        assert not decision.admits(MOST, 10)
        with pytest.raises(ValueError, match="did not admit"):
            decision.put("q", b"a", [WHOLE, MOST])
    assert memory.get("q") is None


def test_a_set_is_seen_as_it_was_when_asked_about(memory: SqliteMemory | InProcessMemory) -> None:
    """If the caller changes a set afterwards, the memory still has the set that it was asked about."""
    growing = PersonSet(range(500))
    with memory.decision() as decision:
        assert decision.admits(growing, 10)
        growing |= PersonSet(range(600, 700))
        with pytest.raises(ValueError, match="did not admit"):
            decision.put("q", b"a", [growing])
    with memory.decision() as decision:
        one = PersonSet(range(400))
        assert decision.admits(one, 10)
        decision.put("q", b"a", [one])
        one.clear()
    assert not admits(memory, PersonSet(range(402)))


def test_a_question_is_answered_once(memory: SqliteMemory | InProcessMemory) -> None:
    release(memory, "q", WHOLE)
    with pytest.raises(ValueError, match="has its answer"), memory.decision() as decision:
        decision.put("q", b"another", [])
    assert memory.get("q") == b"answer q"


def test_a_decision_that_is_over_decides_nothing(memory: SqliteMemory | InProcessMemory) -> None:
    with memory.decision() as decision:
        pass
    for ask in (lambda: decision.get("q"), lambda: decision.admits(WHOLE, 10), lambda: decision.put("q", b"", [])):
        with pytest.raises(RuntimeError, match="over"):
            ask()


def test_a_decision_within_a_decision_is_refused_at_once(file: Path) -> None:
    memory = SqliteMemory(file)
    with memory.decision(), pytest.raises(RuntimeError, match="deciding already"), memory.decision():
        pass
    assert release(memory, "q", WHOLE)


def test_a_restart_loses_nothing(file: Path) -> None:
    chance = np.random.default_rng(1)
    sets = [PersonSet(np.flatnonzero(chance.random(300_000) < share).astype(np.uint32)) for share in (0.001, 0.02, 0.3, 0.9)]
    memory = SqliteMemory(file)
    for i, who in enumerate(sets):
        assert release(memory, str(i), who)
    memory.close()
    again = SqliteMemory(file)
    assert [again.get(str(i)) for i in range(4)] == [f"answer {i}".encode() for i in range(4)]
    for who in sets:
        assert admits(again, who)
        assert not admits(again, who ^ PersonSet([5, 70_000, 299_999]))


@pytest.mark.parametrize("room", [0, 10_000])
def test_sets_that_there_is_no_room_for_are_read_again(file: Path, room: int) -> None:
    chance = np.random.default_rng(1)
    memory = SqliteMemory(file, room=room)
    cells = chance.integers(0, 8, 20_000)
    sets = [PersonSet(np.flatnonzero(cells == i).astype(np.uint32)) for i in range(6)]
    assert release(memory, "q", *sets)
    for one, other in pairwise(sets):
        assert not admits(memory, one ^ PersonSet([1, 2]))
        assert not admits(memory, (one | other) ^ PersonSet([3]))


def test_another_memory_on_the_file_counts_at_once(file: Path) -> None:
    """A steward's command beside the running site: what one released, the other knows in its next decision."""
    one, other = SqliteMemory(file), SqliteMemory(file)
    assert release(one, "a", HALF)
    assert not admits(other, PersonSet(range(503)))
    assert release(other, "b", WHOLE)
    assert other.get("a") == b"answer a"
    assert one.get("b") == b"answer b"
    assert not admits(one, MOST)
    assert release(one, "c", PersonSet(range(2000)))
    assert not admits(other, PersonSet(range(1995)))


def test_answers_are_read_while_another_thread_decides(file: Path) -> None:
    memory = SqliteMemory(file)
    release(memory, "q", WHOLE)
    found: list[bytes | None] = []
    with memory.decision():
        reader = threading.Thread(target=lambda: found.append(memory.get("q")))
        reader.start()
        reader.join(10)
    assert found == [b"answer q"]


def test_threads_decide_one_after_the_other(file: Path) -> None:
    """Twelve near sets at once: one of them gets out."""
    memory = SqliteMemory(file)
    told: list[bool] = []
    threads = [threading.Thread(target=lambda i=i: told.append(release(memory, str(i), PersonSet(range(800 + i))))) for i in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(told) == [False] * 9 + [True]


def _ask(file: Path, gate: object, told: object, first: int) -> None:
    memory = SqliteMemory(file)
    gate.wait(60)
    told.put([n for n in range(first, 2000, 100) for _ in [0] if release(memory, f"{first}/{n}", PersonSet(range(n)))])


def test_processes_never_both_release_sets_that_are_near(file: Path) -> None:
    """Each asks for its own sets; every set of one is near a set of the other."""
    gate, told = SPAWN.Barrier(2), SPAWN.Queue()
    asking = [SPAWN.Process(target=_ask, args=(file, gate, told, first)) for first in (100, 104)]
    for process in asking:
        process.start()
    sizes = sorted(told.get(timeout=60) + told.get(timeout=60))
    for process in asking:
        process.join(30)
    assert len(sizes) == 19
    assert (np.diff(sizes) >= 90).all()


def _die(file: Path, how: str, when: str) -> None:
    memory = SqliteMemory(file)

    def end() -> None:
        os.kill(os.getpid(), signal.SIGKILL) if how == "killed" else os._exit(1)

    release(memory, "before", HALF)
    with memory.decision() as decision:
        decision.admits(MOST, 10)
        decision.put("during", b"a", [MOST])
        if when == "before its end":
            end()
    end()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "ended"])
@pytest.mark.parametrize("when", ["before its end", "after its end"])
def test_a_process_that_dies_leaves_whole_decisions(file: Path, how: str, when: str) -> None:
    child = SPAWN.Process(target=_die, args=(file, how, when))
    child.start()
    child.join(60)
    assert child.exitcode
    memory = SqliteMemory(file)
    assert memory.get("before") == b"answer before"
    assert not admits(memory, PersonSet(range(503)))
    assert memory.get("during") == (None if when == "before its end" else b"a")
    assert admits(memory, WHOLE) == (when == "before its end")


def test_nothing_leaves_if_the_memory_cannot_be_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory that cannot be written raises, and nothing leaves."""
    monkeypatch.setattr("twinpane_broker.memory.records.BUSY_SECONDS", 0.05)
    memory, other = SqliteMemory(file), SqliteMemory(file)
    with other.decision(), pytest.raises(sqlite3.OperationalError, match="locked"), memory.decision():
        pytest.fail("decided beside another")
    assert release(memory, "q", WHOLE), "a decision that could not begin bars no later one"


def test_a_full_disk_leaves_the_memory_as_it_was(file: Path) -> None:
    memory = SqliteMemory(file)
    assert release(memory, "a", HALF)
    pages = memory._writer.execute("PRAGMA page_count").fetchone()[0]
    memory._writer.execute(f"PRAGMA max_page_count = {pages}")
    scattered = PersonSet(np.flatnonzero(np.random.default_rng(1).random(3_000_000) < 0.3).astype(np.uint32))
    with pytest.raises(sqlite3.OperationalError, match="full"):
        release(memory, "b", scattered)
    memory._writer.execute("PRAGMA max_page_count = 1000000")
    assert memory.get("b") is None
    assert admits(memory, scattered ^ PersonSet([1]))
    assert not admits(memory, PersonSet(range(503)))
    assert release(memory, "b", scattered)


DAMAGES = {
    "a set is gone": "DELETE FROM person_set WHERE number = 1",
    "the last set is gone": "DELETE FROM person_set WHERE number = 2",
    "a set's bytes changed": "UPDATE person_set SET picture = x'00', body = zeroblob(60) WHERE number = 1",
    "a set is no bytes": "UPDATE person_set SET picture = 'x', body = 'x' WHERE number = 1",
    "a fingerprint changed": "UPDATE person_set SET fingerprint = zeroblob(16) WHERE number = 1",
    "which answer released them changed": "UPDATE released SET sets = x'01000000'",
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_memory_decides_nothing(file: Path, what: str) -> None:
    """Never as if a set had not been released."""
    memory = SqliteMemory(file)
    assert release(memory, "q", WHOLE, HALF)
    memory.close()
    damage(file, DAMAGES[what])
    again = SqliteMemory(file)
    for _ in range(2):
        with pytest.raises(DamagedMemory, match="from a backup"):
            admits(again, PersonSet(range(700)))


def test_a_set_damaged_on_the_disk_is_noticed(file: Path) -> None:
    """Damage to a set on the disk alone is noticed as soon as the set is needed."""
    memory = SqliteMemory(file)
    assert release(memory, "q", WHOLE, HALF)
    memory.close()
    damage(file, "UPDATE person_set SET body = (SELECT body FROM person_set WHERE number = 2) WHERE number = 1")
    with pytest.raises(DamagedMemory):
        admits(SqliteMemory(file), MOST)


@pytest.mark.parametrize("change", ["zeroblob(400)", "x''", "CAST(x'00' || substr(picture, 2) AS BLOB)", "substr(picture, 1, 100)"])
def test_a_damaged_picture_is_made_anew_from_its_set(file: Path, change: str) -> None:
    memory = SqliteMemory(file)
    assert release(memory, "q", WHOLE, HALF)
    memory.close()
    damage(file, f"UPDATE person_set SET picture = {change}")
    assert not admits(SqliteMemory(file), MOST)


def test_a_damaged_answer_is_not_given(file: Path) -> None:
    memory = SqliteMemory(file)
    release(memory, "q", WHOLE)
    damage(file, "UPDATE answer SET body = x'00'")
    with pytest.raises(DamagedMemory):
        memory.get("q")
    with pytest.raises(DamagedMemory), memory.decision() as decision:
        decision.get("q")


def test_a_file_of_an_earlier_twinpane_goes_on(file: Path) -> None:
    """Its answers are out: they are given again, and counted as answers that no person set is known of."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE answer (key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID")
        connection.execute("INSERT INTO answer VALUES ('old', x'6162')")
        connection.commit()
    memory = SqliteMemory(file)
    assert memory.get("old") == b"ab"
    assert memory.without_sets == 1
    assert release(memory, "new", HALF)
    memory.close()
    again = SqliteMemory(file)
    assert again.get("old") == b"ab"
    assert again.without_sets == 1
    assert not admits(again, PersonSet(range(503)))


def test_a_later_or_foreign_file_is_not_opened(file: Path, tmp_path: Path) -> None:
    """A file of a later Twinpane, or of something else, is not opened."""
    SqliteMemory(file).close()
    damage(file, "PRAGMA user_version = 99")
    with pytest.raises(sqlite3.DatabaseError, match="newer Twinpane"):
        SqliteMemory(file)
    (tmp_path / "other.db").write_bytes(b"not a database" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        SqliteMemory(tmp_path / "other.db")
    with pytest.raises(sqlite3.OperationalError):
        SqliteMemory(tmp_path / "missing" / "memory.db")
