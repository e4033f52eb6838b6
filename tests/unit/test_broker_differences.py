"""Differences of dates, and ages at events: they group, are compared and are remembered for what they are, whatever they are called."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cohort_world import frames, write
from raw_clinic import LABELLED, Raw

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.check.resolve import ResolvedPlan, check
from twinpane_broker.disclosure.attributes import Attributes
from twinpane_broker.disclosure.differential_privacy import cells_of_person
from twinpane_broker.disclosure.set_names import SetNames, meaning_of
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.engine.store.build import build_store
from twinpane_broker.errors import Refused
from twinpane_broker.question.plan import Plan
from twinpane_broker.rules.policy import PRESETS, Dp, Rules
from twinpane_broker.sql import parse_sql

PERSONS = "from condition_occurrence c join person p on p.person_id = c.person_id"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raw]:
    made = Raw(tmp_path_factory.mktemp("raw"))
    yield made
    made.engine.close()


def _bound(sql: str, **update: Any) -> ResolvedPlan:
    return check(parse_sql(sql, LABELLED).model_copy(update=update), LABELLED)


@pytest.mark.parametrize(
    "sql",
    [
        f"select floor((year(condition_start_date) - year_of_birth) / 10) * 10 as age, count(*), count(distinct p.person_id) {PERSONS} "
        "where year(condition_start_date) - year_of_birth between 0 and 119 group by age",
        f"select (extract(year from condition_start_date) - p.year_of_birth) // 5 * 5, count(*) {PERSONS} where "
        "year(condition_start_date) - year_of_birth >= 20 and gender_concept_id = 8507 group by 1",
        "select n, count(*) from (select person_id, count(distinct condition_concept_id) as n from condition_occurrence group by 1) x "
        "group by n",
        "select floor(datediff('day', condition_start_date, condition_end_date) / 1000) * 1000, count(*) from condition_occurrence where "
        "condition_end_date is not null and datediff('day', condition_start_date, condition_end_date) >= 0 group by 1",
    ],
)
def test_bins_of_a_difference_hold_what_duckdb_counts(sql: str, raw: Raw) -> None:
    """Ages and days in bins of a width, before any rule."""
    truth = {key: numbers for key, numbers in raw.truth(sql).items() if key != ("None",)}
    found = {(str(float(key[0])),): numbers for key, numbers in raw.evidence(sql).items() if key != ("None",)}
    assert found == {(str(float(key[0])),): numbers for key, numbers in truth.items()}
    assert found


def test_a_rare_year_of_birth_counts_in_an_age(raw: Raw, tmp_path: Path) -> None:
    """A year that too few persons have to be approved is not dropped from a mean."""
    codes = tuple({"value": year, "share": 0.1} for year in (1940, 1950, 1960))
    decade = Column.model_validate({"name": "decade", "type": "integer", "role": "dimension", "codes": codes})
    person = LABELLED.known_table("person")
    columns = tuple(decade if column.name == "decade" else column for column in person.columns)
    tables = tuple(t.model_copy(update={"columns": columns}) if t is person else t for t in LABELLED.tables)
    narrowed = LABELLED.model_copy(update={"tables": tables})
    sql = f"select avg(year(condition_start_date) - decade) {PERSONS}"
    engine = DuckEngine(build_store(write(tmp_path, frames(300, seed=5)), narrowed))
    try:
        spread = engine.measure(check(parse_sql(sql, narrowed), narrowed)).cell(()).spreads[0]
    finally:
        engine.close()
    assert spread.total / spread.values == pytest.approx(raw.plain.execute(sql).fetchone()[0])


def test_a_difference_is_remembered_for_what_it_is() -> None:
    """The same dates have the same name whatever a question calls them; other dates under the same name have another."""
    days = "datediff('day', condition_start_date, drug_exposure_start_date)"
    joined = "condition_occurrence c join drug_exposure d on d.person_id = c.person_id"
    of_dates = f"select case when {days} < 7 then 1 else 2 end, count(*) from {joined} where {days} < 31 group by 1"
    plan = parse_sql(of_dates, LABELLED)
    called = Plan.model_validate_json(plan.canonical().replace(b"days_between", b"stay"))
    one, same = (SetNames(check(made, LABELLED)) for made in (plan, called))
    assert [one.of((0,), (place,)) for place in range(2)] == [same.of((0,), (place,)) for place in range(2)]
    assert one.of((), ()) == same.of((), ())
    other_day = tuple(d.model_copy(update={"since": "condition_occurrence.condition_end_date"}) for d in plan.differences)
    back = _bound(of_dates, differences=other_day)
    assert SetNames(back).of((), ()) != one.of((), ())
    assert SetNames(back).of((0,), (0,)) != one.of((0,), (0,))


def test_an_age_and_the_days_from_birth_mean_the_same() -> None:
    """Beside each other's released numbers they are values of one kind."""
    in_days = _bound(f"select avg(datediff('day', birth_date, condition_start_date)) {PERSONS}")
    in_years = _bound(f"select avg(datediff('year', birth_date, condition_start_date)) {PERSONS}")
    assert meaning_of(in_days, in_days.value_columns[0]) == meaning_of(in_years, in_years.value_columns[0])


def test_a_difference_tells_of_both_of_its_columns() -> None:
    """What is learned of a person's days is learned of the events that they are of, and of the person."""
    sql = "select count(*) from person p join drug_exposure d on d.person_id = p.person_id where p.birth_date > d.drug_exposure_start_date"
    assert {"drug_exposure", "person.birth_date"} <= Attributes(_bound(sql)).of((), ())


def test_a_first_event_tells_of_its_codes() -> None:
    """The account is of the same attribute whether a code is a condition on rows, or that of a first event, its value or its kinds."""
    rows = _bound("select count(distinct person_id) from condition_occurrence where condition_concept_id = 201826")
    first = _bound(
        "with f as (select person_id, min(condition_start_date) as day from condition_occurrence where condition_concept_id = 201826 "
        "group by person_id) select year(day), count(*) from f group by 1"
    )
    assert Attributes(first).of((), ()) == Attributes(rows).of((), ())
    assert Attributes(first).of((0,), (0,)) == Attributes(rows).of((), ())
    value = _bound(
        "select avg(v) from (select person_id, value_as_number as v, row_number() over (partition by person_id order by measurement_date) "
        "as n from measurement where measurement_concept_id = 3004410) t where n = 1"
    )
    told = Attributes(_bound("select avg(value_as_number) from measurement where measurement_concept_id = 3004410"))
    assert Attributes(value).of_values(value.value_columns[0], (), ()) == told.of_values("measurement.value_as_number", (), ())


def test_under_noise_a_difference_is_of_the_table_with_many_rows() -> None:
    """Days from a person's many visits to the one death put a person into many cells, though they are named beside the death."""
    sql = (
        "select case when datediff('day', condition_start_date, birth_date) < 0 then 1 else 2 end, count(distinct p.person_id) "
        f"{PERSONS} group by 1"
    )
    rules = Rules(**{**PRESETS["10-5"], "dp": Dp(epsilon_total=8, epsilon_per_answer=1, cells_per_person=1)})
    with pytest.raises(Refused, match="in at once"):
        cells_of_person(_bound(sql), rules)


def test_days_cut_finely_within_a_stay_alone() -> None:
    """Days from a day that all share would tell the day of the other date: those cut at usual times, as 30 days or a year."""
    stay = "select count(*) from condition_occurrence where datediff('day', condition_start_date, condition_end_date) >= {}"
    apart = (
        "select count(*) from condition_occurrence c join observation_period o on o.person_id = c.person_id where "
        "datediff('day', c.condition_start_date, o.observation_period_end_date) >= {}"
    )
    for days in (0, 1, 5, 7, 30):
        assert _bound(stay.format(days))
    for days in (0, 1, 7, 8, 30, 31, 365, -30):
        assert _bound(apart.format(days))
    for days in (5, 9, 42, -2):
        with pytest.raises(Refused, match="not an edge at which days from condition_start_date to observation_period_end_date"):
            _bound(apart.format(days))


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (f"select avg(year(condition_start_date) - weight) {PERSONS}", "holds none"),
        (f"select avg(datediff('year', year_of_birth, condition_start_date)) {PERSONS}", "is none"),
        (f"select year(condition_start_date) - year_of_birth, count(*) {PERSONS} group by 1", "in bins"),
        (f"select count(*) {PERSONS} where year(condition_start_date) - year_of_birth > 130", "not an edge"),
        ("select count(*) from observation_period where observation_period_end_date - observation_period_start_date > 200", "not an edge"),
    ],
)
def test_what_a_difference_cannot_be_is_refused(sql: str, says: str) -> None:
    """By the catalogue alone."""
    with pytest.raises(Refused, match=says):
        _bound(sql)
