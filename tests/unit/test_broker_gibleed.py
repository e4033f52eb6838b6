"""On GiBleed (OMOP, 2,694 persons) the broker's counts are plain DuckDB's after the rule."""

from typing import Any

import duckdb
import pytest
from broker_world import KEY, SECRET, TEN_FIVE

from harness.gibleed import GIBLEED as DATA
from twinpane_broker.broker import Broker
from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Table
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.memory import InProcessMemory
from twinpane_broker.release.release import Release, sign
from twinpane_broker.sql import parse_sql


def plain(sql: str) -> list[tuple[Any, ...]]:
    """What DuckDB itself says."""
    with duckdb.connect() as connection:
        for name in ("person", "condition_occurrence"):
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{DATA}/{name}.parquet')")
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Broker:
    sexes = plain("SELECT gender_source_value, count(*) FROM person GROUP BY 1 ORDER BY 1")
    conditions = plain(
        "SELECT condition_concept_id, count(*) FROM condition_occurrence GROUP BY 1 HAVING count(DISTINCT person_id) >= 10 ORDER BY 1"
    )
    rows = sum(n for _, n in conditions)
    person = Table(
        name="person",
        person_key="person_id",
        columns=(
            Column(name="person_id", type="integer", role="key"),
            Column(name="gender_source_value", type="varchar", role="dimension", codes=[Code(value=s, share=0.5) for s, _ in sexes]),
            Column(name="year_of_birth", type="integer", role="measure", bounds=(1900, 2000)),
        ),
    )
    condition = Table(
        name="condition_occurrence",
        person_key="person_id",
        columns=(
            Column(name="person_id", type="integer", role="key", references="person.person_id"),
            Column(
                name="condition_concept_id",
                type="integer",
                role="dimension",
                codes=[Code(value=c, share=round(n / rows, 2)) for c, n in conditions],
            ),
            Column(name="condition_start_date", type="date", role="date", days=("1950-01-01", "2018-01-01")),
        ),
    )
    catalogue = Catalogue(site="gibleed", snapshot="v1", persons=2690, tables=(person, condition))
    folder = tmp_path_factory.mktemp("gibleed")
    engine = DuckEngine(build_store(DATA, catalogue, folder / "broker.duckdb"))
    return Broker(catalogue, TEN_FIVE, engine, InProcessMemory(), signer=lambda release: sign(release, KEY), secret=SECRET)


def test_counts_by_sex(broker: Broker) -> None:
    """Both sexes, rounded to 5."""
    release = broker.run(parse_sql("select gender_source_value, count(*) n from person group by 1"))
    assert isinstance(release, Release)
    expected = dict(plain("SELECT gender_source_value, count(*) FROM person GROUP BY 1"))
    assert {row.key[0].value: row.persons for row in release.rows} == pytest.approx(expected, abs=4)


def test_counts_by_condition(broker: Broker) -> None:
    """Persons and rows of every approved condition; those that nearly everybody has are suppressed."""
    sql = "select condition_concept_id c, count(*) n, count(distinct person_id) p from condition_occurrence group by 1"
    release = broker.run(parse_sql(sql))
    assert isinstance(release, Release)
    expected = {c: (n, p) for c, n, p in plain(sql.replace(" c,", ",", 1))}
    everyone = plain("SELECT count(DISTINCT person_id) FROM condition_occurrence")[0][0]
    told = next(rule.numbers["base"] for rule in release.rules if rule.code == "row_rounding")
    shown = 0
    for row in release.rows:
        if not row.key[0].value:
            continue
        rows, persons = expected[row.key[0].value]
        if row.persons is not None:
            assert row.persons == row.values[1].value == pytest.approx(persons, abs=4)
            base = max(told, TEN_FIVE.most_about * -(-rows // persons)) if row.about else told
            assert row.values[0].value is None or abs(row.values[0].value - rows) < base
            shown += 1
        else:
            # All but few, or with another condition all but few.
            assert everyone - persons < 100
    assert shown >= 0.9 * len(broker.catalogue.table("condition_occurrence").column("condition_concept_id").codes)


def test_conditions_by_sex_over_the_join(broker: Broker) -> None:
    """No released cell has fewer than ten persons, and every released one is the rounded truth.

    One that is marked has the number of a group told before: of everybody with a condition, by which few differ.
    """
    sql = (
        "select gender_source_value s, condition_concept_id c, count(distinct p.person_id) n from condition_occurrence o "
        "join person p on p.person_id = o.person_id group by 1, 2"
    )
    release = broker.run(parse_sql(sql, broker.catalogue))
    assert isinstance(release, Release)
    of_all = dict(plain("SELECT condition_concept_id, count(DISTINCT person_id) FROM condition_occurrence GROUP BY 1"))
    truth = {(s, c): n for s, c, n in plain(sql)}
    released = {(row.key[0].value, row.key[1].value): row for row in release.rows if row.persons is not None}
    assert len(released) > 50
    for key, row in released.items():
        if key[1] is not None and not row.about:  # few persons near a released set bear its number
            assert truth[key] >= 10
            near = {n for n in of_all.values() if abs(n - truth[key]) <= TEN_FIVE.most_about}
            assert any(abs(row.persons - n) < 5 for n in (near if row.about else {truth[key]}))


def test_a_mean_agrees(broker: Broker) -> None:
    """Year of birth at three digits of the span of its bounds."""
    release = broker.run(parse_sql("select avg(year_of_birth) from person"))
    assert release.rows[0].values[0].value == round(plain("SELECT avg(year_of_birth) FROM person")[0][0], 1)
