"""The site's register gives every person one number for good, whatever happens to the process that asks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinpane_broker.catalogue.catalogue import Catalogue, Column, Table
from twinpane_broker.engine.store.coded_table import CodedTables
from twinpane_broker.engine.store.register import LIST, Register
from twinpane_broker.errors import EngineError


def persons(kind: str) -> str:
    """SQL for the persons, and the column ``place``, of a table ``source_t`` whose persons are in the column ``k``."""
    columns = (Column(name="k", type=kind, role="key"), Column(name="place", type="integer", role="key"))
    table = Table(name="t", person_key="k", columns=columns)
    return CodedTables(Catalogue(site="s", snapshot="v", persons=0, tables=(table,))).keys(table).select("place").sql("duckdb")


def enrol(register: Register, keys: list[int | str], order: list[int] | None = None) -> int:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE source_t AS SELECT unnest(?::VARCHAR[]) AS k, unnest(?::BIGINT[]) AS place",
                           [[str(key) for key in keys], order or [0] * len(keys)])  # fmt: skip
        connection.execute(f"CREATE VIEW people AS {persons('varchar')}")
        return register.enrol(connection, "people", ("place",) if order else ())


def numbers(register: Register) -> dict[int | str, int]:
    with duckdb.connect() as connection:
        rows = connection.execute(register.numbers()).fetchall()
    found = {integer if text is None else text: number for number, integer, text in rows}
    assert len(found) == len(rows)
    return found


def test_numbers_begin_at_nought_and_have_no_gaps(tmp_path: Path) -> None:
    """Whatever the keys are."""
    register = Register(tmp_path)
    assert enrol(register, [70, -3, "x-1", 2**62, ""]) == 5
    assert sorted(numbers(register).values()) == [0, 1, 2, 3, 4]


def test_later_persons_get_later_numbers_and_all_keep_theirs(tmp_path: Path) -> None:
    """Also those whom a snapshot leaves out."""
    register = Register(tmp_path)
    enrol(register, [1, 2, 3])
    before = numbers(register)
    assert enrol(register, [3, 9, 8]) == 2
    assert enrol(register, [1]) == 0
    after = numbers(Register(tmp_path))
    assert {key: after[key] for key in before} == before
    assert sorted(after[key] for key in (8, 9)) == [3, 4]


def test_a_person_given_many_times_has_one_number(tmp_path: Path) -> None:
    """Event tables name persons often; 7 and '7' are the same person, '07' another."""
    register = Register(tmp_path)
    assert enrol(register, [7, 7, "7", "07", "07"]) == 2
    assert set(numbers(register)) == {7, "07"}


def test_a_whole_number_is_the_key_whatever_text_is_beside_it(tmp_path: Path) -> None:
    """A whole number is the key, whatever text stands beside it. So a person has one number, also where a relation breaks the form."""
    register = Register(tmp_path)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE people AS SELECT 7 AS integer, unnest(['7', 'seven', NULL]) AS text")
        assert register.enrol(connection, "people") == 1
        assert register.strangers(connection, "people") == register.enrol(connection, "people") == 0
    assert numbers(register) == {7: 0}


@pytest.mark.parametrize(
    ("sql", "kind", "integer", "text"),
    [
        ("7::BIGINT", "integer", 7, None),
        ("NULL::BIGINT", "integer", None, None),
        ("'7'", "varchar", 7, None),
        ("'-7'", "varchar", -7, None),
        ("'07'", "varchar", None, "07"),
        ("' 7'", "varchar", None, " 7"),
        ("'+7'", "varchar", None, "+7"),
        ("'-0'", "varchar", None, "-0"),
        ("'1e3'", "varchar", None, "1e3"),
        ("'99999999999999999999'", "varchar", None, "99999999999999999999"),
        ("''", "varchar", None, ""),
        ("NULL::VARCHAR", "varchar", None, None),
        ("7.0::DOUBLE", "double", 7, None),
        ("7.5::DOUBLE", "double", None, "7.5"),
        ("'nan'::DOUBLE", "double", None, None),
        ("'inf'::DOUBLE", "double", None, "inf"),
        ("DATE '2020-01-02'", "date", None, "2020-01-02"),
    ],
)
def test_whole_numbers_are_one_key_however_they_are_stored(sql: str, kind: str, integer: int | None, text: str | None) -> None:
    """And everything else is a text, or nobody."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE source_t AS SELECT {sql} AS k, 0 AS place")
        nobody = integer is None and text is None
        assert connection.execute(persons(kind)).fetchall() == ([] if nobody else [(integer, text, 0)])


def test_the_first_persons_are_numbered_in_the_order_asked_for(tmp_path: Path) -> None:
    """By the sum of what their rows add, then by key."""
    register = Register(tmp_path)
    enrol(register, [5, 4, 3, 2], [1, 0, 1, 0])
    assert sorted(numbers(register), key=numbers(register).get) == [2, 4, 3, 5]


def test_nobody_is_no_new_file(tmp_path: Path) -> None:
    """A register that knows everybody stays as it is."""
    register = Register(tmp_path)
    enrol(register, [])
    enrol(register, [1])
    before = sorted(file.name for file in tmp_path.iterdir())
    enrol(register, [1])
    assert sorted(file.name for file in tmp_path.iterdir()) == before


def test_registers_have_identities_of_their_own(tmp_path: Path) -> None:
    """Kept for good, and not each other's."""
    one, other = Register(tmp_path / "a"), Register(tmp_path / "b")
    assert one.identity == Register(tmp_path / "a").identity != other.identity


def test_a_longer_register_begins_with_the_shorter_one(tmp_path: Path) -> None:
    """So that a store can tell whether its numbers are the register's."""
    register = Register(tmp_path)
    enrol(register, [1])
    head = register.head
    enrol(register, [2])
    assert register.head[:1] == head
    assert len(register.head) == 2


@pytest.mark.parametrize("harm", ["cut", "changed", "gone", "no list", "list cut", "list reordered"])
def test_a_damaged_register_is_an_error_and_never_a_new_one(tmp_path: Path, harm: str) -> None:
    """New numbers would mean other persons to the memory of releases."""
    register = Register(tmp_path)
    enrol(register, range(5000))
    enrol(register, range(6000))
    first = tmp_path / "0000000000.parquet"
    listed = tmp_path / LIST
    body = first.read_bytes()
    match harm:
        case "cut":
            first.write_bytes(body[:-100])
        case "changed":
            first.write_bytes(body[:200] + bytes([body[200] ^ 1]) + body[201:])
        case "gone":
            first.unlink()
        case "no list":
            listed.unlink()
        case "list cut":
            listed.write_bytes(listed.read_bytes()[:-20])
        case "list reordered":
            value = json.loads(listed.read_text())
            value["segments"].reverse()
            listed.write_text(json.dumps(value))
    with pytest.raises(EngineError, match=r"is damaged .*backup"):
        enrol(Register(tmp_path), [1, 2, 3, 7000])


@pytest.mark.slow
@pytest.mark.parametrize("call", range(8))
def test_a_process_killed_at_any_step_gives_no_number_twice(tmp_path: Path, call: int) -> None:
    """The first process dies at its n-th sync or rename; the next one goes on as if it had never been or was done."""
    program = f"""
import os, signal, sys
calls = 0
def dying(real):
    def step(*arguments, **named):
        global calls
        calls += 1
        if calls == {call} + 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)
    return step
from pathlib import Path
import duckdb
from twinpane_broker.engine.store.register import Register
register = Register(Path({str(tmp_path)!r}))
connection = duckdb.connect()
connection.execute("CREATE TABLE people AS SELECT i AS integer, NULL::VARCHAR AS text FROM range(100) t(i)")
register.enrol(connection, "people")
connection.execute("INSERT INTO people SELECT i, NULL FROM range(100, 200) t(i)")
os.replace, os.fsync = dying(os.replace), dying(os.fsync)
register.enrol(connection, "people")
print("done")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == (-9 if call < 6 else 0), done.stderr
    register = Register(tmp_path)
    found = numbers(register)
    assert len(found) in (100, 200)
    assert all(found[key] == key for key in range(100))
    enrol(register, range(150, 300))
    later = numbers(register)
    assert {key: later[key] for key in found} == found
    assert sorted(later.values()) == list(range(len(later)))


@pytest.mark.slow
def test_many_processes_and_threads_number_persons_at_once(tmp_path: Path) -> None:
    """Many processes and threads number persons at the same time: each person gets one number, and each number one person."""
    Register(tmp_path)
    program = f"""
import sys, duckdb
from pathlib import Path
from twinpane_broker.engine.store.register import Register
start = int(sys.argv[1])
for step in range(5):
    connection = duckdb.connect()
    those = f"range({{start}}, {{start + 10 * step + 10}})"
    connection.execute(f"CREATE TABLE people AS SELECT i AS integer, NULL::VARCHAR AS text FROM {{those}} t(i)")
    Register(Path({str(tmp_path)!r})).enrol(connection, "people")
"""
    processes = [subprocess.Popen([sys.executable, "-c", program, str(start)]) for start in (0, 25)]
    threads = [Thread(target=lambda i=i: enrol(Register(tmp_path), range(i * 20, i * 20 + 50))) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    found = numbers(Register(tmp_path))
    assert set(found) == set(range(110))
    assert sorted(found.values()) == list(range(110))


@pytest.mark.slow
def test_a_register_that_cannot_be_written_gives_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is an error that says where, and changes nothing."""
    register = Register(tmp_path)
    enrol(register, [1])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(EngineError, match="No space left"):
            enrol(register, [2])
    assert set(numbers(Register(tmp_path))) == {1}
    assert not list(tmp_path.glob("*.new"))
    enrol(register, [3])
    assert numbers(register) == {1: 0, 3: 1}


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.lists(st.lists(st.one_of(st.integers(-50, 50), st.text("ab0 '\"\\", max_size=3)), max_size=20), max_size=5))
def test_any_sequence_of_snapshots_keeps_the_numbers(tmp_path_factory: pytest.TempPathFactory, snapshots: list[list[int | str]]) -> None:
    """One number each, without gaps, the same after every snapshot as before it."""
    folder = tmp_path_factory.mktemp("register")
    before: dict[int | str, int] = {}
    for keys in snapshots:
        register = Register(folder)
        enrol(register, keys)
        after = numbers(register)
        assert {key: after[key] for key in before} == before
        assert sorted(after.values()) == list(range(len(after)))
        assert {str(key) for key in keys} <= {str(key) for key in after}
        before = after
