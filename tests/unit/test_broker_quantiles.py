"""Quantiles of heaped values, such as days of supply, on GiBleed: the edge nearest to the true one."""

import duckdb
import pytest
from broker_world import SECRET
from hypothesis import given
from hypothesis import strategies as st

from harness.gibleed import GIBLEED
from twinpane_broker.aggregates.quantile import Quantile
from twinpane_broker.aggregates.value import End
from twinpane_broker.broker import Broker
from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, ColumnType, Given, Role, Table
from twinpane_broker.catalogue.edges import borders_of, grid_of
from twinpane_broker.cells.cell_evidence import Bins
from twinpane_broker.cells.own_bins import own_bins
from twinpane_broker.check.cell_grids import MOST_BORDERS
from twinpane_broker.check.grids import with_decimals
from twinpane_broker.check.resolve import check
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.errors import Refused
from twinpane_broker.memory import InProcessMemory
from twinpane_broker.release.release import Release
from twinpane_broker.rules.policy import Rules
from twinpane_broker.sql import parse_sql
from twinpane_hub.data.make import make_data
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
    release = Broker(catalogue, RULES, engine, InProcessMemory(), secret=SECRET).run(parse_sql(SUPPLY, catalogue))
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
    """Of the drug's own grid, or of one of short numbers: 14 days are shown as 14 or 15, and not as 0 or 500."""
    bound = check(parse_sql(SUPPLY, catalogue), catalogue)
    assert {0.0, 5.0, 15.0, 30.0, 60.0} <= set(grid_of(catalogue.table("drug_exposure").column("days_supply")))
    seen = 0
    for place, drug in enumerate(bound.axes[0].values):
        edges = grid_of(bound.grid_of("drug_exposure.days_supply", (0,), (place,)).column)
        for value, exact in zip(shown.get(drug, ()), true.get(drug, ()), strict=False):
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


# ---------------------------------------------------------------- a grid for each code

QUARTERS = ", ".join(f"quantile_cont(value_as_number, {share})" for share in (0.25, 0.5, 0.75))


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory):
    """Generated laboratory values: how to ask a fresh broker, and DuckDB on the rows."""
    folder = tmp_path_factory.mktemp("labs")
    make_data(folder / "data", 5000, 7)
    catalogue = draft_catalogue(folder / "data", "person_id", "alder", "generated", RULES, "s1").catalogue
    engine = DuckEngine(build_store(folder / "data", catalogue, folder / "broker.duckdb"))
    connection = duckdb.connect()
    connection.execute(f"CREATE VIEW measurement AS FROM '{folder}/data/measurement.parquet'")

    def asked(sql: str) -> dict[object, list[float | None]]:
        release = Broker(catalogue, RULES, engine, InProcessMemory(), secret=b"one for all tests").run(parse_sql(sql, catalogue))
        assert isinstance(release, Release), release
        return {row.key[0].value if row.key else None: [value.value for value in row.values] for row in release.rows}

    yield asked, connection, catalogue
    connection.close()
    engine.close()


def test_quantiles_by_test_are_on_each_tests_own_grid(labs) -> None:
    """The median of creatinine was 0, on a grid from 0 to 200 for all tests; it is 0.88. One test alone gets the same."""
    asked, connection, _ = labs
    by_test = f"SELECT measurement_concept_id, {QUARTERS} FROM measurement GROUP BY 1"
    true = {code: rest for code, *rest in connection.execute(by_test).fetchall()}
    shown = asked(by_test)
    creatinine = 3016723
    assert shown[creatinine][1] == true[creatinine][1] == 0.88
    near = 0
    for code, values in shown.items():
        for value, exact in zip(values, true.get(code, ()), strict=False):
            if value is not None:
                near += 1
                spread = true[code][2] - true[code][0]
                assert abs(value - exact) <= 0.1 * spread, (code, value, exact)
    assert near >= 15
    alone = asked(f"SELECT {QUARTERS} FROM measurement WHERE measurement_concept_id = {creatinine}")
    assert alone[None] == shown[creatinine]
    assert asked(f"SELECT measurement_name, {QUARTERS} FROM measurement GROUP BY 1")["creatinine"] == shown[creatinine]


def test_totals_of_tests_have_the_grid_of_all(labs) -> None:
    """Made of the same counts: the median of all values, within the two digits of a mixture."""
    asked, connection, _ = labs
    shown = asked("SELECT measurement_concept_id, median(value_as_number) FROM measurement GROUP BY CUBE(1)")
    (true,) = connection.execute("SELECT median(value_as_number) FROM measurement").fetchone()
    assert shown[None][0] == pytest.approx(true, rel=0.05)
    assert shown[3016723][0] == 0.88


def test_a_code_without_numbers_has_short_decimals(labs) -> None:
    """Fewer than ten times the threshold of persons have no knots; the whole column's grid made 0 of 0.88."""
    _, _, catalogue = labs
    tables = tuple(
        t.model_copy(update={"columns": tuple(
            c.model_copy(update={"given": tuple(g for g in c.given if g.code != 3016723)}) if c.name == "value_as_number" else c
            for c in t.columns
        )})
        for t in catalogue.tables
    )  # fmt: skip
    bound = check(
        parse_sql(f"SELECT {QUARTERS} FROM measurement WHERE measurement_concept_id = 3016723", catalogue),
        catalogue.model_copy(update={"tables": tables}),
    )
    edges = grid_of(bound.grid_of("measurement.value_as_number", (), ()).column)
    assert {0.01, 0.87, 0.88, 0.89, 1.0, 1.1, 130.0} <= set(edges)
    assert not {0.875, 1.05, 131.0} & set(edges)


def test_short_decimals_are_no_finer_than_values_are_recorded() -> None:
    """Two digits, from the recorded step or five decades below the bounds, of both signs where there are both."""
    whole = with_decimals(Column(name="x", type=ColumnType.integer, role=Role.measure, bounds=(-200, 5000)))
    assert {-190.0, -1.0, 0.0, 1.0, 99.0, 110.0, 4900.0} <= set(whole.edges)
    assert all(edge == int(edge) for edge in whole.edges)
    assert max(whole.edges) == 4900
    unknown = with_decimals(Column(name="x", type=ColumnType.double, role=Role.measure, bounds=(0, 90)))
    assert min(edge for edge in unknown.edges if edge > 0) == 0.0001


@given(st.lists(st.integers(0, 40), unique=True, min_size=1), st.data())
def test_a_cells_own_bins_add_up_finer_ones(all_borders: list[int], data: st.DataObject) -> None:
    """As if its values had been counted between its own borders."""
    borders = tuple(float(border) for border in sorted(all_borders))
    own = tuple(border for border in borders if data.draw(st.booleans()))
    values = data.draw(st.lists(st.integers(-3, 45)))

    def counted(between: tuple[float, ...]) -> tuple[int, ...]:
        places = [sum(border <= value for border in between) for value in values]
        return tuple(places.count(place) for place in range(len(between) + 1))

    fine = counted(borders)
    assert own_bins(Bins(fine, fine, fine), borders, own) == Bins(*[counted(own)] * 3)


def test_too_many_grids_together_are_refused_with_what_to_ask() -> None:
    """The engine compares each value with some of their borders."""
    codes = range(1, 1 + MOST_BORDERS // 15)
    numbers = tuple(Given(code=code, knots=tuple(code * 100 + step + code / 1000 for step in range(10))) for code in codes)
    columns = (
        Column(name="person_id", type=ColumnType.integer, role=Role.key),
        Column(name="test", type=ColumnType.integer, role=Role.dimension, codes=tuple(Code(value=code, share=0.001) for code in codes)),
        Column(name="x", type=ColumnType.double, role=Role.measure, bounds=(0, 1e6), follows="test", given=numbers),
    )
    table = Table(name="lab", person_key="person_id", columns=columns)
    catalogue = Catalogue(site="alder", snapshot="s1", persons=1000, tables=(table,))
    with pytest.raises(Refused, match=r"ask for fewer at a time, with WHERE lab.test IN"):
        check(parse_sql("SELECT test, median(x) FROM lab GROUP BY 1", catalogue), catalogue)
    assert check(parse_sql("SELECT test, median(x) FROM lab WHERE test IN (1, 2, 3) GROUP BY 1", catalogue), catalogue)
    assert check(parse_sql("SELECT test, avg(x) FROM lab GROUP BY 1", catalogue), catalogue)


def test_a_quantile_at_the_lower_bound_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a grid that begins above the column's own: the true one may be less, from the border of the nearest edge on."""
    whole = Column(name="value", type="double", role="measure", bounds=(0, 100), precision=0.1)
    grid = whole.model_copy(update={"bounds": (10.0, 20.0), "edges": (10.0, 12.0, 20.0)})
    monkeypatch.setattr(Quantile, "number", lambda *_: 10.0)
    shown, end = Quantile(column="person.value", percent=5).told(None, grid, whole, None)  # type: ignore[arg-type]
    assert end is End.or_less
    assert 10 < shown < 12
