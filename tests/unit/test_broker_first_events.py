"""First events as tables of a plan: what is measured of them, and by which rules they are judged."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from broker_world import SECRET
from cohort_world import CATALOGUE, CONDITIONS, DAY0, Clinic, frames
from pydantic import ValidationError
from test_broker_cohort_attacks import Spy

from reference.isolation import isolated
from twinpane_broker.broker import Broker
from twinpane_broker.catalogue.catalogue import Table
from twinpane_broker.check.resolve import check
from twinpane_broker.engine.duckdb.duckdb_engine import DuckEngine
from twinpane_broker.errors import RefusalCode, Refused
from twinpane_broker.memory import InProcessMemory
from twinpane_broker.question.cohort import Event
from twinpane_broker.question.firsts import First
from twinpane_broker.question.plan import Plan
from twinpane_broker.question.predicates import In
from twinpane_broker.release.release import Refusal, Release
from twinpane_broker.rules.policy import load_rules
from twinpane_broker.sql import parse_sql

DIABETES, PRESSURE, INFARCT = CONDITIONS
PERSONS = 300
RULES = load_rules({"preset": "10-5", "threshold": 10, "withheld_per_day": 10_000})


def _first(code: int) -> str:
    return (
        "f as (select person_id, min(condition_start_date) as day from condition_occurrence "
        f"where condition_concept_id = {code} group by person_id)"
    )


def _tables() -> dict[str, Any]:
    """Everybody but three persons has diabetes, in 2015 to 2018; three have an infarct; a hundred have pressure, first in 2016 all."""
    made = frames(PERSONS, seed=7)
    frame, rows = type(made["person"]), []
    for i in range(1, PERSONS + 1):
        days = {PRESSURE: date(2016, 1 + i % 12, 3)} if i <= 100 else {}
        days |= {DIABETES: DAY0 + timedelta(days=365 * (i % 4) + 40)} if i > 3 else {INFARCT: DAY0}
        for code, day in days.items():
            rows += [{"person_id": i, "condition_concept_id": code, "condition_start_date": day + timedelta(days=400 * later),
                      "condition_end_date": day + timedelta(days=400 * later + 5)} for later in range(2)]  # fmt: skip
    return made | {"condition_occurrence": frame(rows)}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckEngine]:
    folder: Path = tmp_path_factory.mktemp("first")
    made = DuckEngine(Clinic(folder, _tables()).file)
    yield made
    made.close()


def _insensitive(table: Table) -> Table:
    return table.model_copy(update={"columns": tuple(c.model_copy(update={"sensitive": False}) for c in table.columns)})


def _ask(engine: DuckEngine, sql: str) -> Release | Refusal:
    return Broker(CATALOGUE, RULES, engine, InProcessMemory(), secret=SECRET).run(parse_sql(sql, CATALOGUE))


def test_that_it_happened_is_a_condition_like_a_cohorts(engine: DuckEngine) -> None:
    """Measured within the persons of the question's own tables, whether its day is asked for or not."""
    for day in ("", "year(f.day), "):
        by = " group by 1" if day else ""
        sql = f"with {_first(PRESSURE)} select {day}count(*) from person p join f on f.person_id = p.person_id{by}"
        evidence = engine.measure(check(parse_sql(sql, CATALOGUE), CATALOGUE))
        assert len(evidence.population) == PERSONS
        assert [(len(one.who), one.of_class) for one in evidence.conditions] == [(100, True)]


def test_one_that_a_few_have_or_lack_is_withheld(engine: DuckEngine) -> None:
    """Whether it is counted, split by its year, or days are counted from it."""
    for code in (INFARCT, DIABETES):
        for asked in (
            "select count(*) from person p join f on f.person_id = p.person_id",
            "select year(f.day), count(*) from person p join f on f.person_id = p.person_id group by 1",
            "select avg(datediff('day', p.birth_date, f.day)) from person p join f on f.person_id = p.person_id",
            "select year(day), count(*) from f group by 1",
        ):
            answer = _ask(engine, f"with {_first(code)} {asked}")
            assert isinstance(answer, Refusal), (code, asked)
            assert answer.code is RefusalCode.withheld


def test_new_cases_in_a_window_of_their_own_day_are_counted(engine: DuckEngine) -> None:
    """All whose day lies in the window had the event: that is what the window says, and no class."""
    window = "day >= '2016-01-01' and day < '2016-07-01'"
    for source, by in (("f", "day"), ("person p join f on f.person_id = p.person_id", "f.day")):
        quarters = f"select date_trunc('quarter', {by}), count(*) from {source} where {window} group by 1"
        answer = _ask(engine, f"with {_first(PRESSURE)} {quarters}")
        assert isinstance(answer, Release), answer
        assert sum(row.values[0].value or 0 for row in answer.rows) == pytest.approx(52, abs=8)
    years = "select year(day), count(*) from f where day >= '2015-01-01' and day < '2018-01-01' group by 1"
    assert isinstance(_ask(engine, f"with {_first(DIABETES)} {years}"), Refusal)


def test_that_all_had_it_in_one_year_is_not_told(engine: DuckEngine) -> None:
    """Class disclosure: the catalogue tells of the days of all events, not of the first ones."""
    sql = f"with {_first(PRESSURE)} select year(day), count(*) from f where day >= '2016-01-01' and day < '2018-01-01' group by 1"
    rules = RULES.model_copy(update={"zeros": "shown"})
    assert isinstance(Broker(CATALOGUE, rules, engine, InProcessMemory(), secret=SECRET).run(parse_sql(sql, CATALOGUE)), Refusal)
    told = CATALOGUE.model_copy(update={"tables": tuple(_insensitive(table) for table in CATALOGUE.tables)})
    answer = Broker(told, rules, engine, InProcessMemory(), secret=SECRET).run(parse_sql(sql, told))
    assert isinstance(answer, Release)
    assert [row.values[0].value for row in answer.rows] == [100, 0]


def test_rows_are_not_multiplied_by_a_first_event(engine: DuckEngine) -> None:
    """Two persons' events stay two, however many the person has; the mean is one of persons."""
    sql = f"with {_first(PRESSURE)} select count(*), count(distinct p.person_id) from person p join f on f.person_id = p.person_id "
    evidence = engine.measure(check(parse_sql(f"{sql}where f.day < '2016-07-01'", CATALOGUE), CATALOGUE))
    assert evidence.cell(()).rows == len(evidence.who) == 52


def test_its_name_follows_from_the_event_alone() -> None:
    """Equal names mean equal days: person sets are kept by name."""
    event = Event(table="condition_occurrence", date="condition_start_date", where=In(column="condition_occurrence.a", codes=(1, 2)))
    same = event.model_copy(update={"where": In(column="condition_occurrence.a", codes=(2, 1))})
    other = event.model_copy(update={"where": In(column="condition_occurrence.a", codes=(1,))})
    assert First(event=event).name == First(event=same).name != First(event=other).name
    assert First(event=event.model_copy(update={"table": "t" * 63, "where": None})).name.isidentifier()


@pytest.mark.parametrize(
    "wrong",
    [
        {"event": {"table": "condition_occurrence"}},
        {"event": {"table": "condition_occurrence", "date": "condition_start_date", "first": True}},
        {"event": {"table": "condition_occurrence", "date": "condition_start_date"}, "name": "f"},
    ],
)
def test_a_first_event_without_a_day_is_no_part_of_a_plan(wrong: dict[str, Any]) -> None:
    """Nor one that is marked as first once more, or brings a name of its own."""
    with pytest.raises(ValidationError):
        First.model_validate(wrong)


def test_first_events_come_last_each_once_and_are_read_back() -> None:
    """A plan with them is closed and bounded as any; without them it has the bytes that it had."""
    sql = f"with {_first(PRESSURE)} select year(f.day), count(*) from person p join f on f.person_id = p.person_id group by 1"
    plan = parse_sql(sql, CATALOGUE)
    said = plan.model_dump()
    assert Plan.model_validate_json(plan.canonical()) == plan
    assert "firsts" not in parse_sql("select count(*) from person", CATALOGUE).model_dump()
    for wrong in (
        {**said, "firsts": said["firsts"] * 2},
        {**said, "firsts": []},
        {**said, "joins": []},
        {**said, "table": plan.firsts[0].name, "joins": [{"table": "person", "left": f"{plan.firsts[0].name}.person_id",
                                                          "right": "person.person_id"}]},
    ):  # fmt: skip
        with pytest.raises((ValidationError, Refused)):
            check(Plan.model_validate(wrong), CATALOGUE)


@pytest.mark.parametrize(("table", "day"), [("nowhere", "day"), ("condition_occurrence", "nothing"), ("person", "weight")])
def test_a_first_event_is_one_the_catalogue_lists(table: str, day: str) -> None:
    """By a date of a table that exists."""
    first = First(event=Event(table=table, date=day))
    plan = Plan.model_validate({"table": first.name, "firsts": [first.model_dump()], "measures": [{"kind": "persons"}]})
    with pytest.raises(Refused):
        check(plan, CATALOGUE)


def _random_question(rng: random.Random) -> str:
    """Windows of the first day moved month by month, by year or not, with a condition or not, alone or beside persons or another event."""
    code, month, year = rng.choice((PRESSURE, DIABETES)), rng.randrange(1, 13), rng.randrange(2015, 2019)
    first, by = _first(code), rng.choice(("", "", "year(f.day), ", "gender_concept_id, "))
    beside = rng.choice(("", " join person p on p.person_id = f.person_id"))
    if by.startswith("gender"):
        beside = " join person p on p.person_id = f.person_id"
    terms = [f"f.day {rng.choice(('<', '>='))} '{year}-{month:02}-01'"]
    if beside and rng.random() < 0.5:
        terms.append(f"p.weight >= {rng.randrange(40, 120, 4)}")
    if rng.random() < 0.3:
        terms.append(f"f.person_id {rng.choice(('', 'not '))}in (select person_id from drug_exposure where drug_concept_id = 1503297)")
    return f"with {first} select {by}count(*) from f{beside} where {' and '.join(terms)}{' group by 1' if by else ''}"


def test_random_questions_about_first_events_isolate_nobody(engine: DuckEngine) -> None:
    """Of all sets about which a number left, none is of a few, nor differs from another, or from a sum of others, by a few."""
    rng, memory = random.Random(5), Spy()
    exact = load_rules({"preset": "cms-11", "threshold": 11, "withheld_per_day": 10_000})
    broker = Broker(CATALOGUE, exact, engine, memory, secret=SECRET)
    answers = [broker.run(parse_sql(_random_question(rng), CATALOGUE)) for _ in range(120)]
    assert sum(isinstance(answer, Release) for answer in answers) >= 15
    assert any(isinstance(answer, Refusal) for answer in answers)
    assert isolated(memory.released, exact.threshold) == []
