"""A build makes a store that any engine can measure on: persons numbered, codes as indexes, values clipped, facts and index with it."""

import shutil
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
import pandas as pd
import pytest
from broker_world import CATALOGUE, codes, drugs, people, snapshot, visits

from twinpane_broker.catalogue.catalogue import Catalogue, Column, Table
from twinpane_broker.engine.index.person_index import Index
from twinpane_broker.engine.sql.layout import store_shape
from twinpane_broker.engine.store import staging, survey
from twinpane_broker.engine.store.build import beside, build_store, facts_file, index_file
from twinpane_broker.engine.store.facts import Facts, read_facts
from twinpane_broker.engine.store.local_runner import LocalRunner
from twinpane_broker.errors import EngineError
from twinpane_broker.evidence.cache import Cache

KEY = Column(name="pid", type="integer", role="key")


def store(folder: Path, **tables: pd.DataFrame) -> Path:
    return build_store(snapshot(folder, **tables), CATALOGUE)


def rows(file: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def opened(file: Path) -> tuple[Facts, Index]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return beside(file, connection)


def one_table(folder: Path, frame: pd.DataFrame, *columns: Column, key: Column = KEY, name: str = "t") -> Path:
    frame.to_parquet(folder / f"{name}.parquet")
    table = Table(name=name, person_key=key.name, columns=(key, *columns))
    return build_store(folder, Catalogue(site="s", snapshot="v", persons=0, tables=(table,)))


@pytest.mark.parametrize("name", ["source_visit", "twinpane_numbers", "twinpane_codes_0", "people", "keys_0", "order_0"])
def test_a_table_may_have_any_name(tmp_path: Path, name: str) -> None:
    """A table of the name that the build used for a moment was taken for that, and no store was made."""
    person = pd.DataFrame({"pid": range(50), "sex": ["F", "M"] * 25})
    sex = Column(name="sex", type="varchar", role="dimension", codes=codes("F", "M"))
    tables = []
    for each in (name, "visit"):
        person.to_parquet(tmp_path / f"{each}.parquet")
        tables.append(Table(name=each, person_key="pid", columns=(KEY, sex)))
    file = build_store(tmp_path, Catalogue(site="s", snapshot="v", persons=50, tables=tuple(tables)))
    assert rows(file, f"SELECT count(*), count(DISTINCT twinpane_p) FROM {name}") == [(50, 50)]


def test_a_table_has_numbers_for_persons_and_codes(tmp_path: Path) -> None:
    """And no person key, no text, nothing hidden, nobody without a key."""
    visit = visits([{"person_id": i} for i in range(3)])
    visit["person_id"] = pd.array([0, None, 2], dtype="Int64")
    file = store(tmp_path, visit=visit)
    described = {name: kind for name, kind, *_ in rows(file, "DESCRIBE person")}
    assert described == {"twinpane_p": "INTEGER", "sex": "SMALLINT", "race": "SMALLINT", "age": "DOUBLE", "weight": "DOUBLE",
                         "smoker": "SMALLINT", "age__clipped": "SMALLINT", "weight__clipped": "SMALLINT"}  # fmt: skip
    assert {name: kind for name, kind, *_ in rows(file, "DESCRIBE visit")} == {
        "twinpane_p": "INTEGER", "visit_id": "BIGINT", "day": "DATE", "day__month": "SMALLINT", "ward": "SMALLINT", "lactate": "DOUBLE",
        "lactate__clipped": "SMALLINT",
    }  # fmt: skip
    assert rows(file, "SELECT count(*) FROM visit") == [(2,)]


def test_codes_become_their_index(tmp_path: Path) -> None:
    """-1 what is not approved, NULL what is missing."""
    person = people(8, sex=lambda i: ["M", "F", "X", None][i % 4], race="a", smoker=lambda i: [True, False, None, True][i % 4])
    file = store(tmp_path, person=person, visit=visits([{"person_id": 1}]), drug=drugs([{"patient": 1}]))
    assert rows(file, "SELECT sex, smoker, count(*) FROM person GROUP BY ALL ORDER BY ALL") == [
        (-1, None, 2), (0, 1, 2), (1, 0, 2), (None, 0, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "approved", "values", "expected"),
    [
        ("integer", (1, True, 2.0, "3", 4.5), [1, 2, 3, 4], [0, 2, -6, -7]),
        ("integer", (1, 1.0, 2), [1, 2], [0, 2]),
        ("boolean", (1, True, False), [True, False], [1, 2]),
        ("double", (0.5, 1, True), [0.5, 1.0, float("nan"), 1.5], [0, 1, None, -1]),
        ("varchar", (1, "1", "true", True), ["1", "true", "x"], [1, 2, -1]),
        ("varchar", ("'; DROP TABLE t; --", "ü", ""), ["'; DROP TABLE t; --", "ü", "", " "], [0, 1, 2, -1]),
        ("date", ("2020-01-02",), [date(2020, 1, 2), date(2020, 1, 3)], [0, -1]),
        ("integer", (), [1, None, -5, 2**40], [-4, None, -(2**31), -(2**31)]),
    ],
)
def test_codes_are_compared_with_their_types(tmp_path: Path, kind: str, approved: Any, values: list[Any], expected: Any) -> None:
    """True is not 1, '1' is not 1, 1.0 is; of a code that is listed twice the first place counts.

    Whole numbers that are not approved keep a number of their own, -3 - code, if they are as small as concept ids.
    """
    column = Column(name="c", type=kind, role="dimension", codes=codes(*approved) if approved else ())
    frame = pd.DataFrame({"pid": range(len(values)), "c": pd.Series(values, dtype="Int64" if None in values else None)})
    file = one_table(tmp_path, frame, column)
    found = sorted(rows(file, "SELECT c FROM t"), key=str)
    assert found == sorted([(code,) for code in expected], key=str)


def test_more_codes_than_sixteen_bits_hold(tmp_path: Path) -> None:
    """A long code list has a wider type."""
    column = Column(name="c", type="integer", role="dimension", codes=codes(*range(33_000), share=0.0))
    file = one_table(tmp_path, pd.DataFrame({"pid": [1, 2], "c": [32_999, 40_000]}), column)
    assert rows(file, "DESCRIBE t")[1][1] == "INTEGER"
    facts, index = opened(file)
    assert len(index.code("t", "c", 32_999)) == len(index.code("t", "c", -1)) == 1
    assert facts.table("t").dimension("c").most_rows(32_999) == 1


def test_values_are_clipped_and_missing_ones_stay_missing(tmp_path: Path) -> None:
    """9999 is 100, NaN and NULL are nothing, booleans 0 and 1."""
    person = people(4, age=lambda i: [9999, -5, 50, None][i], weight=lambda i: [float("nan"), float("inf"), -float("inf"), None][i])
    file = store(tmp_path, person=person)
    assert rows(file, "SELECT age, weight FROM person ORDER BY ALL") == [(0.0, 200.0), (50.0, 0.0), (100.0, None), (None, None)]
    facts, _ = opened(file)
    weight = facts.table("person").measure("weight")
    assert (weight.low, weight.high, weight.missing) == (0.0, 200.0, 2)
    folder = tmp_path / "boolean"
    folder.mkdir()
    column = Column(name="m", type="boolean", role="measure", bounds=(0, 1))
    file = one_table(folder, pd.DataFrame({"pid": [1, 2], "m": [True, False]}), column)
    assert rows(file, "SELECT sum(m), min(m) FROM t") == [(1.0, 0.0)]


def test_dates_have_their_day_and_month(tmp_path: Path) -> None:
    """Dirty days too: the year 9999 is after every window, the year 1 before, and infinity is no day."""
    days = [date(2020, 3, 31), date(9999, 12, 31), date(1, 1, 1), None]
    frame = pd.DataFrame({"pid": range(4), "d": pd.Series(days, dtype=object), "t": [datetime(2020, 1, 1, 23, 59)] * 4})
    frame["d"] = frame["d"].astype("date32[pyarrow]")
    columns = Column(name="d", type="date", role="date"), Column(name="t", type="timestamp", role="date")
    file = one_table(tmp_path, frame, *columns)
    assert rows(file, "SELECT d, d__month, t, t__month FROM t ORDER BY twinpane_p") == [
        (days[0], 24_242, date(2020, 1, 1), 24_240),
        (days[1], 32_767, date(2020, 1, 1), 24_240),
        (days[2], 12, date(2020, 1, 1), 24_240),
        (None, None, date(2020, 1, 1), 24_240),
    ]
    folder = tmp_path / "infinite"
    folder.mkdir()
    duckdb.execute(f"COPY (SELECT 1::BIGINT AS pid, 'infinity'::TIMESTAMP AS d) TO '{folder}/t.parquet'")
    endless = Table(name="t", person_key="pid", columns=(KEY, Column(name="d", type="timestamp", role="date")))
    file = build_store(folder, Catalogue(site="s", snapshot="v", persons=0, tables=(endless,)))
    assert rows(file, "SELECT d, d__month FROM t") == [(None, None)]


def test_a_person_has_one_number_in_every_table(tmp_path: Path) -> None:
    """Whatever the key is called there, and however it is stored: 7 and '7'."""
    pd.DataFrame({"who": ["7", "8", "x"], "c": ["a", "b", "c"]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"pid": [8, 7, 7], "c": ["b", "a", "a"]}).to_parquet(tmp_path / "b.parquet")
    pd.DataFrame({"p": [7.0, None], "c": ["a", "z"]}).to_parquet(tmp_path / "c.parquet")
    code = Column(name="c", type="varchar", role="dimension", codes=codes("a", "b", "c"))
    tables = tuple(
        Table(name=name, person_key=key, columns=(Column(name=key, type=kind, role="key"), code))
        for name, key, kind in (("a", "who", "varchar"), ("b", "pid", "integer"), ("c", "p", "double"))
    )
    file = build_store(tmp_path, Catalogue(site="s", snapshot="v", persons=0, tables=tables))
    pairs = {row for name in "abc" for row in rows(file, f"SELECT DISTINCT twinpane_p, c FROM {name}")}
    assert len(pairs) == len({person for person, _ in pairs}) == 3
    _, index = opened(file)
    assert index.present("b") == index.code("a", "c", 0) | index.code("a", "c", 1)


def test_numbers_outlive_the_snapshot_and_the_catalogue(tmp_path: Path) -> None:
    """Another snapshot, with persons gone and come, in another order, and of another project's columns: the same numbers."""
    register = tmp_path / "register"
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    code = Column(name="c", type="integer", role="dimension", codes=codes(*range(10)))
    value = Column(name="pid2", type="integer", role="measure", bounds=(0, 1000))

    def made(folder: Path, pids: list[int], *columns: Column) -> dict[float, int]:
        pd.DataFrame({"pid": pids, "pid2": pids, "c": [pid % 10 for pid in pids]}).to_parquet(folder / "t.parquet")
        table = Table(name="t", person_key="pid", columns=(KEY, *columns))
        file = build_store(folder, Catalogue(site="s", snapshot="v", persons=0, tables=(table,)), register=register)
        return dict(rows(file, "SELECT pid2, twinpane_p FROM t"))

    before = made(first, list(range(100)), value, code)
    after = made(second, list(range(150, 20, -1)), value)
    assert sorted(before.values()) == list(range(100))
    assert all(after[pid] == number for pid, number in before.items() if pid in after)
    assert sorted(after[pid] for pid in range(100, 151)) == list(range(100, 151))


def test_the_first_persons_are_numbered_by_their_codes(tmp_path: Path) -> None:
    """Fewest codes first: sets of the first dimensions are runs."""
    file = store(tmp_path, person=people(6000), visit=visits([{"person_id": 6001 + i} for i in range(4)]))
    _, index = opened(file)
    sex, smoker = index.code("person", "sex", 1), index.code("person", "smoker", 1)
    assert sex.max() - sex.min() + 1 == len(sex) == 3000
    assert sum(smoker.range_cardinality(n, n + 1) != smoker.range_cardinality(n + 1, n + 2) for n in range(6003)) <= 4
    assert len(index.present("visit")) == 4
    assert len(index.present("person") | index.present("visit")) == 6004


def test_many_later_persons_are_numbered_by_their_codes_too(tmp_path: Path) -> None:
    """A site's first project may have been a small one."""
    people(10).to_parquet(tmp_path / "person.parquet")
    catalogue = CATALOGUE.model_copy(update={"tables": (CATALOGUE.table("person"),)})
    build_store(tmp_path, catalogue)
    people(6000).to_parquet(tmp_path / "person.parquet")
    _, index = opened(build_store(tmp_path, catalogue))
    sex = index.code("person", "sex", 0)
    assert len(sex) == 3000
    assert sex.range_cardinality(10, 10 + 2995) == 2995


def test_a_catalogue_without_a_table_of_persons_works(tmp_path: Path) -> None:
    """Only events: nobody is sorted, everybody is numbered."""
    visit = visits([{"person_id": i % 40, "ward": ["icu", "er", "attic", None][i % 4]} for i in range(200)])
    catalogue = CATALOGUE.model_copy(update={"tables": (CATALOGUE.table("visit"),)})
    visit.to_parquet(tmp_path / "visit.parquet")
    facts, index = opened(build_store(tmp_path, catalogue))
    ward = facts.table("visit").dimension("ward")
    assert (facts.table("visit").persons, facts.table("visit").rows, facts.table("visit").most_rows) == (40, 200, 5)
    assert [ward.most_rows(code) for code in (0, 1, 2, -1, None)] == [5, 5, 0, 5, 5]
    assert [len(index.code("visit", "ward", code)) for code in (0, 1, 2, -1, None)] == [10, 10, 0, 10, 10]


@pytest.mark.slow
def test_facts_and_index_are_what_the_store_says(tmp_path: Path) -> None:
    """Counted again, slowly, from the tables."""
    visit = visits([{"person_id": (i * i) % 97, "ward": ["icu", "er", "day", "x", None][(i // 3) % 5]} for i in range(1500)])
    file = store(tmp_path, visit=visit, person=people(97, race=lambda i: [None, "a", "b", "zz"][i % 4]))
    facts, index = opened(file)
    for table, column in (("visit", "ward"), ("person", "race"), ("person", "sex"), ("drug", "name")):
        for code in (None, *range(-1, 3)):
            where = f"{column} IS NULL" if code is None else f"{column} = {code}"
            each = rows(file, f"SELECT twinpane_p, count(*) FROM {table} WHERE {where} GROUP BY 1")
            assert set(index.code(table, column, code)) == {person for person, _ in each}
            if code is None or code < len(CATALOGUE.table(table).column(column).codes):
                assert facts.table(table).dimension(column).most_rows(code) == max((n for _, n in each), default=0)
    for table in ("person", "visit", "drug"):
        ((n, persons, most),) = rows(file, f"SELECT sum(n), count(*), max(n) FROM (SELECT count(*) AS n FROM {table} GROUP BY twinpane_p)")
        known = facts.table(table)
        assert (known.rows, known.persons, known.most_rows, known.single) == (n, persons, most, most == 1)
    low, high, missing = rows(file, "SELECT min(lactate), max(lactate), count(*) - count(lactate) FROM visit")[0]
    lactate = facts.table("visit").measure("lactate")
    assert (lactate.low, lactate.high, lactate.missing) == (low, high, missing)


def test_facts_in_small_parts_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In batches that end inside a person, and, for engines that give rows in no order, grouped by parts of the persons."""
    file = store(tmp_path, visit=visits([{"person_id": (i * i) % 97} for i in range(1000)]))
    facts, index = opened(file)
    monkeypatch.setattr(survey, "ROWS_AT_ONCE", 50)
    monkeypatch.setattr("twinpane_broker.engine.store.local_runner.BATCH", 7)
    with duckdb.connect(str(file), read_only=True) as connection:
        for in_order in (True, False):
            again = survey.survey(LocalRunner(connection), CATALOGUE, facts.made_of, tmp_path / "again", in_order=in_order)
            assert again == facts
            for code in range(3):
                assert Index(tmp_path / "again").code("visit", "ward", code) == index.code("visit", "ward", code)


def test_a_table_without_rows_is_a_table(tmp_path: Path) -> None:
    """Nobody, no facts, no error."""
    facts, index = opened(store(tmp_path, visit=visits([]).astype({"visit_id": "int64", "person_id": "int64", "lactate": "float64"})))
    known = facts.table("visit")
    assert (known.rows, known.persons, known.most_rows, known.measure("lactate").low) == (0, 0, 0, None)
    assert not index.present("visit")


def test_facts_survive_their_file(tmp_path: Path) -> None:
    """JSON and back, frozen."""
    file = facts_file(store(tmp_path))
    facts = read_facts(file)
    assert Facts.model_validate_json(facts.canonical()) == facts
    with pytest.raises(ValueError, match="frozen"):
        facts.made_of = "x"
    for body in (b"", b"{}", file.read_bytes()[:-30]):
        file.write_bytes(body)
        with pytest.raises(EngineError, match="damaged"):
            read_facts(file)
    with pytest.raises(KeyError):
        facts.table("none")


def test_building_again_does_nothing_until_something_changes(tmp_path: Path) -> None:
    """Data, codes or bounds of the catalogue, or the register."""
    file = store(tmp_path)

    def made_anew(catalogue: Catalogue = CATALOGUE) -> bool:
        before = file.stat().st_ino, index_file(file).stat().st_ino
        build_store(tmp_path, catalogue)
        return (file.stat().st_ino, index_file(file).stat().st_ino) != before

    assert not made_anew()
    people(500).to_parquet(tmp_path / "person.parquet")
    assert made_anew()
    person = CATALOGUE.tables[0]
    sex = person.column("sex").model_copy(update={"codes": codes("M", "F")})
    swapped = tuple(sex if column.name == "sex" else column for column in person.columns)
    other = CATALOGUE.model_copy(update={"tables": (person.model_copy(update={"columns": swapped}), *CATALOGUE.tables[1:])})
    assert store_shape(other) != store_shape(CATALOGUE)
    assert made_anew(other)
    assert not made_anew(other)
    shutil.rmtree(tmp_path / "register")
    assert made_anew(other)


def test_unused_words_about_a_column_make_no_new_store() -> None:
    """What is said of a column but not used makes no new store: labels, shares and the recipe of the twin."""
    person = CATALOGUE.tables[0]
    said = tuple(column.model_copy(update={"label": "x", "missing": 0.5}) for column in person.columns)
    other = CATALOGUE.model_copy(update={"tables": (person.model_copy(update={"columns": said, "label": "y"}), *CATALOGUE.tables[1:])})
    assert store_shape(other) == store_shape(CATALOGUE)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["store", "facts", "index", "mark"])
@pytest.mark.parametrize("harm", ["gone", "cut", "empty"])
def test_a_damaged_part_is_made_again(tmp_path: Path, part: str, harm: str) -> None:
    """Whatever it is and whatever happened to it; the numbers stay."""
    file = store(tmp_path)
    numbers = rows(file, "SELECT twinpane_p, weight FROM person ORDER BY ALL")
    damaged = {"store": file, "facts": facts_file(file), "index": index_file(file), "mark": file.with_suffix(".made-of")}[part]
    body = damaged.read_bytes()
    match harm:
        case "gone":
            damaged.unlink()
        case "cut":
            damaged.write_bytes(body[: len(body) // 2])
        case "empty":
            damaged.write_bytes(b"")
    build_store(tmp_path, CATALOGUE)
    facts, index = opened(file)
    index.verify()
    assert facts.table("person").persons == 1000
    assert rows(file, "SELECT twinpane_p, weight FROM person ORDER BY ALL") == numbers


@pytest.mark.parametrize("which", [Path, index_file])
def test_a_file_with_a_changed_byte_is_made_again(tmp_path: Path, which: Any) -> None:
    """Even in a set or a row that nobody has read yet."""
    file = store(tmp_path)
    body = which(file).read_bytes()
    at = len(body) // 2 if which is Path else 100
    changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    which(file).write_bytes(changed)
    build_store(tmp_path, CATALOGUE)
    assert which(file).read_bytes() != changed
    assert len(rows(file, "SELECT * FROM person")) == 1000


def test_parts_that_were_not_made_together_do_not_open(tmp_path: Path) -> None:
    """The index of another snapshot holds other persons."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = store(tmp_path / "a"), store(tmp_path / "b", person=people(500))
    shutil.copy(index_file(other), index_file(one))
    with pytest.raises(EngineError, match="not made together"):
        opened(one)
    build_store(tmp_path / "a", CATALOGUE)
    assert len(opened(one)[1].present("person")) == 1000


def test_a_register_from_an_older_backup_is_noticed(tmp_path: Path) -> None:
    """Numbers of the store that the register does not know would be given to others: the store is made again."""
    people(10).to_parquet(tmp_path / "person.parquet")
    catalogue = CATALOGUE.model_copy(update={"tables": (CATALOGUE.table("person"),)})
    build_store(tmp_path, catalogue)
    shutil.copytree(tmp_path / "register", tmp_path / "backup")
    people(20).to_parquet(tmp_path / "person.parquet")
    file = build_store(tmp_path, catalogue)
    before = file.stat().st_ino
    shutil.rmtree(tmp_path / "register")
    shutil.copytree(tmp_path / "backup", tmp_path / "register")
    build_store(tmp_path, catalogue)
    assert file.stat().st_ino != before


def test_two_builds_at_once_make_one_store(tmp_path: Path) -> None:
    """Of one target: the second finds it made. Of two targets: one register."""
    snapshot(tmp_path)
    inodes: list[int] = []
    targets = [tmp_path / "a.duckdb", tmp_path / "a.duckdb", tmp_path / "b.duckdb"]
    threads = [Thread(target=lambda to=to: inodes.append(build_store(tmp_path, CATALOGUE, to).stat().st_ino)) for to in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(inodes)) == 2
    sql = "SELECT twinpane_p, sex, race, age, weight FROM person ORDER BY ALL"
    assert rows(targets[0], sql) == rows(targets[2], sql)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["enrol", "write", "_write_mark", "survey", "replace"])
def test_a_build_that_is_killed_is_made_again(tmp_path: Path, step: str) -> None:
    """Killed while numbering, writing, surveying, between two renames, or before the mark: then a whole store, and nothing left over."""
    snapshot(tmp_path)
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from broker_world import CATALOGUE
from twinpane_broker.engine.store import build, staging
calls = 0
def dies(real):
    def step(*arguments, **named):
        global calls
        calls += 1
        # The register's own rename and list come first.
        if calls > (4 if {step!r} == "replace" else 0):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)
    return step
owner = {{"enrol": staging.Staging, "write": staging.Staging, "replace": os}}.get({step!r}, build)
setattr(owner, {step!r}, dies(getattr(owner, {step!r})))
build.build_store(Path({str(tmp_path)!r}), CATALOGUE)
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == -9
    file = build_store(tmp_path, CATALOGUE)
    facts, index = opened(file)
    assert facts.table("person").persons == len(index.present("person")) == 1000
    assert {name.suffix for name in tmp_path.iterdir()} <= {".duckdb", ".json", ".index", ".lock", ".made-of", ".parquet", ""}
    assert {name.name for name in (tmp_path / "register").iterdir()} == {"register.json", "lock", "0000000000.parquet"}


@pytest.mark.parametrize("step", ["enrol", "write"])
def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """No half store, no rows in a scratch folder."""

    def failing(*_: object) -> None:
        raise EngineError("no")

    monkeypatch.setattr(staging.Staging, step, failing)
    with pytest.raises(EngineError):
        store(tmp_path)
    left = {file.name for file in tmp_path.iterdir() if not file.name.endswith(".parquet")}
    assert left == {"register", "broker.lock"}


@pytest.mark.parametrize(
    ("names", "says"),
    [(("Sex", "sex"), "sex"), (("twinpane_p",), "twinpane_p"), (("d", "d__month"), "d__month")],
)
def test_names_that_cannot_stand_side_by_side_are_named(tmp_path: Path, names: tuple[str, ...], says: str) -> None:
    """Databases do not tell capitals apart, and the store has columns of its own."""
    pd.DataFrame({"pid": [1], **{name: [1] for name in names}}).to_parquet(tmp_path / "t.parquet")
    columns = [Column(name=name, type="date", role="date") if name == "d" else
               Column(name=name, type="integer", role="dimension", codes=codes(1)) for name in names]  # fmt: skip
    table = Table(name="t", person_key="pid", columns=(KEY, *columns))
    with pytest.raises(EngineError, match=f"have the name {says} "):
        build_store(tmp_path, Catalogue(site="s", snapshot="v", persons=0, tables=(table,)))


def test_columns_may_have_the_names_that_the_build_uses(tmp_path: Path) -> None:
    """key, number, value, integer, text, i, n: they are the catalogue's."""
    names = ("key", "number", "value", "integer", "text", "i", "n", "s", "word_0", "select")
    frame = pd.DataFrame({"pid": range(50), **{name: [f"{name}{i % 2}" for i in range(50)] for name in names}})
    columns = [Column(name=name, type="varchar", role="dimension", codes=codes(f"{name}0", f"{name}1")) for name in names]
    _, index = opened(one_table(tmp_path, frame, *columns))
    assert all(len(index.code("t", name, code)) == 25 for name in names for code in (0, 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: (folder / "visit.parquet").unlink(), "no file visit.parquet"),
        (lambda folder: people().drop(columns="person_id").to_parquet(folder / "person.parquet"), "no column person_id, its person key"),
        (lambda folder: people().drop(columns="sex").to_parquet(folder / "person.parquet"), "no column sex, a dimension"),
        (lambda folder: people(age=lambda i: f"canary-{i}").to_parquet(folder / "person.parquet"), "person.parquet does not have the type"),
        (lambda folder: people(person_id=lambda i: f"canary-{i}").to_parquet(folder / "person.parquet"), "person.parquet does not have"),
        (lambda folder: (folder / "person.parquet").write_bytes(b"PAR1 nonsense"), "cannot be read"),
    ],
)
def test_a_snapshot_that_does_not_fit_the_catalogue_is_named(tmp_path: Path, change: Any, says: str) -> None:
    """Which file and column, and no value; and nothing half-made stays behind."""
    snapshot(tmp_path)
    change(tmp_path)
    with pytest.raises(EngineError, match=says) as error:
        build_store(tmp_path, CATALOGUE)
    assert "canary" not in str(error.value)
    assert not [file for file in tmp_path.iterdir() if file.suffix in (".duckdb", ".new", ".scratch", ".index")]


def test_what_was_worked_out_is_kept_as_far_as_there_is_room() -> None:
    """The same thing is made once, until newer ones need its room; what is larger than all room is made each time."""
    made: list[str] = []
    cache = Cache[str](10, len)

    def get(thing: str) -> str:
        return cache.get(thing[0], lambda: made.append(thing[0]) or thing)  # type: ignore[func-returns-value]

    assert [get(thing) for thing in ("aaaa", "aaaa", "bbbb", "cccc", "bbbb", "aaaa")] == ["aaaa", "aaaa", "bbbb", "cccc", "bbbb", "aaaa"]
    assert made == ["a", "b", "c", "a"]
    assert [get("d" * 11), get("d" * 11)] == ["d" * 11] * 2
    assert made[4:] == ["d", "d"]
