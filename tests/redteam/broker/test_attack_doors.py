"""Attacks through the engine's side doors: probes (7.21), sketches (7.22), statistics (7.23), text that is run later (7.24), models."""

from pathlib import Path

import duckdb
import pytest

from reference.hospital import Hospital
from twinpane_broker.aggregates.registry import MeasureKind
from twinpane_broker.aggregates.value import Value
from twinpane_broker.question.plan import MAX_MEASURES, MAX_ROWS, Plan
from twinpane_broker.release.release import Release, Row
from unit.broker_world import CATALOGUE, people

from .ward import hospital, refused

CANARY = "canary-7"
MARKED = {"person": people(weight=lambda i: 199.25 if i == 7 else 50.0 + i % 40)}

SIDE_DOORS = {
    # 7.21 probes of hidden values
    "having": "select sex from person group by sex having max(note) >= 'canary-9'",
    "order by a hidden value": "select note from person order by weight desc limit 1",
    "a window": "select first_value(note) over (order by weight desc) from person limit 1",
    "row numbers": "select note from (select note, row_number() over (order by weight desc) r from person) where r = 1",
    "rowid": "select note from person where rowid = 7",
    "a sample": "select note from person using sample 1",
    "a subquery": "select count(*) from person where weight > (select max(weight) - 1 from person)",
    "in a subquery": "select count(*) from person where person_id in (select person_id from person where weight > 199)",
    "set difference": "select note from person except select note from person where weight < 199",
    "like": "select count(*) from person where note like 'canary-7'",
    "distinct on": "select distinct on (sex) note from person order by weight desc",
    "a lateral join": "select n.note from person p, lateral (select note from person q where q.person_id = p.person_id) n",
    "columns(*)": "select max(columns(*)) from person",
    "everything": "select * from person",
    # 7.22 sketches and approximations
    "approximate count": "select approx_count_distinct(note) from person",
    "approximate top": "select approx_top_k(note, 3) from person",
    "approximate quantile": "select approx_quantile(weight, 0.9999) from person",
    # 7.23 statistics
    "summarize": "summarize person",
    "summary()": "select * from summary((select note from person))",
    "stats()": "select stats(weight) from person limit 1",
    "storage": "select * from pragma_storage_info('person')",
    "catalog": "select column_name from information_schema.columns",
    "duckdb_columns": "select column_name from duckdb_columns()",
    "settings": "select * from duckdb_settings()",
    "explain analyze": "explain analyze select count(*) from person where note = 'canary-7'",
    "describe": "describe person",
    "show": "show tables",
    # 7.24 text that is run later
    "query()": "select * from query('select note from person where weight > 199')",
    "query_table()": "select * from query_table('person')",
    "serialized": "select * from json_execute_serialized_sql(json_serialize_sql('select note from person'))",
    "a prepared statement": "prepare p as select note from person; execute p",
    "a macro": "create macro m() as table select note from person; from m()",
    "a variable": "set variable v = (select max(note) from person); select getvariable('v')",
    "a temporary table": "create temp table t as select note from person; from t",
    "a file": "copy (select note from person) to '/tmp/out.csv'",
    "another file": "select * from read_text('/etc/hostname')",
    "call": "call pragma_version()",
    "two statements": "select count(*) from person; select note from person",
    "a comment": "select count(*) from person where 1 = 1 -- '\n union all select note from person",
}


@pytest.mark.parametrize("name", SIDE_DOORS)
def test_a_side_door_of_the_engine_is_not_part_of_the_grammar(tmp_path: Path, name: str) -> None:
    """Plain DuckDB does each of them. The broker gives a reason that names the construct and is the same whatever the data are."""
    sql = SIDE_DOORS[name]
    with duckdb.connect() as plain:
        plain.register("frame", MARKED["person"])
        plain.execute("create table person as select * from frame")
        plain.execute(sql.replace("/tmp/out.csv", str(tmp_path / "out.csv")))
    reason = refused(sql)
    assert reason
    assert CANARY not in reason.replace(sql, "")


def test_the_plan_has_no_word_for_them_either() -> None:
    """A plan that is sent instead of SQL has a closed type: only listed kinds, and names that are only names."""
    assert set(MeasureKind) == {"count", "persons", "share", "mean", "sum", "sd", "var", "quantile", "correlation"}
    base = {"table": "person", "measures": [{"kind": "count"}]}
    Plan.model_validate(base)
    for wrong in (
        {"table": "query('select 1')"},
        {"table": "person; drop table person"},
        {"table": 'person" union select'},
        {"measures": [{"kind": "max", "column": "person.weight"}]},
        {"measures": [{"kind": "mean", "column": "person.weight * 2"}]},
        {"measures": [{"kind": "mean", "column": "stats(person.weight)"}]},
        {"measures": [{"kind": "quantile", "column": "person.weight", "percent": 99}]},
        {"measures": [{"kind": "count", "label": 'n"; --'}]},
        {"group_by": [{"column": "person.weight", "width": -1}]},
        {"group_by": [{"column": "person.weight", "width": float("nan")}]},
        {"where": {"op": "like", "column": "person.note", "pattern": "canary%"}},
        {"where": {"op": "in", "column": "person.person_id = 7 or person.sex", "codes": ["F"]}},
        {"having": "max(weight) > 199"},
        {"sql": "select 1"},
        {"limit": 0},
    ):
        with pytest.raises(ValueError, match=r"."):
            Plan.model_validate({**base, **wrong})


def test_the_store_itself_holds_no_text_and_no_identity(tmp_path: Path) -> None:
    """Whoever got SQL through to the engine all the same would find codes, clipped numbers and register numbers, but no notes or record
    numbers."""
    site = hospital(tmp_path, person=people(weight=lambda i: 1e6 if i == 7 else 50.0, person_id=lambda i: 770_000 + i))
    site.close()
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.suffix != ".parquet":
            content = file.read_bytes()
            assert b"canary-7" not in content, file
            assert b"mrn-7" not in content, file
    with duckdb.connect(str(tmp_path / "broker.duckdb"), read_only=True) as raw:
        columns = raw.execute("select table_name, column_name from duckdb_columns()").fetchall()
        assert not {"note", "mrn"} & {name for table, name in columns if table in ("person", "visit", "drug")}
        assert ("person", "person_id") not in columns
        assert raw.execute("select max(weight) from person").fetchone()[0] == 200.0
        assert raw.execute("select max(twinpane_p) from person").fetchone()[0] < 770_000


DOORS = (
    "select count(*) from read_csv('/etc/hostname')",
    "select content from read_text('/etc/hostname')",
    "select count(*) from glob('/*')",
    "copy (select 1) to '/tmp/out.csv'",
    "copy person to '/tmp/out.parquet'",
    "export database '/tmp/out'",
    "attach ':memory:' as other",
    "attach '/tmp/other.duckdb' as other",
    "install httpfs",
    "load httpfs",
    "set threads = 1",
    "set enable_external_access = true",
    "reset lock_configuration",
    "pragma enable_profiling",
    "create table door (i integer)",
    "insert into person select * from person",
    "drop table person",
    "select * from frame",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    return hospital(tmp_path_factory.mktemp("site"))


@pytest.mark.parametrize("sql", DOORS)
def test_the_engine_behind_it_is_shut_too(site: Hospital, sql: str) -> None:
    """The broker's own connection, past grammar and plan, gives no file, no setting, no change and no variable of the program."""
    frame = people(20)
    with duckdb.connect() as plain:
        plain.execute("create table person as select * from frame")
    connection = raw_connection(site.engine)
    assert connection.execute("select count(*) from person").fetchone() == (1000,)
    with pytest.raises(duckdb.Error):
        connection.execute(sql).fetchall()
    assert len(frame) == 20


def raw_connection(engine: object) -> duckdb.DuckDBPyConnection:
    """A connection of the engine's, wherever it keeps it."""
    seen, pending = set(), [engine]
    while pending:
        thing = pending.pop()
        if isinstance(thing, duckdb.DuckDBPyConnection):
            return thing.cursor()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        names = [*getattr(thing, "__dict__", {}), *(slot for kind in type(thing).__mro__ for slot in getattr(kind, "__slots__", ()))]
        pending += [getattr(thing, name) for name in names if hasattr(thing, name)]
    raise AssertionError("the engine has no connection")


# ---------------------------------------------------------------- 7.9, 7.27, 7.29 procedures that are not there


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("select regr_slope(weight, age), regr_r2(weight, age) from person", id="regression"),
        pytest.param("select regr_slope(weight, case when person_id = 7 then 1 else 0 end) from person", id="regression on a one-hot"),
        pytest.param("select covar_pop(weight, age) from person", id="covariance"),
        pytest.param("select corr(weight, v) from person join (values (7, 1)) k(person_id, v) using (person_id)", id="a vector"),
        pytest.param("select corr(weight, random()) from person", id="a random vector"),
        pytest.param("select corr(weight, weight) from person", id="a column with itself"),
        pytest.param("select logistic_regression(smoker, age) from person", id="a model"),
        pytest.param("select wavg(weight, age) from person", id="weights"),
    ],
)
def test_no_model_is_fitted_and_no_vector_comes_in(sql: str) -> None:
    """GLM traps (7.27), known vectors (7.9) and models that carry rows (7.29) need procedures; the broker has none.

    Models are trained inside and leave through people alone (the egress review), never as a release.
    """
    assert refused(sql)


def test_a_correlation_of_few_is_withheld(tmp_path: Path) -> None:
    """Huth et al. solve for a column by covariances. The broker gives two digits, for catalogue columns and fifty persons or more."""
    site = hospital(tmp_path, person=people(60, sex=lambda i: "F" if i < 40 else "M"))
    assert len(site.naive("select sex, corr(weight, age) from person group by sex")) == 2
    by_sex = site.cells("select sex, corr(weight, age) from person group by sex")
    assert all(value is None for (value,) in by_sex.values())
    whole = site.one("select corr(weight, age) from person")
    assert whole is None or whole == float(f"{whole:.1e}")


def test_releases_have_no_form_that_could_carry_a_model() -> None:
    """Rows of categories, numbers and marks: no bytes, no free text, at most ten thousand rows of twelve numbers of few digits."""
    assert (MAX_MEASURES, MAX_ROWS) == (12, 10_000)
    assert set(Value.model_fields) <= {"value", "n", "of", "about", "clipped", "end", "decimals", "within"}
    assert set(Row.model_fields) == {"key", "persons", "values", "about"}
    assert not {"payload", "data", "model", "blob", "text"} & set(Release.model_fields)
    assert CATALOGUE.table("person") is not None
