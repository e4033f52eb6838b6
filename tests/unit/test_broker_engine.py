"""DuckDB measures the evidence exactly, is shut to everything else, and its words never leave."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from broker_world import CATALOGUE, bound_to, codes, drugs, people, snapshot, visits

from twinpane_broker.engine.duckdb import lockdown
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.sql.dialect import Dialect
from twinpane_broker.engine.sql.statement import Question, cells_sql, exact_sql, persons_sql
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.errors import EngineError, Refused
from twinpane_broker.evidence.evidence import Evidence


def engine_on(folder: Path, **tables: pd.DataFrame) -> DuckEngine:
    return DuckEngine(build_store(snapshot(folder, **tables), CATALOGUE))


def measure(folder: Path, sql: str, **tables: pd.DataFrame) -> Evidence:
    return engine_on(folder, **tables).measure(bound_to(sql))


@pytest.fixture(scope="module")
def open_engine(tmp_path_factory: pytest.TempPathFactory) -> DuckEngine:
    return engine_on(tmp_path_factory.mktemp("snapshot"))


def test_twelve_rows_of_one_person_are_one_person(tmp_path: Path) -> None:
    """Rows are not persons, and the evidence knows whose they are."""
    rows = [{"person_id": 7, "ward": "icu"}] * 12 + [{"person_id": 8, "ward": "icu"}] * 2
    cell = measure(tmp_path, "select ward, count(*) from visit group by ward", visit=visits(rows)).cell((0,))
    assert (cell.persons, cell.rows, cell.largest, cell.second) == (2, 14, 12, 2)


def test_a_join_never_brings_rows_of_two_persons_together(tmp_path: Path) -> None:
    """Even where data is dirty: a drug of person 1 that names the visit of person 2 joins nothing."""
    seen = measure(
        tmp_path,
        "select count(*) from visit v join drug d on v.visit_id = d.visit_id",
        visit=visits([{"person_id": 2}, {"person_id": 3}]),
        drug=drugs([{"patient": 1, "visit_id": 0}, {"patient": 3, "visit_id": 1}]),
    )
    assert (seen.cell(()).persons, seen.cell(()).rows) == (1, 1)


def test_a_person_key_joins_person_keys_alone() -> None:
    """Also where the catalogue has another key refer to it: rows of two persons never meet."""
    person, visit, drug = CATALOGUE.tables
    keys = tuple(c.model_copy(update={"references": "person.person_id"}) if c.name == "visit_id" else c for c in drug.columns)
    catalogue = CATALOGUE.model_copy(update={"tables": (person, visit, drug.model_copy(update={"columns": keys}))})
    with pytest.raises(Refused, match=r"ON person\.person_id = drug\.patient"):
        bound_to("select count(*) from person p join drug d on p.person_id = d.visit_id", catalogue)


def test_values_are_clipped_to_the_catalogues_bounds(tmp_path: Path) -> None:
    """9999 counts as 100. NaN and NULL do not count."""
    person = people(4, age=lambda i: [9999, -5, 50, None][i], weight=lambda i: [float("nan"), float("inf"), 50.0, None][i])
    seen = measure(tmp_path, "select avg(age), avg(weight) from person", person=person)
    age, weight = seen.cell(()).spreads
    assert (age.persons, age.total, age.low, age.high) == (3, 150.0, 0.0, 100.0)
    assert (weight.persons, weight.total) == (2, 250.0)


def test_persons_are_counted_over_cells_and_before_the_condition(tmp_path: Path) -> None:
    """Someone in two wards is one person of the question."""
    rows = [{"person_id": i, "ward": ward} for i in range(20) for ward in ("icu", "er")]
    rows += [{"person_id": i, "ward": "day"} for i in range(30)]
    seen = measure(tmp_path, "select ward, count(*) from visit where ward in ('icu', 'er') group by ward", visit=visits(rows))
    assert (seen.persons, len(seen.population)) == (20, 30)
    assert seen.who < seen.population
    assert [seen.cell((i,)).persons for i in range(2)] == [20, 20]


def test_what_is_in_no_shown_category_is_outside(tmp_path: Path) -> None:
    """An unapproved code and a missing one; where the catalogue shows missing, it has its own cell."""
    person = people(10, sex=lambda i: ["F", "M", "X", None, "F"][i % 5], race=lambda i: ["a", None][i % 2])
    seen = measure(tmp_path, "select sex, race, count(*) from person group by sex, race", person=person)
    assert sum(cell.persons for index, cell in seen.cells.items() if index[0] == 2) == 4
    assert sum(cell.persons for index, cell in seen.cells.items() if index[1] == 3) == 5


def test_someone_outside_in_two_ways_is_outside_once(tmp_path: Path) -> None:
    """Rows with an unapproved code and with none, of the same ten persons."""
    rows = [{"person_id": i, "ward": ward} for i in range(10) for ward in ("icu", "attic", None)]
    seen = measure(tmp_path, "select ward, count(*) from visit group by ward", visit=visits(rows))
    assert (seen.cell((0,)).persons, seen.cell((3,)).persons, seen.cell((3,)).rows) == (10, 10, 20)


def test_rows_without_a_person_do_not_exist(tmp_path: Path) -> None:
    """They could not be protected."""
    visit = visits([{"person_id": i} for i in range(3)])
    visit["person_id"] = pd.array([0, None, 2], dtype="Int64")
    assert measure(tmp_path, "select count(*) from visit", visit=visit).cell(()).rows == 2


def test_no_code_of_a_plan_is_in_the_statement() -> None:
    """Codes are numbers of the catalogue's, edges are bound, identifiers quoted."""
    bound = bound_to("select sex, avg(weight) from person where race = 'a' and age >= 40 and weight < 100 group by sex")
    question = Question.of(bound, Dialect())
    for sql, parameters in (cells_sql(question), exact_sql(question, [0]), persons_sql(question)):
        assert "'" not in sql
        assert sql.count("?") == len(parameters)
        assert parameters == [40.0, 100.0]
        assert 'FROM "person" t0' in sql


def test_codes_and_columns_with_quotes_are_data(tmp_path: Path) -> None:
    """A code that looks like SQL is compared, not run."""
    evil = "'); DROP TABLE person; --"
    table = CATALOGUE.tables[0]
    sex = table.column("sex").model_copy(update={"codes": codes("F", evil)})
    catalogue = CATALOGUE.model_copy(update={"tables": (table.model_copy(update={"columns": (table.columns[0], sex)}),)})
    engine = DuckEngine(build_store(snapshot(tmp_path, person=people(sex=lambda i: evil if i % 4 else "F")), catalogue))
    quoted = evil.replace("'", "''")
    seen = engine.measure(bound_to(f"select sex, count(*) from person where sex in ('{quoted}', 'F') group by sex", catalogue))
    assert [seen.cell((i,)).persons for i in range(2)] == [250, 750]
    assert engine.measure(bound_to("select sex, count(*) from person group by sex", catalogue)).persons == 1000


OPEN_DOORS = [
    *lockdown.DOORS,
    "SELECT * FROM read_parquet('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "COPY person TO '/tmp/rows.csv'",
    "EXPORT DATABASE '/tmp/rows'",
    "ATTACH '/tmp/other.db'",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET memory_limit = '100GB'",
    "RESET memory_limit",
    "PRAGMA enable_profiling",
    "SET temp_directory = '/tmp'",
    "SET python_enable_replacements = true",
    "INSERT INTO person (person_id) VALUES (1)",
    "DROP TABLE person",
    "CREATE MACRO m() AS 1",
    "SELECT * FROM rows_of_the_caller",
]


@pytest.mark.parametrize("door", OPEN_DOORS)
def test_the_engine_is_shut(open_engine: DuckEngine, door: str) -> None:
    """Files, settings, extensions, other databases, writes and the caller's own variables: even for SQL that nobody can send."""
    rows_of_the_caller = pd.DataFrame({"secret": [1]})  # noqa: F841
    with pytest.raises(duckdb.Error):
        open_engine._root.cursor().execute(door).fetchall()


@pytest.mark.parametrize("name", lockdown.CLOSED)
def test_every_setting_reads_shut(open_engine: DuckEngine, name: str) -> None:
    """And a second opener of the file in this process changes nothing."""
    value = open_engine._root.execute("select value from duckdb_settings() where name = $1", [name]).fetchone()[0]
    assert str(value or "").lower() == lockdown.CLOSED[name]


def test_a_second_engine_on_the_same_file_is_as_shut(tmp_path: Path) -> None:
    """The process shares one engine per file."""
    file = build_store(snapshot(tmp_path), CATALOGUE)
    first, second = DuckEngine(file), DuckEngine(file)
    bound = bound_to("select count(*) from person")
    assert first.measure(bound) == second.measure(bound)
    with pytest.raises(duckdb.Error):
        second._root.execute("SET threads = 1")


def test_a_refused_setting_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail closed, and name it."""
    monkeypatch.setattr(lockdown, "SETTINGS", (("no_such_setting", "true"), *lockdown.SETTINGS))
    with pytest.raises(EngineError, match="refuses the setting no_such_setting"):
        engine_on(tmp_path)


def test_a_setting_that_does_not_hold_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the engine said to the change."""
    kept = tuple(setting for setting in lockdown.SETTINGS if setting[0] != "enable_external_access")
    monkeypatch.setattr(lockdown, "SETTINGS", kept)
    with pytest.raises(EngineError, match="does not start"):
        engine_on(tmp_path)


def test_errors_of_the_engine_stay_inside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What DuckDB says can carry values of rows: the site's log has it, the error has not, nor its cause."""
    engine = engine_on(tmp_path)

    class Broken:
        def cursor(self) -> None:
            raise duckdb.ConversionException("Could not convert string 'canary-7' to INT32")

    engine._root = Broken()
    with caplog.at_level(logging.ERROR), pytest.raises(EngineError) as error:
        engine.measure(bound_to("select count(*) from person"))
    assert str(error.value) == EngineError.PUBLIC
    assert error.value.__suppress_context__
    assert "canary-7" in caplog.text


@pytest.mark.parametrize("sql", ["select ward, count(*) from visit group by ward", "select count(*) from visit where ward = 'icu'"])
def test_an_index_of_other_data_answers_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture, sql: str) -> None:
    """Cells are found in two ways, and these must meet: a broken file gives no wrong answer."""
    (tmp_path / "other").mkdir()
    ward = [{"person_id": i, "ward": "icu"} for i in range(50)]
    engine = engine_on(tmp_path, visit=visits([{"person_id": i % 40} for i in range(50)]))
    other = engine_on(tmp_path / "other", visit=visits(ward))
    bound = bound_to(sql)
    engine._store = replace(engine._store, index=other._store.index)
    with caplog.at_level(logging.ERROR), pytest.raises(EngineError):
        engine.measure(bound)
    assert bound.plan.hash in caplog.text


def test_many_threads_ask_one_engine(open_engine: DuckEngine) -> None:
    """Each question has a connection of its own, and what is kept is shared."""
    questions = [
        "select sex, count(*) from person where age >= 40 group by sex",
        "select ward, avg(lactate), quantile_cont(lactate, 0.5) from visit group by ward",
        "select sex, ward, sum(lactate) from visit v join person p on v.person_id = p.person_id where age < 60 group by sex, ward",
    ] * 8
    bound = [bound_to(sql) for sql in questions]
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(open_engine.measure, bound))
    assert seen == [open_engine.measure(question) for question in bound]


def test_a_question_ends_at_the_time_limit(tmp_path: Path) -> None:
    """Long ones are unavailable, not endless."""
    visit = pd.DataFrame({"visit_id": 1, "person_id": 1, "day": pd.Timestamp("2020-01-01"), "ward": "icu", "lactate": range(60_000)})
    drug = pd.DataFrame({"patient": 1, "visit_id": 1, "name": ["xy"[i % 2] for i in range(60_000)], "dose": range(60_000)})
    engine = DuckEngine(build_store(snapshot(tmp_path, visit=visit, drug=drug), CATALOGUE), seconds=0.2, threads=1)
    began = time.monotonic()
    with pytest.raises(EngineError):
        engine.measure(bound_to("select ward, name, avg(dose) from visit v join drug d on v.person_id = d.patient group by 1, 2"))
    assert time.monotonic() - began < 10
    assert engine.measure(bound_to("select count(*) from person")).persons == 1000


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: (folder / "visit.parquet").unlink(), "no file visit.parquet"),
        (lambda folder: people().drop(columns="person_id").to_parquet(folder / "person.parquet"), "no column person_id, its person key"),
        (lambda folder: people().drop(columns="sex").to_parquet(folder / "person.parquet"), "no column sex"),
        (lambda folder: people(age=lambda i: f"canary-{i}").to_parquet(folder / "person.parquet"), "type"),
        (lambda folder: (folder / "person.parquet").write_bytes(b"PAR1 nonsense"), "cannot be read"),
    ],
)
def test_a_snapshot_that_does_not_fit_the_catalogue_is_named(tmp_path: Path, change: object, says: str) -> None:
    """Which file and column, and no value; nothing half-made stays behind."""
    snapshot(tmp_path)
    change(tmp_path)
    with pytest.raises(EngineError, match=says) as error:
        build_store(tmp_path, CATALOGUE)
    assert "canary" not in str(error.value)
    assert not list(tmp_path.glob("*.duckdb")) + list(tmp_path.glob("*.new"))


def test_building_again_does_nothing_until_the_data_changes(tmp_path: Path) -> None:
    """The file is made once per snapshot."""
    file = build_store(snapshot(tmp_path), CATALOGUE)
    first = file.stat().st_ino
    assert build_store(tmp_path, CATALOGUE).stat().st_ino == first
    people(500).to_parquet(tmp_path / "person.parquet")
    assert build_store(tmp_path, CATALOGUE).stat().st_ino != first


def test_a_long_stream_ends_at_the_time_limit(tmp_path: Path) -> None:
    """Also where the rows come in pieces."""
    visit = pd.DataFrame({"visit_id": 1, "person_id": 1, "day": pd.Timestamp("2020-01-01"), "ward": "icu", "lactate": range(60_000)})
    drug = pd.DataFrame({"patient": 1, "visit_id": 1, "name": ["xy"[i % 2] for i in range(60_000)], "dose": range(60_000)})
    engine = DuckEngine(build_store(snapshot(tmp_path, visit=visit, drug=drug), CATALOGUE), seconds=0.2, threads=1)
    question = Question.of(bound_to("select count(*) from visit v join drug d on v.person_id = d.patient"), Dialect())
    began = time.monotonic()
    with engine._asking() as runner, pytest.raises(OSError, match="INTERRUPT"):
        for _ in runner.batches(*persons_sql(question)):
            pass
    assert time.monotonic() - began < 10


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    """Build comes first."""
    with pytest.raises(EngineError, match=r"build_store\(\)"):
        DuckEngine(tmp_path / "none.duckdb")
    (tmp_path / "x.duckdb").write_text("not a database" * 1000)
    with pytest.raises(EngineError, match="cannot be opened"):
        DuckEngine(tmp_path / "x.duckdb")
