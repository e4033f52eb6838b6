"""DuckDB, PostgreSQL and Spark give the same answers on the same data: one suite, run on each."""

import io
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from engine_world import CATALOGUE, COHORTS, QUESTIONS, frames, parquet

from harness import postgres
from twinpane_broker.cells.cell_evidence import CellEvidence
from twinpane_broker.check.resolve import check
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.engine import Engine
from twinpane_broker.engine.store import coded_table
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.errors import EngineError
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.question.plan import Plan
from twinpane_broker.question.predicates import Concept, ConceptSet, Not
from twinpane_broker.rules.policy import load_rules
from twinpane_broker.sql import parse_sql

PG_TYPES = {"boolean": "boolean", "integer": "bigint", "double": "double precision", "varchar": "text"}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site's folder with the snapshot in it."""
    folder = tmp_path_factory.mktemp("site")
    parquet(folder / "snapshot", frames())
    return folder


@pytest.fixture(scope="module")
def duck(home: Path) -> Iterator[DuckEngine]:
    """The default engine, which the others are held against; it numbers the persons."""
    engine = DuckEngine(build_store(home / "snapshot", CATALOGUE, home / "store.duckdb", home / "register"))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL server with the hospital in it, and a role that may read what it is given."""
    if postgres.programs() is None:
        pytest.skip(f"needs PostgreSQL: {postgres.MISSING}")
    import psycopg

    with postgres.server() as conninfo:
        with psycopg.connect(conninfo) as connection:
            connection.execute("CREATE SCHEMA cdm")
            connection.execute("CREATE ROLE reader LOGIN")
            connection.execute("CREATE ROLE writer LOGIN")
            for table in CATALOGUE.tables:
                columns = ", ".join(f'"{c.name}" {PG_TYPES.get(c.type, c.type)}' for c in table.columns)
                connection.execute(f"CREATE TABLE cdm.{table.name} ({columns})")
                _copy(connection, table.name, frames()[table.name])
            # No frozen snapshot has rows of persons that nobody knows: a database may.
            connection.execute("INSERT INTO cdm.visit (visit_id, patient, ward) VALUES (99998, 'a stranger', 'er'), (99999, '', 'er')")
        yield conninfo


@pytest.fixture(scope="module", params=["postgresql", "spark"])
def engine(request: pytest.FixtureRequest, home: Path, duck: DuckEngine) -> Iterator[Engine]:
    """Each of the other engines, on a store of the same data with the same register."""
    made = request.getfixturevalue(f"{request.param}_engine")
    yield made
    made.close()


@pytest.fixture(scope="module")
def postgresql_engine(server: str, home: Path) -> Engine:
    """PostgreSQL, asked as the role that may only read."""
    from twinpane_broker.engine.postgresql.postgresql_engine import PostgresEngine
    from twinpane_broker.engine.postgresql.postgresql_store import prepare_postgresql

    store = prepare_postgresql(server, "cdm", CATALOGUE, home / "postgresql", home / "register", "reader")
    assert prepare_postgresql(server, "cdm", CATALOGUE, home / "postgresql", home / "register", "reader") == store
    return PostgresEngine(server.replace("user=tests", "user=reader"), store)


@pytest.fixture(scope="module")
def session(home: Path) -> Iterator[object]:
    """Spark in local mode; its Java ends with the tests."""
    if shutil.which("java") is None:
        pytest.skip("needs Java: Spark runs on it (Debian: apt-get install default-jre-headless)")
    from pyspark import SparkContext

    from twinpane_broker.engine.spark.spark_engine import local_spark

    session = local_spark(home / "spark-work")
    yield session
    session.stop()
    gateway, SparkContext._gateway, SparkContext._jvm = SparkContext._gateway, None, None
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(timeout=60)


@pytest.fixture(scope="module")
def spark_engine(session: object, home: Path) -> Engine:
    """Spark on the store of the snapshot."""
    from twinpane_broker.engine.spark.spark_engine import SparkEngine
    from twinpane_broker.engine.spark.spark_store import prepare_spark

    return SparkEngine(session, prepare_spark(session, home / "snapshot", CATALOGUE, home / "spark", home / "register"))


def test_postgresql_makes_a_store_in_steps_alike(
    server: str, duck: DuckEngine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """A table of more dimensions than one statement joins is the same table."""
    from twinpane_broker.engine.postgresql.postgresql_engine import PostgresEngine
    from twinpane_broker.engine.postgresql.postgresql_store import prepare_postgresql

    monkeypatch.setattr(coded_table, "LISTS_AT_ONCE", 2)
    stepped = CATALOGUE.model_copy(update={"snapshot": "in-steps"})
    store = prepare_postgresql(server, "cdm", stepped, home / "postgresql-steps", home / "register", "reader")
    made = PostgresEngine(server.replace("user=tests", "user=reader"), store)
    for sql in QUESTIONS:
        _agree(made, duck, parse_sql(sql, CATALOGUE))
    made.close()


def test_spark_makes_a_store_in_steps_alike(session: object, duck: DuckEngine, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of more dimensions than one statement joins is the same table."""
    from twinpane_broker.engine.spark.spark_engine import SparkEngine
    from twinpane_broker.engine.spark.spark_store import prepare_spark

    monkeypatch.setattr(coded_table, "LISTS_AT_ONCE", 2)
    stepped = CATALOGUE.model_copy(update={"snapshot": "in-steps"})
    made = SparkEngine(session, prepare_spark(session, home / "snapshot", stepped, home / "spark-steps", home / "register"))
    for sql in QUESTIONS[::3]:
        _agree(made, duck, parse_sql(sql, CATALOGUE))


@pytest.mark.parametrize("sql", QUESTIONS)
def test_an_engine_finds_the_same_persons_and_numbers_as_duckdb(engine: Engine, duck: DuckEngine, sql: str) -> None:
    """An engine finds the same persons and the same numbers as DuckDB."""
    _agree(engine, duck, parse_sql(sql, CATALOGUE))


@pytest.mark.parametrize("sql", [QUESTIONS[4], QUESTIONS[11]])
def test_an_engine_finds_who_weighs_as_much_as_duckdb(engine: Engine, duck: DuckEngine, sql: str) -> None:
    """How much the heaviest persons weigh, and how often as many as the threshold come, is the same everywhere."""
    bound = replace(check(parse_sql(sql, CATALOGUE), CATALOGUE), weighed=10)
    ours, theirs = (each.measure(bound).cells for each in (engine, duck))
    assert ours.keys() == theirs.keys()
    for cell, seen in theirs.items():
        assert (ours[cell].often, ours[cell].weight) == (seen.often, pytest.approx(seen.weight))
        weights = [[spread.weight for spread in each.spreads if spread is not None] for each in (ours[cell], seen)]
        assert weights[0] == pytest.approx(weights[1])
    assert any(seen.weight and seen.often for seen in theirs.values())


@pytest.mark.parametrize(("name", "sql"), list(zip(COHORTS, (QUESTIONS[2], QUESTIONS[4], QUESTIONS[0]), strict=True)))
def test_an_engine_finds_the_same_cohorts_as_duckdb(engine: Engine, duck: DuckEngine, name: str, sql: str) -> None:
    evidence = _agree(engine, duck, parse_sql(sql, CATALOGUE).model_copy(update={"cohort": COHORTS[name]}))
    assert 0 < len(evidence.who) < len(evidence.population)


def test_an_engine_finds_the_same_rare_codes_as_duckdb(engine: Engine, duck: DuckEngine) -> None:
    """Codes that are not approved have the same numbers everywhere, and -1 has none."""
    assert engine.unlisted_codes == duck.unlisted_codes == {99}
    rare = ConceptSet(column="person.region", items=(Concept(code=99), Concept(code=4)))
    for where in (rare, Not(term=rare)):
        evidence = _agree(engine, duck, parse_sql(QUESTIONS[2], CATALOGUE).model_copy(update={"where": where}))
        assert 0 < len(evidence.who) < len(evidence.population)


def _agree(engine: Engine, duck: DuckEngine, plan: Plan) -> Evidence:
    bound = check(plan, CATALOGUE)
    ours, theirs = engine.measure(bound), duck.measure(bound)
    assert (ours.population, ours.who) == (theirs.population, theirs.who)
    assert _inhabited(ours).keys() == _inhabited(theirs).keys()
    for index, cell in _inhabited(theirs).items():
        _same(ours.cell(index), cell)
    return ours


def test_the_answers_are_the_same_to_the_byte(engine: Engine, duck: DuckEngine) -> None:
    from twinpane_broker.broker import Broker
    from twinpane_broker.memory import InProcessMemory

    rules = load_rules({"preset": "10-5", "threshold": 10})
    # One secret: it decides how near a set must be to an earlier one to bear its number.
    one, other = (Broker(CATALOGUE, rules, each, InProcessMemory(), secret=b"s" * 32) for each in (engine, duck))
    # The evidence of all is compared above; from there on no engine has a part in an answer.
    for sql in QUESTIONS[::4]:
        plan = parse_sql(sql, CATALOGUE)
        assert one.run(plan) == other.run(plan), sql


def test_a_store_of_another_snapshot_is_refused(engine: Engine, home: Path) -> None:
    """Facts, index and tables are made together or not used."""
    kind = "postgresql" if hasattr(engine, "_conninfo") else "spark"
    for file in (home / kind).glob("*.index"):
        kept = file.read_bytes()
        file.write_bytes(kept[:-20])
        with pytest.raises(EngineError, match=r"damaged|together"):
            _reopened(engine)
        file.write_bytes(kept)


def test_postgresql_is_asked_only_as_a_role_that_can_do_no_more(server: str, postgresql_engine: Engine, home: Path) -> None:
    """PostgreSQL is asked only as a role that can do nothing else."""
    import psycopg

    from twinpane_broker.engine.postgresql.postgresql_engine import PostgresEngine
    from twinpane_broker.engine.postgresql.postgresql_store import prepare_postgresql

    store = prepare_postgresql(server, "cdm", CATALOGUE, home / "postgresql", home / "register", "reader")
    with pytest.raises(EngineError, match="tests may do more"):
        PostgresEngine(server, store)
    with psycopg.connect(server) as connection:
        connection.execute(f'GRANT USAGE ON SCHEMA "{store.schema}" TO writer')
        connection.execute(f'GRANT SELECT, DELETE ON "{store.schema}".twinpane_store TO writer')
    with pytest.raises(EngineError, match="what it must not"):
        PostgresEngine(server.replace("user=tests", "user=writer"), store)
    # What the open door let through was undone.
    PostgresEngine(server.replace("user=tests", "user=reader"), store).close()


def test_a_missing_table_is_told_to_the_steward(server: str, home: Path) -> None:
    """The steward is told of a missing table, and no half-made store remains."""
    import psycopg

    from twinpane_broker.engine.postgresql.postgresql_store import prepare_postgresql

    with psycopg.connect(server) as connection:
        before = connection.execute("SELECT count(*) FROM pg_namespace").fetchone()
    with pytest.raises(EngineError, match=r"nowhere.person.*does not exist"):
        prepare_postgresql(server, "nowhere", CATALOGUE, home / "elsewhere", home / "register", "reader")
    with psycopg.connect(server) as connection:
        assert connection.execute("SELECT count(*) FROM pg_namespace").fetchone() == before


def _copy(connection: object, name: str, frame: pd.DataFrame) -> None:
    text = io.StringIO()
    frame.to_csv(text, index=False, header=False)
    with connection.cursor().copy(f"COPY cdm.{name} FROM STDIN (FORMAT csv)") as copy:
        copy.write(text.getvalue())


def _reopened(engine: Engine) -> None:
    if hasattr(engine, "_conninfo"):
        from twinpane_broker.engine.postgresql.postgresql_engine import PostgresEngine

        PostgresEngine(engine._conninfo, engine.store).close()
    else:
        from twinpane_broker.engine.spark.spark_engine import SparkEngine

        SparkEngine(engine.session, engine.store).close()


def _inhabited(evidence: Evidence) -> dict[tuple[int, ...], CellEvidence]:
    return {index: cell for index, cell in evidence.cells.items() if cell.who}


def _same(ours: CellEvidence, theirs: CellEvidence) -> None:
    """Sets and whole numbers exactly, sums of doubles but for their last bits."""
    assert (ours.who, ours.rows, ours.largest, ours.second) == (theirs.who, theirs.rows, theirs.largest, theirs.second)
    for one, other in zip((*ours.spreads, *ours.pairs), (*theirs.spreads, *theirs.pairs), strict=True):
        assert (one is None) == (other is None)
        for name, value in vars(other).items() if other is not None else ():
            mine = getattr(one, name)
            if isinstance(value, float):
                assert math.isclose(mine, value, rel_tol=1e-9, abs_tol=1e-9), name
            else:
                assert mine == value, name
