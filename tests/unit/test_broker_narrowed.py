"""Of one laboratory value, ranges, bins and quantiles cut on a grid of its own: HbA1c from 0 to 17, not all values from 0 to 200."""

import pandas as pd
import pytest
from broker_world import TEN_FIVE, World, bound_to, codes
from hypothesis import given
from hypothesis import strategies as st

import twinpane as tp
from twinpane import _host
from twinpane_broker.aggregates.registry import measure_of
from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Given, Role, Table
from twinpane_broker.catalogue.edges import STEPS, borders_of, grid_of, is_width, step_of
from twinpane_broker.check.narrowed import narrowed
from twinpane_broker.check.resolve import check
from twinpane_broker.check.terms import settled
from twinpane_broker.errors import Refused
from twinpane_broker.memory import InProcessMemory
from twinpane_broker.question.cohort import Cohort, Entry, Event
from twinpane_broker.question.plan import Plan
from twinpane_broker.question.predicates import AllOf, AnyOf, In, Not, Range, conjuncts
from twinpane_broker.release.pooling import pool
from twinpane_broker.sql import parse_sql

A1C, GLUCOSE, RARE = 3004410, 3004501, 3000001
VALUE = "measurement.value_as_number"
NUMBERS = (
    Given(code=A1C, knots=(4.8, 5.2, 5.6, 6.5, 9.0), precision=0.1),
    Given(code=GLUCOSE, knots=(70, 85, 95, 110, 160)),
)
COLUMNS = (
    Column(name="person_id", type="integer", role="key", references="person.person_id"),
    Column(name="measurement_concept_id", type="integer", role="dimension", codes=(
        Code(value=A1C, label="Hemoglobin A1c", share=0.6), Code(value=GLUCOSE, label="Glucose", share=0.3),
        Code(value=RARE, label="Rare", share=0.1),
    )),
    Column(name="measurement_name", type="varchar", role="dimension", codes=codes("hemoglobin a1c", "glucose", "rare"),
           follows="measurement_concept_id",
           given=(Given(code=A1C, value="hemoglobin a1c"), Given(code=GLUCOSE, value="glucose"), Given(code=RARE, value="rare"))),
    Column(name="day", type="date", role="date", days=("2019-03-01", "2021-06-01")),
    Column(name="value_as_number", type="double", role="measure", bounds=(0, 200), precision=0.01, missing=0.05,
           follows="measurement_concept_id", given=NUMBERS),
)  # fmt: skip
PERSON = Table(name="person", person_key="person_id", columns=(
    Column(name="person_id", type="integer", role="key"), Column(name="sex", type="varchar", role="dimension", codes=codes("F", "M")),
))  # fmt: skip
MEASUREMENT = Table(name="measurement", person_key="person_id", columns=COLUMNS)
CATALOGUE = Catalogue(site="north", title="North", snapshot="2026-10", persons=1000, tables=(PERSON, MEASUREMENT))


def measurements(rows_each: int = 2) -> pd.DataFrame:
    """HbA1c of 1,000 persons, with 40 in another unit, 20 impossibly high and 30 missing; glucose of 500."""
    rows = []
    for i in range(1000):
        for n in range(rows_each):
            value = 4.5 + (i * 7 + n * 13) % 60 / 10
            value = 150.0 if i % 25 == 3 else 30.5 if i % 50 == 4 else None if i % 33 == 5 else value
            rows.append((i, A1C, "hemoglobin a1c", value))
        if i % 2 and rows_each > 1:
            rows.append((i, GLUCOSE, "glucose", 60.0 + i % 120))
    frame = pd.DataFrame(rows, columns=["person_id", "measurement_concept_id", "measurement_name", "value_as_number"])
    return frame.assign(day=pd.Timestamp("2020-02-03"))


@pytest.fixture(scope="module", params=[2, 1], ids=["events", "one row each"])
def world(request, tmp_path_factory):
    """A site with laboratory values: as many as come, or one per person."""
    frame = measurements(request.param)
    made = World(tmp_path_factory.mktemp("lab"), catalogue=CATALOGUE, measurement=frame)
    made.a1c = frame[frame.measurement_concept_id == A1C]
    yield made
    made.engine.close()


def where(condition: str = "", select: str = "count(*)", group: str = "") -> str:
    """A SELECT over HbA1c."""
    more = f" AND {condition}" if condition else ""
    return f"SELECT {select} FROM measurement WHERE measurement_concept_id = {A1C}{more}{group}"


def grid(*conditions) -> Column:
    return narrowed(MEASUREMENT, "value_as_number", conditions)


FIXED = In(column="measurement.measurement_concept_id", codes=(A1C,))


def test_one_code_has_bounds_of_its_own_a_span_beyond_its_knots():
    """4.8 to 9 has a span of 4.2; the lower end is never below the column's own bound."""
    assert grid(FIXED).bounds == (0.5, 13.5)
    assert step_of(grid(FIXED)) == 0.5
    assert is_width(grid(FIXED), 0.5)
    assert (grid(FIXED).knots, grid(FIXED).precision) == (NUMBERS[0].knots, 0.1)
    assert grid(In(column="measurement.measurement_concept_id", codes=(GLUCOSE,))).bounds == (0, 200)
    assert grid(In(column="measurement.measurement_name", codes=("hemoglobin a1c",))) == grid(FIXED)


@pytest.mark.parametrize(
    "conditions",
    [
        (), (In(column="measurement.measurement_concept_id", codes=(A1C, GLUCOSE)),), (Not(term=FIXED),),
        (In(column="measurement.measurement_concept_id", codes=(RARE,)),), (In(column="person.measurement_concept_id", codes=(A1C,)),),
        (FIXED.model_copy(update={"descendants": True}),), conjuncts(AnyOf(terms=(FIXED, FIXED))),
    ],
)  # fmt: skip
def test_what_fixes_no_code_with_numbers_keeps_the_whole_grid(conditions):
    """What does not fix one code with numbers keeps the whole grid.

    Several codes, none, another table's, a code without numbers, one of several conditions.
    """
    assert grid(*conditions) is MEASUREMENT.column("value_as_number")


def test_inside_and_outside_work_out_the_same_grid():
    """What the published catalogue leaves out is not used inside either: hidden columns, and codes that are not listed."""
    hidden = [c.model_copy(update={"role": Role.hidden}) if c.name == "measurement_concept_id" else c for c in COLUMNS]
    shared = (*COLUMNS[2].given, Given(code=99, value="hemoglobin a1c"))
    unlisted = [c.model_copy(update={"given": shared}) if c.name == "measurement_name" else c for c in COLUMNS]
    named = In(column="measurement.measurement_name", codes=("hemoglobin a1c",))
    for columns in (hidden, unlisted):
        catalogue = Catalogue.model_validate(CATALOGUE.model_dump() | {
            "tables": [PERSON.model_dump(), MEASUREMENT.model_dump() | {"columns": [c.model_dump() for c in columns]}]})  # fmt: skip
        inside, outside = (one.table("measurement") for one in (catalogue, catalogue.published))
        assert narrowed(inside, "value_as_number", [named]).bounds == narrowed(outside, "value_as_number", [named]).bounds


KNOT = st.floats(-1e6, 1e6).map(lambda knot: round(knot, 9))


@given(st.lists(KNOT, min_size=2, max_size=19), st.sampled_from([None, 0.1, 5.0]), st.sampled_from(["double", "integer"]))
def test_a_narrowed_grid_is_never_finer_than_its_steps(knots, precision, kind):
    """For any knots, the grid has a limited number of steps, all knots on edges, and stays within the column's bounds."""
    whole = Column(name="v", type=kind, role="measure", bounds=(-1e6, 1e6), follows="c", precision=precision,
                   given=(Given(code=1, knots=tuple(sorted(knots))),))  # fmt: skip
    code = Column(name="c", type="integer", role="dimension", codes=codes(1, 2))
    table = Table(name="t", person_key="p", columns=(Column(name="p", type="integer", role="key"), code, whole))
    column = narrowed(table, "v", [In(column="t.c", codes=(1,))])
    assert whole.bounds[0] <= column.bounds[0] < column.bounds[1] <= whole.bounds[1]
    assert len(grid_of(column)) <= STEPS + 3 + len(knots)
    assert step_of(column) >= (precision or 0)
    if column is not whole:
        assert column.bounds[0] <= min(knots) <= max(knots) <= column.bounds[1]


def test_a_histogram_is_of_values_clipped_to_narrowed_bounds(world):
    """A histogram is that of the values clipped to the narrowed bounds.

    The end bins hold what lies beyond, and say so; all rows are in the table.
    """
    bound = bound_to(where(select="floor(value_as_number / 0.5) * 0.5, count(*)", group=" GROUP BY 1"), CATALOGUE)
    (axis,) = bound.axes
    clipped = world.a1c.value_as_number.clip(0.5, 13.5)
    expected = (clipped // 0.5 * 0.5).clip(upper=13.0).value_counts()
    cells = world.engine.measure(bound).cells
    assert {axis.values[i]: cell.rows for (i,), cell in cells.items() if i < len(axis.values)} == expected.to_dict()
    assert cells[(axis.missing,)].rows == world.a1c.value_as_number.isna().sum()
    assert [axis.categories[i].label for i in (0, 1, len(axis.values) - 1)] == ["under 1", "1 to under 1.5", "13 or more"]


def test_a_pooled_bin_that_ends_one_sites_table_has_both_labels(world):
    """A pooled bin that ends only one site's table has both labels. The numbers of neither site stand below the other's label alone."""
    sql = where(select="floor(value_as_number / 0.5) * 0.5, count(*)", group=" GROUP BY 1")
    one, plan = world.ask(sql), parse_sql(sql, CATALOGUE)
    plain = [row.key[0].model_copy(update={"label": "13 to under 13.5"}) if row.key[0].value == 13 else row.key[0] for row in one.rows]
    rows = tuple(row.model_copy(update={"key": (key,)}) for row, key in zip(one.rows, plain, strict=True))
    pooled = pool({"north": one, "valley": one.model_copy(update={"site": "valley", "rows": rows})}, plan=plan)
    labels = {row.key[0].value: row.key[0].label for row in pooled.rows}
    assert (labels[12.5], labels[13]) == ("12.5 to under 13", "13 or more; 13 to under 13.5")


def test_a_bin_and_the_range_of_its_edges_have_the_same_persons(world):
    """In the middle, from the lower bound, and up from the last edge."""
    bins = bound_to(where(select="floor(value_as_number / 0.5) * 0.5, count(*)", group=" GROUP BY 1"), CATALOGUE)
    cells, values = world.engine.measure(bins).cells, bins.axes[0].values
    every = world.a1c.dropna().person_id.nunique()
    for condition, start in (("value_as_number >= 6.5 AND value_as_number < 7", 6.5), ("value_as_number >= 13", 13.0)):
        who = world.engine.measure(bound_to(where(condition), CATALOGUE)).who
        assert who == cells[(values.index(start),)].who
    assert len(world.engine.measure(bound_to(where("value_as_number >= 0.5"), CATALOGUE)).who) == every
    assert not world.engine.measure(bound_to(where("value_as_number < 0.5"), CATALOGUE)).who
    assert len(world.engine.measure(bound_to(where("value_as_number >= 0 AND value_as_number < 200"), CATALOGUE)).who) == every


@pytest.fixture
def fresh(world):
    """The same site, which has told nothing yet, and tells zeros."""
    world.remember(InProcessMemory(), TEN_FIVE.model_copy(update={"zeros": "shown"}))
    return world


def test_quantiles_are_on_the_codes_own_grid(fresh):
    """Within a step of the exact ones; the whole grid has steps of 5."""
    ((p25, median, p75),) = fresh.cells(where(select=", ".join(
        f"quantile_cont(value_as_number, {share})" for share in (0.25, 0.5, 0.75)))).values()  # fmt: skip
    exact = fresh.a1c.value_as_number.quantile([0.25, 0.5, 0.75])
    assert all(abs(found - true) <= 0.5 for found, true in zip((p25, median, p75), exact, strict=True))


def test_evidence_over_the_fine_grid_is_that_of_clipped_values(world):
    """Rows per bin, with those beyond in the end bins."""
    bound = bound_to(where(select="median(value_as_number)"), CATALOGUE)
    (spread,) = world.engine.measure(bound).cells[()].spreads
    edges = [-float("inf"), *borders_of(bound.gridded(VALUE)), float("inf")]
    counted = pd.cut(world.a1c.value_as_number, edges, right=False).value_counts(sort=False)
    assert list(spread.bins.rows) == counted.to_list()
    assert sum(spread.bins.lowest) == sum(spread.bins.highest) == len(spread.who)


def test_a_mean_is_the_same_for_a_fixed_and_a_grouped_code(fresh):
    """A mean is the same whether one code is fixed or grouped by.

    Clipped in two ways, two means would tell what the few values beyond the narrower bounds add up to.
    """
    numbers = "avg(value_as_number), stddev(value_as_number)"
    alone = fresh.cells(where(select=numbers))[()]
    # Everybody has the test, so the group is marked, and its values are told once: the other question is asked of a site that told nothing.
    fresh.remember(InProcessMemory(), TEN_FIVE.model_copy(update={"zeros": "shown"}))
    grouped = fresh.cells(f"SELECT measurement_concept_id, {numbers} FROM measurement GROUP BY 1")
    assert None not in alone
    assert grouped[(str(A1C),)] == alone


def test_a_wrong_end_or_width_is_refused_with_the_codes_edges():
    """A wrong end or width is refused with the code's own edges, and every number in the reason is one that works."""
    with pytest.raises(Refused, match=r"6.3 is not an edge.* the nearest is 6 or 6.5"):
        bound_to(where("value_as_number >= 6.3"), CATALOGUE)
    with pytest.raises(Refused, match=r"0.3 is no width .* multiple of 0.5, like 1"):
        bound_to(where(select="floor(value_as_number / 0.3) * 0.3, count(*)", group=" GROUP BY 1"), CATALOGUE)
    with pytest.raises(Refused, match=r"6.5 is not an edge.* the nearest is 5 or 10"):
        bound_to("SELECT count(*) FROM measurement WHERE value_as_number >= 6.5", CATALOGUE)


AGE = Column(name="age", type="integer", role="measure", bounds=(0, 90))


def test_a_wrong_end_is_named_as_it_was_written():
    """``<= 32`` is the edge 33 of whole numbers: the refusal speaks of 32, and its nearest ends can be written in its place."""
    with pytest.raises(Refused, match=r"^32 is not an edge .* the nearest is 29 or 34\."):
        settled(Range(column="person.age", high=32, through=True), AGE)
    assert settled(Range(column="person.age", high=34, through=True), AGE) == Range(column="person.age", high=35)


def test_an_end_beyond_the_bounds_says_to_leave_it_out():
    """Values beyond count as the bound: nothing cuts there."""
    with pytest.raises(Refused, match=r"^500 is not an edge .* leave that end out"):
        settled(Range(column="person.age", high=500, through=True), AGE)


def test_a_cohorts_event_of_one_code_cuts_on_its_grid():
    """HbA1c of 6.5 and more is how diabetes is found."""
    event = Event(table="measurement", where=AllOf(terms=(FIXED, Range(column=VALUE, low=6.5))))
    plan = Plan(table="person", cohort=Cohort(entry=Entry(events=(event,))), measures=(measure_of("persons"),))
    assert check(plan, CATALOGUE).plan.cohort.entry.events[0].where.terms[1].low == 6.5


# ---------------------------------------------------------------- from a notebook


@pytest.fixture
def asked(world, monkeypatch):
    """The notebook's calls answered by the site; the plans that were asked."""
    plans = []

    def call(kind, **args):
        if kind == "catalogue":
            return {"sites": {"north": CATALOGUE.published.model_dump(mode="json")}}
        plans.append(Plan.model_validate(args["plan"]))
        return {"sites": {"north": world.broker.run(plans[-1]).model_dump(mode="json")}, "missing": {}, "titles": [["north", "North"]]}

    monkeypatch.setattr(_host, "call", call)
    return plans


def test_a_histogram_of_one_lab_value_has_a_width_that_suits(asked):
    """A histogram of one laboratory value, by code or by name, has a width that suits it. One of all values has the column's width."""
    named = tp.table("measurement").where(measurement_name="hemoglobin a1c")
    assert named.histogram("value_as_number").plan.group_by[0].width == 0.5
    assert tp.histogram("measurement", "value_as_number", where={"measurement_concept_id": A1C}).plan.group_by[0].width == 0.5
    assert tp.histogram("measurement", "value_as_number").plan.group_by[0].width == 20


def test_a_profile_of_one_laboratory_value_is_of_it_alone(asked):
    """By a condition, or of a question."""
    chosen = tp.profile("measurement", "value_as_number", where={"measurement_concept_id": A1C})
    assert chosen["histogram"].plan.group_by[0].width == 0.5
    assert "from 0.5 to 13.5 at multiples of 0.5" in repr(chosen)
    question = tp.table("measurement").where(measurement_name="hemoglobin a1c")
    assert repr(question.profile("value_as_number")) == repr(tp.profile(question, "value_as_number"))
    assert "from 0.5 to 13.5" in question.profile("value_as_number")._repr_html_()


def test_a_profile_of_all_lab_values_says_how_to_choose_one(asked):
    """A profile of all laboratory values says how to choose one: it names the codes that have numbers, and gives a line to copy."""
    shown = repr(tp.profile("measurement", "value_as_number"))
    assert f'tp.profile("measurement", "value_as_number", measurement_concept_id={A1C})' in shown
    assert f"{A1C} Hemoglobin A1c, {GLUCOSE} Glucose;" in shown
    assert str(RARE) not in shown
