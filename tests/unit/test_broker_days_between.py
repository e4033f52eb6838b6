"""Days between two dates: bounds far enough out that ordinary spans are told as they are, and labels that name both dates."""

import duckdb
import pytest
from broker_world import SECRET

from harness.gibleed import GIBLEED
from twinpane_broker.broker import Broker
from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.check.resolve import check
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.memory import InProcessMemory
from twinpane_broker.release.release import Release
from twinpane_broker.rules.policy import Rules
from twinpane_broker.sql import parse_sql
from twinpane_site.draft import draft_catalogue

RULES = Rules(threshold=10)
DAYS = "datediff('day', drug_era_start_date, drug_era_end_date)"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return draft_catalogue(GIBLEED, "person_id", "alder", "GiBleed", RULES, "s1").catalogue


@pytest.fixture
def ask(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory):
    """Ask a broker that was asked nothing before."""
    engine = DuckEngine(build_store(GIBLEED, catalogue, tmp_path_factory.mktemp("gibleed") / "broker.duckdb"))

    def asked(sql: str) -> Release:
        release = Broker(catalogue, RULES, engine, InProcessMemory(), secret=SECRET).run(parse_sql(sql, catalogue))
        assert isinstance(release, Release), release
        return release

    yield asked
    engine.close()


def test_the_mean_of_every_drugs_eras_is_the_true_one(ask) -> None:
    """Eras were clipped at 1,000 days: nitroglycerin's were 326 days long, and are 1,801."""
    sql = f"SELECT drug_concept_id, avg({DAYS}) FROM drug_era GROUP BY 1"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW drug_era AS FROM '{GIBLEED}/drug_era.parquet'")
        true = dict(connection.execute(sql).fetchall())
    shown = {row.key[0].value: row.values[0].value for row in ask(sql).rows if row.values[0].value is not None and row.key[0].value}
    assert len(shown) > 20
    assert max(shown.values()) > 1500
    for drug, mean in shown.items():
        assert mean == pytest.approx(true[drug], rel=0.005, abs=0.05), drug


def test_the_draft_says_how_long_after_its_start_an_end_is(catalogue: Catalogue) -> None:
    """But for fewer persons than the threshold: the same rule as for a code."""
    found = 0
    with duckdb.connect() as connection:
        for table in catalogue.tables:
            for end in (column for column in table.visible if column.longest is not None):
                found += 1
                persons = [
                    connection.execute(
                        f"SELECT count(DISTINCT person_id) FROM '{GIBLEED}/{table.name}.parquet' "
                        f"WHERE datediff('day', {end.after}, {end.name}) > {days}"
                    ).fetchone()[0]
                    for days in (end.longest, *(shorter for shorter in (30, 100, 365, 1000, 3650, 10_000) if shorter < end.longest))
                ]
                assert persons[0] < 10
                assert all(more >= 10 for more in persons[1:])
    assert found >= 4


def test_days_since_a_first_event_name_both_ends(catalogue: Catalogue) -> None:
    """They were called days from day to day."""
    first = "(SELECT person_id, min({0}) AS day FROM {1} WHERE {2} GROUP BY person_id)"
    sinusitis = first.format("condition_start_date", "condition_occurrence", "condition_concept_id = 40481087")
    drug = first.format("drug_exposure_start_date", "drug_exposure", "drug_concept_id = 1127433")
    sql = (
        f"WITH c AS {sinusitis}, d AS {drug} SELECT median(datediff('day', c.day, d.day)) FROM person p "
        "JOIN c ON c.person_id = p.person_id JOIN d ON d.person_id = p.person_id"
    )
    bound = check(parse_sql(sql, catalogue), catalogue)
    (column,) = map(bound.column, bound.value_columns)
    assert column.label.startswith(
        "days from first condition_start_date of Viral sinusitis to first drug_exposure_start_date of Acetaminophen 325 MG"
    )


def test_a_name_of_a_concept_is_called_as_in_the_select(ask) -> None:
    """It was called by the column of codes: condition_concept_id. Two names in one SELECT stay apart, and order by theirs."""
    joined = "FROM condition_era e JOIN concept c ON c.concept_id = e.condition_concept_id"
    release = ask(f"SELECT c.concept_name, count(*) AS n {joined} GROUP BY c.concept_name ORDER BY concept_name")
    assert [column.name for column in release.columns] == ["concept_name", "n"]
    release = ask(f"SELECT c.concept_name AS what, count(*) AS n {joined} GROUP BY 1 ORDER BY n DESC")
    assert [column.name for column in release.columns] == ["what", "n"]
    two = parse_sql(
        "SELECT c.concept_name, g.concept_name, count(*) FROM condition_era e JOIN person p ON p.person_id = e.person_id "
        "JOIN concept c ON c.concept_id = e.condition_concept_id JOIN concept g ON g.concept_id = p.gender_concept_id GROUP BY 1, 2"
    )
    assert two.names == ("concept_name", "gender_concept_id", "count")
