"""Quantiles of heaped values, such as days of supply, on GiBleed: the edge nearest to the true one."""

import duckdb
import pytest

from harness.gibleed import GIBLEED
from twinpane_broker.broker import Broker
from twinpane_broker.catalogue.catalogue import Catalogue, Column, ColumnType, Role
from twinpane_broker.catalogue.edges import borders_of, grid_of
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.memory import InProcessMemory
from twinpane_broker.rules.policy import Rules
from twinpane_broker.sql import parse_sql
from twinpane_site.draft import draft_catalogue

RULES = Rules(threshold=10)
SUPPLY = "SELECT drug_concept_id, median(days_supply), quantile_cont(days_supply, 0.9) FROM drug_exposure GROUP BY 1"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return draft_catalogue(GIBLEED, "person_id", "alder", "GiBleed", RULES, "s1").catalogue


@pytest.fixture(scope="module")
def shown(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> dict[object, list[float | None]]:
    """By drug what the broker shows, where it shows the drug."""
    engine = DuckEngine(build_store(GIBLEED, catalogue, tmp_path_factory.mktemp("gibleed") / "broker.duckdb"))
    release = Broker(catalogue, RULES, engine, InProcessMemory()).run(parse_sql(SUPPLY, catalogue))
    engine.close()
    return {row.key[0].value: [value.value for value in row.values] for row in release.rows if row.persons is not None}


@pytest.fixture(scope="module")
def true() -> dict[int, tuple[float, float, int, int]]:
    """By drug median and 90th percentile, persons, and how many different values there are."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT drug_concept_id, quantile_disc(days_supply, 0.5), quantile_disc(days_supply, 0.9), count(DISTINCT person_id), "
            f"count(DISTINCT days_supply) FROM '{GIBLEED}/drug_exposure.parquet' GROUP BY 1"
        ).fetchall()
    return {drug: tuple(rest) for drug, *rest in rows}


def test_a_median_of_days_of_supply_is_0_where_the_true_one_is(shown, true) -> None:
    """It was 500, the upper edge of a bin from 0, for every drug whose values are nearly all 0."""
    known = {drug: values[0] for drug, values in shown.items() if values[0] is not None and drug in true}
    zero = {drug for drug in known if true[drug][0] == 0}
    assert len(zero) >= 25
    assert {known[drug] for drug in zero} == {0}


def test_every_shown_quantile_is_the_nearest_edge(shown, true, catalogue) -> None:
    """14 days are shown as 15, which the catalogue lists, and not as 0 or 500."""
    edges = grid_of(catalogue.table("drug_exposure").column("days_supply"))
    assert {0.0, 5.0, 15.0, 30.0, 60.0} <= set(edges)
    seen = 0
    for drug, values in shown.items():
        for value, exact in zip(values, true.get(drug, ()), strict=False):
            if value is not None:
                seen += 1
                assert abs(value - exact) == min(abs(edge - exact) for edge in edges)
    assert seen > 80


def test_few_medians_of_days_of_supply_are_suppressed(shown, true) -> None:
    """Of drugs of forty persons or more, only where all values are equal and the catalogue does not say so: 87 of 92 had none."""
    plenty = {drug for drug, (_, _, persons, _) in true.items() if persons >= 40 and drug in shown}
    lost = {drug for drug in plenty if shown[drug][0] is None}
    assert len(lost) <= 0.25 * len(plenty)
    assert all(true[drug][3] == 1 for drug in lost)


def test_the_borders_lie_in_the_middle_between_edges() -> None:
    """A value as near to two edges counts to the higher one; knots and listed edges are edges."""
    column = Column(name="days", type=ColumnType.integer, role=Role.measure, bounds=(0, 100), knots=(0, 7, 7, 14), edges=(21,))
    assert [edge for edge in grid_of(column) if edge < 25] == [0, 5, 7, 10, 14, 15, 20, 21]
    assert borders_of(column)[:3] == (2.5, 6.0, 8.5)


def test_drafted_bounds_clip_few_days_of_supply(catalogue: Catalogue) -> None:
    """The bounds ended at 9,000, and 13 % of one drug's values lie beyond."""
    low, high = catalogue.table("drug_exposure").column("days_supply").known_bounds
    with duckdb.connect() as connection:
        (share,) = connection.execute(
            f"SELECT max(c) FROM (SELECT avg((days_supply > {high})::INT) c FROM '{GIBLEED}/drug_exposure.parquet' "
            "GROUP BY drug_concept_id HAVING count(DISTINCT person_id) >= 50)"
        ).fetchone()
    assert low == 0
    assert share < 0.02
