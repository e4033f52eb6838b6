"""The site judges a plan against its own catalogue: roles, joins, codes, edges. Its reasons are static and help."""

from datetime import date

import pytest
from broker_world import CATALOGUE, bound_to
from hypothesis import given
from hypothesis import strategies as st

from twinpane_broker.aggregates.registry import MeasureKind, measure_of
from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.catalogue.edges import is_edge, is_width, nearest_edges, step_of, wider_step
from twinpane_broker.check.resolve import check
from twinpane_broker.errors import RefusalCode, Refused
from twinpane_broker.question.category import CategoryKind
from twinpane_broker.question.plan import Group, Plan
from twinpane_broker.question.predicates import In, Range, Window, conjuncts
from twinpane_broker.sql import parse_sql

REFUSED = {
    "select count(*) from persn": "Did you mean person?",
    "select count(*) from person where sexx = 'F'": "Did you mean sex?",
    "select mrn, count(*) from person group by mrn": "There is no column mrn",
    "select count(*) from person where mrn = 'x'": "There is no column mrn",
    "select avg(mrn) from person": "There is no column mrn",
    "select note, count(*) from person group by note": "free text",
    "select count(*) from person where note = 'canary-7'": "text",
    "select person_id, count(*) from person group by person_id": "a key",
    "select count(*) from person where person_id = 7": "key",
    "select count(*) from person where person_id >= 7": "key",
    "select count(*) from person where person_id is null": "key",
    "select avg(person_id) from person": "a key",
    "select age, count(*) from person group by age": "a measure",
    "select count(*) from person where age = 40": "range",
    "select avg(sex) from person": "a dimension",
    "select day, count(*) from visit group by day": "date_trunc",
    "select year(sex), count(*) from person group by 1": "no months",
    "select count(*) from visit where day = '2019-01-01'": "window",
    "select count(*) from visit where day >= '2019-01-15'": "2019-01-01",
    "select count(*) from visit where day >= '2020-01-01' and day < '2020-01-01'": "empty",
    "select count(*) from visit where day >= 5": "dates in quotes",
    "select count(*) from person where sex >= '2019-01-01'": "not a date",
    "select count(*) from person where sex >= 5": "codes, not numbers",
    "select count(*) from person where sex = 'female'": "not an approved code",
    "select count(*) from person where sex = 'f'": "Write 'F'",
    "select count(*) from person where sex = 'label of F'": "Write 'F'",
    "select count(*) from person where sex in ('F', 'X')": "'X' is not an approved code",
    "select count(*) from person where smoker = 1": "not an approved code",
    "select count(*) from person where age >= 41": "the nearest is 40 or 45",
    "select count(*) from person where age <= 41": "the nearest is 39 or 44",
    "select count(*) from person where weight <= 50": ">= or <",
    "select count(*) from person where age >= 50 and age < 50": "empty",
    "select count(distinct age) from person": "counts persons",
    "select count(*) from visit join drug on visit.ward = drug.name": "not a declared join",
    "select count(*) from person join drug on person.age = drug.patient": "Write ON person.person_id = drug.patient",
    "select count(*) from person join visit on person.person_id = visit.visit_id": "not a declared join",
}


@pytest.mark.parametrize("sql", REFUSED)
def test_what_the_catalogue_does_not_allow_is_refused_with_help(sql: str) -> None:
    """Each with the code ``catalogue`` and a reason that names the column and a way on."""
    with pytest.raises(Refused) as refused:
        bound_to(sql)
    assert REFUSED[sql] in refused.value.reason
    assert refused.value.code is RefusalCode.catalogue


def test_hidden_columns_and_unknown_ones_are_refused_alike() -> None:
    """A hidden column does not exist, and no hint names it."""
    with pytest.raises(Refused) as hidden:
        bound_to("select count(*) from person where mrn = 'x'")
    with pytest.raises(Refused) as unknown:
        bound_to("select count(*) from person where xyz = 'x'")
    assert hidden.value.reason.replace("mrn", "xyz") == unknown.value.reason
    with pytest.raises(Refused) as near:
        bound_to("select count(*) from person where mr = 'x'")
    assert "mrn" not in near.value.reason


@pytest.mark.parametrize(
    "join",
    [
        "person p join visit v on p.person_id = v.person_id",
        "visit v join drug d on v.person_id = d.patient",
        "visit v join drug d on v.visit_id = d.visit_id",
        "drug d join visit v on v.visit_id = d.visit_id",
    ],
)
def test_declared_joins_are_allowed(join: str) -> None:
    """Person keys with each other, and references in either direction."""
    assert len(bound_to(f"select count(*) from {join}").plan.joins) == 1


def test_a_plan_made_by_hand_is_judged_like_one_from_sql() -> None:
    """The site does not rely on the parser: a join whose key is another table's is no escape."""
    plan = Plan(table="person", group_by=(Group(column="visit.ward"),), measures=(measure_of(MeasureKind.count),))
    with pytest.raises(Refused, match="neither in FROM nor in JOIN"):
        check(plan, CATALOGUE)


def test_ends_of_ranges_become_half_open() -> None:
    """One set of rows has one form, so that x <= 64 and x < 65 are one question."""
    assert bound_to("select count(*) from person where age between 40 and 64").plan.where == Range(column="person.age", low=40, high=65)
    assert bound_to("select count(*) from person where age > 39").plan.where == Range(column="person.age", low=40)
    closed = bound_to("select count(*) from visit where day between '2019-01-01' and '2019-12-31'").plan
    assert closed.where == Window(column="visit.day", start=date(2019, 1, 1), end=date(2020, 1, 1))
    assert closed.hash == bound_to("select count(*) n from visit where day >= '2019-01-01' and day < '2020-01-01'").plan.hash


def test_a_range_over_numeric_codes_is_a_code_set() -> None:
    """A dimension of numbers is compared by its approved codes, if there are no others."""
    years = Column(name="year", type="integer", role="dimension", codes=[{"value": y, "share": 0.333} for y in (1950, 1960, 1970)])
    table = CATALOGUE.tables[0]
    catalogue = CATALOGUE.model_copy(update={"tables": (table.model_copy(update={"columns": (*table.columns, years)}),)})
    assert bound_to("select count(*) from person where year < 1970", catalogue).plan.where == In(column="person.year", codes=(1950, 1960))
    with pytest.raises(Refused, match="No approved code"):
        bound_to("select count(*) from person where year < 1950", catalogue)


@pytest.mark.parametrize(
    ("where", "codes"),
    [
        ("year >= 1950 and year < 1960", range(1950, 1960)),
        ("year > 1950", range(1951, 1992)),
        ("year >= 1970", range(1970, 1992)),
        ("year between 1950 and 2000", range(1950, 1992)),
        ("year <= 1960", range(1929, 1961)),
    ],
)
def test_a_range_holds_the_rare_numbers_between_its_codes(where: str, codes: range) -> None:
    """They are too rare to be listed, and count all the same: all between two approved ones, or none."""
    listed = [{"value": y, "share": 0.3} for y in (1950, 1960, 1970)]
    years = Column(name="year", type="integer", role="dimension", codes=listed, others=0.1, bounds=(1940, 1980))
    table = CATALOGUE.tables[0]
    catalogue = CATALOGUE.model_copy(update={"tables": (table.model_copy(update={"columns": (*table.columns, years)}),)})
    found = [
        part for part in conjuncts(bound_to(f"select count(*) from person where {where}", catalogue).plan.where) if isinstance(part, In)
    ]
    assert set.intersection(*(set(part.codes) for part in found)) == set(codes)
    for cut in ("year >= 1950 and year < 1957", "year > 1951", "year <= 1975", "year < 1965"):
        with pytest.raises(Refused, match="one approved code to another"):
            bound_to(f"select count(*) from person where {cut}", catalogue)


def test_the_grid_has_every_approved_code() -> None:
    """The grid does not depend on whether anyone holds a code."""
    axes = bound_to("select sex, race, count(*) from person group by sex, race").axes
    assert [category.value for category in axes[0].categories] == ["F", "M"]
    assert [category.kind for category in axes[1].categories] == [CategoryKind.code] * 3 + [CategoryKind.missing]


def test_where_narrows_the_grid_of_its_dimension() -> None:
    """The grid is narrowed by what WHERE says of the dimension: a code set, a missing value, or no missing value."""

    def values(where: str) -> list:
        return [c.value for c in bound_to(f"select race, count(*) from person where {where} group by race").axes[0].categories]

    assert values("race in ('a', 'b')") == ["a", "b"]
    assert values("race <> 'a'") == ["b", "c"]
    assert values("race is not null") == ["a", "b", "c"]
    assert values("race is null") == [None]
    assert values("race = 'a' or sex = 'F'") == ["a", "b", "c", None]


def test_bins_cover_the_window_or_the_catalogue_s_span() -> None:
    """Bins depend on the plan and the catalogue, never on the days that occur."""
    window = "day >= '2019-02-01' and day < '2019-08-01'"
    axis = bound_to(f"select date_trunc('quarter', day), count(*) from visit where {window} group by 1").axes[0]
    assert [category.value for category in axis.categories] == ["2019-Q1", "2019-Q2", "2019-Q3"]
    open_axis = bound_to("select year(day), count(*) from visit group by 1").axes[0]
    assert [category.text for category in open_axis.categories] == ["2018", "2019", "2020", "2021", "(other)"]


def bins(where: str, today: date | None = date(2026, 11, 22), by: str = "year") -> list[str]:
    """The bins of visits in that window, asked on that day."""
    plan = parse_sql(f"select date_trunc('{by}', day), count(*) from visit {where} group by 1", CATALOGUE)
    return [category.text for category in check(plan, CATALOGUE, today=today).axes[0].categories]


def test_bins_follow_the_window_beyond_the_catalogue_s_days() -> None:
    """All rows after the catalogue's last day were *(other)*."""
    assert bins("where day >= '2023-01-01'") == ["2023", "2024", "2025", "2026", "(other)"]
    assert bins("where day >= '2021-01-01'")[0] == "2021"
    assert bins("where day < '2016-01-01'") == ["2013", "2014", "2015", "(other)"]
    assert bins("where day < '2020-01-01'") == ["2018", "2019", "(other)"]
    assert bins("where day >= '2023-01-01'", today=None) == ["2023", "2024", "2025", "(other)"]


def test_no_bin_lies_in_the_future() -> None:
    """It would be suppressed like a bin of few persons, though everybody knows that it is empty."""
    assert bins("", today=date(2020, 5, 3)) == ["2018", "2019", "2020", "(other)"]
    assert bins("where day >= '2020-01-01' and day < '2030-01-01'", today=date(2021, 1, 1)) == ["2020", "2021"]
    assert bins("where day >= '2020-01-01' and day < '2020-04-01'", today=date(2020, 2, 1), by="month") == ["2020-01", "2020-02"]


def test_a_window_of_the_future_alone_keeps_its_bins() -> None:
    """A table has a row; so has one from a day far back, by month."""
    assert bins("where day >= '2030-01-01' and day < '2031-01-01'") == ["2030"]
    assert bins("where day >= '2199-01-01'")[0] == "2199"
    assert 300 < len(bins("where day >= '1990-01-01'", by="month")) <= 401


def test_a_table_of_too_many_cells_is_refused() -> None:
    """The grid is bounded."""
    many = Column(name="code", type="integer", role="dimension", codes=[{"value": i, "share": 0.0} for i in range(3000)])
    table = CATALOGUE.tables[0]
    catalogue = CATALOGUE.model_copy(update={"tables": (table.model_copy(update={"columns": (*table.columns, many)}),)})
    with pytest.raises(Refused, match="cells"):
        bound_to("select code, sex, race, count(*) from person group by 1, 2, 3", catalogue)
    with pytest.raises(Refused, match="bins"):
        bound_to("select date_trunc('month', day), count(*) from visit where day >= '1800-01-01' and day < '2200-01-01' group by 1")


bounds = st.tuples(st.floats(-1e6, 1e6), st.floats(0.01, 1e6)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(bounds, st.booleans(), st.floats(-2e6, 2e6))
def test_the_nearest_edges_are_edges_and_the_grid_is_coarse(ends: tuple[float, float], whole: bool, value: float) -> None:
    """What a refusal suggests is accepted, and a measure has few edges."""
    column = Column(name="x", type="integer" if whole else "double", role="measure", bounds=ends)
    assert (ends[1] - ends[0]) / step_of(column) <= 50 + 1e-6
    assert all(is_edge(column, edge) for edge in nearest_edges(column, value))
    assert is_width(column, wider_step(column))


def test_bins_are_suggested_in_tens() -> None:
    """An age at an event has steps of 5 years and is asked for by decades, not in bins of 25."""
    ages = Column(name="age", type="integer", role="measure", bounds=(0, 120))
    assert (step_of(ages), wider_step(ages)) == (5, 10)
    assert wider_step(ages.model_copy(update={"bounds": (0, 40)})) == 10


def test_what_a_resolved_plan_names_is_there() -> None:
    """It never gives None: a name that was not checked is an error of the caller's."""
    bound = bound_to("select sex, count(*) from person group by sex")
    assert bound.column("person.sex").name == "sex"
    for unknown in ("person.mrn", "person.sexx", "persn.sex"):
        with pytest.raises(KeyError):
            bound.column(unknown)
    with pytest.raises(ValueError, match="sex is no measure"):
        _ = bound.column("person.sex").known_bounds


@pytest.mark.parametrize(
    ("bounds", "where", "labels"),
    [
        ((0, 90), "", ["0–9", "80 or more"]),
        ((0, 90), " where age < 90", ["0–9", "80–89"]),
        ((0, 90), " where age >= 40", ["40–49", "80 or more"]),
        ((20, 90), "", ["under 30", "80 or more"]),
        ((20, 90), " where age >= 30", ["30–39", "80 or more"]),
    ],
)
def test_an_end_bin_says_that_it_holds_all_beyond_it(bounds, where, labels):
    """Values are clipped to the bounds, so the last bin has all above it; at a lower bound of 0 nothing is cut off."""
    age = CATALOGUE.known_table("person").known_column("age").model_copy(update={"bounds": bounds, "knots": (), "edges": ()})
    tables = tuple(
        table.model_copy(update={"columns": tuple(age if c.name == "age" and table.name == "person" else c for c in table.columns)})
        for table in CATALOGUE.tables
    )
    catalogue = CATALOGUE.model_copy(update={"tables": tables})
    (axis,) = check(parse_sql(f"select floor(age / 10) * 10, count(*) from person{where} group by 1", catalogue), catalogue).axes
    assert [axis.categories[0].label, axis.categories[len(axis.values) - 1].label] == labels
