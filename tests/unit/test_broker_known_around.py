"""What acquaintances know counts as released: whether one known person lacks what nearly all of a group have, no answer tells."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from broker_world import CATALOGUE, TEN_FIVE, World, bound_to, people, visits

from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.disclosure.known_around import KnownAround
from twinpane_broker.disclosure.known_plans import known_plans, of_persons
from twinpane_broker.errors import RefusalCode
from twinpane_broker.memory import InProcessMemory, StandIn
from twinpane_broker.question.predicates import leaves
from twinpane_broker.release.release import Refusal, Release
from twinpane_broker.rules.policy import Rules, load_rules

PERSON, *EVENTS = CATALOGUE.tables
KNOWN = tuple(c.model_copy(update={"sensitive": c.name not in ("sex", "race", "age")}) for c in PERSON.columns)
OPEN: Catalogue = CATALOGUE.model_copy(update={"tables": (PERSON.model_copy(update={"columns": KNOWN}), *EVENTS)})
"""Sex, race and age are known to anybody."""
EXACT = load_rules({"preset": "cms-11", "threshold": 11, "withheld_per_day": 1000})
JOINED = "visit v join person p on v.person_id = p.person_id"
GROUP = "p.race = 'a' and p.age >= 30 and p.age < 40"
OF_PERSONS = f"select count(*) n from person p where {GROUP} and "
MONTH = "'2020-02-01' and {} < '2020-03-01'"
WARDS, THEN = "ward in ('icu', 'er')", f"day >= {MONTH.format('day')}"


def world(folder: Path, group: int, lacks: str, rules: Rules = TEN_FIVE, others: int = 0) -> World:
    """So many persons are of race a and in their thirties, and come in February 2020. The first of them ``lacks`` weight, or visits, or was
    on another ward; so do some others of them."""
    folder.mkdir(parents=True)
    first = {*range(1, 1 + others), *((0,) if lacks else ())}
    person = people(
        race=lambda i: "a" if i < group or i % 3 == 0 else "b", age=lambda i: 30 + i % 10 if i < group else 40 + i % 30,
        weight=lambda i: 40.0 if (i in first and lacks == "weight") or (i >= group and i % 10 == 9) else 70.0 + i % 9,
    )  # fmt: skip
    came = (i for i in range(1000) if lacks != "visits" or i not in first)
    rows: list[Any] = [
        {
            "person_id": i, "day": pd.Timestamp("2020-02-03" if i < group else "2019-05-06"),
            "ward": "day" if (i in first and lacks == "ward") or i % 5 == 4 < i - group else ("icu", "er")[i % 2],
        }
        for i in came
    ]  # fmt: skip
    return World(folder, rules, catalogue=OPEN, memory=InProcessMemory(), person=person, visit=visits(rows))


def looks(answer: Release | Refusal) -> object:
    """All that an answer shows."""
    return (answer.persons, answer.about, answer.rows) if isinstance(answer, Release) else answer.code


ASKED = {
    "a range": ("weight", OF_PERSONS + "weight >= 50"),
    "the other side of a range": ("weight", OF_PERSONS + "not weight < 50"),
    "two secrets": ("weight", OF_PERSONS + "weight >= 50 and weight < 100"),
    "a range, by sex": ("weight", f"select sex, count(*) n from person p where {GROUP} and weight >= 50 group by sex"),
    "who came": ("visits", f"select count(distinct v.person_id) n from {JOINED} where {GROUP}"),
    "who came, by sex": ("visits", f"select sex, count(distinct v.person_id) n from {JOINED} where {GROUP} group by sex"),
    "visits of heavy ones": ("weight", f"select count(*) n from {JOINED} where {GROUP} and p.weight >= 50"),
    "heavy ones of a month": (
        "weight", f"select count(distinct v.person_id) n from {JOINED} where v.day >= {MONTH.format('v.day')} and p.weight >= 50"
    ),
    "first visits in a month": (
        "weight",
        "select count(*) from (select person_id, min(day) d from visit group by person_id) f join person p on f.person_id = p.person_id "
        f"where f.d >= {MONTH.format('f.d')} and p.weight >= 50",
    ),
    "who was on one of two wards then": ("ward", OF_PERSONS + f"person_id in (select person_id from visit where {WARDS} and {THEN})"),
    "who was on one of two wards": ("ward", OF_PERSONS + f"person_id in (select person_id from visit where {WARDS})"),
    "who was not on a third": ("ward", OF_PERSONS + f"person_id not in (select person_id from visit where ward = 'day' and {THEN})"),
    "visits to two wards, first then": (
        "ward",
        f"select count(*) from (select person_id, min(day) d from visit where {WARDS} group by person_id) f join person p "
        f"on f.person_id = p.person_id where f.d >= {MONTH.format('f.d')}",
    ),
    "visits to two wards, first in one of two months": (
        "ward",
        f"select count(*) from (select person_id, min(day) d from visit where {WARDS} group by person_id) f join person p "
        f"on f.person_id = p.person_id where (f.d >= {MONTH.format('f.d')}) or (f.d >= '2020-04-01' and f.d < '2020-05-01')",
    ),
    "visits to two wards, by the month of the first": (
        "ward",
        f"select date_trunc('month', f.d) m, count(*) from (select person_id, min(day) d from visit where {WARDS} group by person_id) f "
        "join person p on f.person_id = p.person_id group by m",
    ),
    "who was somewhere": ("visits", OF_PERSONS + "person_id in (select person_id from visit where ward in ('icu', 'er', 'day'))"),
}  # fmt: skip


@pytest.mark.parametrize(("group", "rules"), [(13, TEN_FIVE), (48, TEN_FIVE), (48, EXACT)], ids=["small", "rounded", "exact"])
@pytest.mark.parametrize("asked", ASKED)
def test_no_answer_tells_who_lacks_what_nearly_all_have(tmp_path: Path, asked: str, group: int, rules: Rules) -> None:
    """Of a known group whose number turns in rounding: where one of them lacks it, the answer is the same."""
    secret, sql = ASKED[asked]
    seen = [looks(world(tmp_path / (lacks or "nothing"), group, lacks, rules).ask(sql)) for lacks in ("", secret)]
    assert seen[0] == seen[1]
    assert seen[0] is not RefusalCode.catalogue


def test_the_number_of_a_known_group_stands_in(tmp_path: Path) -> None:
    """It is shown, marked; a group so small that its number would tell of few is withheld."""
    _, sql = ASKED["a range"]
    answer = world(tmp_path / "large", 48, "weight").ask(sql)
    assert isinstance(answer, Release)
    assert (answer.persons, answer.about) == (50, True)
    assert looks(world(tmp_path / "small", 13, "weight").ask(sql)) is RefusalCode.withheld
    far = world(tmp_path / "far", 48, "weight", others=25).ask(sql)
    assert isinstance(far, Release)
    assert (far.persons, far.about) == (20, False)


@pytest.mark.parametrize("others", [3, 12, 17, 25])
def test_everybody_is_never_the_one_that_is_marked(tmp_path: Path, others: int) -> None:
    """Whether persons or their visits are asked about first: those who came may bear everybody's number, never the other way round."""
    came, everybody = f"select count(distinct v.person_id) n from {JOINED}", "select count(*) n from person"
    made = [world(tmp_path / str(place), 48, "visits", others=others) for place in range(2)]
    first = {sql: looks(made[0].ask(sql)) for sql in (came, everybody)}
    assert {sql: looks(made[1].ask(sql)) for sql in (everybody, came)} == first
    for each in made:
        answer, by_sex = each.ask(everybody), each.ask("select sex, count(*) n from person group by sex")
        assert isinstance(answer, Release)
        assert isinstance(by_sex, Release)
        assert (answer.persons, answer.about, by_sex.about) == (1000, False, False)
        if others == 3:
            assert not any(row.about for row in by_sex.rows)
            visitors = each.ask(came)
            assert isinstance(visitors, Release)
            assert (visitors.persons, visitors.about) == (1000, True)


def test_whether_a_few_known_persons_came_is_no_refusal(tmp_path: Path) -> None:
    """Of three persons of one age one came, or nobody: all but these are asked about among those who came. It is refused in any case."""
    seen = []
    for came in (True, False):
        (tmp_path / str(came)).mkdir()
        person = people(age=lambda i: 99 if i < 3 else 20 + i % 60)
        rows: list[Any] = [{"person_id": i} for i in range(0 if came else 1, 1000) if i not in (1, 2) and i % 5]
        rows += [{"person_id": 0}] if came else []
        made = World(tmp_path / str(came), catalogue=OPEN, person=person, visit=visits(rows))
        seen.append(looks(made.ask(f"select count(distinct v.person_id) n from {JOINED} where p.age < 99")))
    assert seen[0] == seen[1]


def test_rows_of_known_persons_are_not_told(tmp_path: Path) -> None:
    """Who knows when everybody came would see the visits of one person missing; where nothing secret is asked, they know the answer."""
    rows = [{"person_id": i} for i in range(1000) for _ in range(1 + i % 2)]
    made = World(tmp_path, catalogue=OPEN, person=people(weight=lambda i: 40.0 if i == 0 else 70.0 + i % 9), visit=visits(rows))
    heavy, every = (
        made.ask(f"select count(distinct v.person_id) m, count(*) n, avg(p.weight) w from {JOINED} where {where}")
        for where in ("p.race = 'a' and p.weight >= 50", "p.race = 'b'")
    )
    assert isinstance(heavy, Release)
    assert isinstance(every, Release)
    assert [value.suppressed for value in heavy.rows[0].values] == [False, True, False]
    assert heavy.rows[0].values[2].n is None
    assert [value.suppressed for value in every.rows[0].values] == [False, False, False]


@dataclass(frozen=True)
class Known:
    """A known set of so many persons."""

    persons: int

    def name(self, _cell: object) -> bytes:
        """It has one of its own."""
        return str(self.persons).encode()

    def totals(self, _cell: object) -> frozenset[bytes]:
        """None."""
        return frozenset()

    def who(self, _cell: object) -> PersonSet:
        """The first so many."""
        return PersonSet(range(self.persons))


def test_a_number_says_how_many_known_sets_are_in_between() -> None:
    """A set near one that is near a third bears that one's number: the exact number may differ by as many persons for each of them."""
    around = KnownAround(bound_to("select count(*) from person", OPEN), pytest.fail, lambda _: 15)
    around._found[()] = tuple(map(Known, (140, 128, 116, 104)))  # type: ignore[arg-type]
    for persons, through in ((92, 3), (110, 2), (130, 0)):
        found = around.near(PersonSet(range(persons)), b"asked", (), ())
        assert found is not None
        assert (len(found.who), found.through) == (140, through)
        stand_in = StandIn(found.who, len(found.who), found.name, more=found.through)
        assert abs(len(found.who) - persons) <= stand_in.steps * TEN_FIVE.most_about


def test_whether_few_had_a_first_event_in_a_month_is_no_refusal(tmp_path: Path) -> None:
    """Everybody knows who came in that month. Before, an OR on days of secret first events was refused where few had one."""
    first = f"(select person_id, min(day) d from visit where {WARDS} group by person_id) f"
    months = f"(f.d >= {MONTH.format('f.d')}) or (f.d >= '2019-05-01' and f.d < '2019-06-01')"
    asked = bound_to(f"select count(*) n from {first} join person p on f.person_id = p.person_id where {months}", OPEN)
    assert world(tmp_path / "site", 3, "").engine.measure(asked).ways == ()


# ---------------------------------------------------------------- which questions are known


def tables_and_conditions(sql: str) -> list[tuple[tuple[str, ...], int]]:
    """Of each known question its tables, and how many comparisons it has."""
    plans = known_plans(bound_to(sql, OPEN))
    return [(known.plan.tables, len(str(known.plan.where).split("column=")) - 1) for known in plans]


def test_what_is_secret_is_left_out_of_a_question() -> None:
    """Conditions on it, tables of events in any choice; an OR also as if nobody had it."""
    assert tables_and_conditions("select count(*) from person where age < 40 and weight >= 50") == [(("person",), 1)]
    assert tables_and_conditions("select count(*) from person where age < 40 or weight >= 50") == [(("person",), 0), (("person",), 1)]
    joined = f"select count(*) from {JOINED} where p.age < 40 and v.day >= '2020-02-01' and v.ward = 'icu'"
    assert tables_and_conditions(joined) == [(("person",), 1), (("person", "visit"), 2)]
    two = "select count(*) from visit v join drug d on v.person_id = d.patient where v.day >= '2020-02-01'"
    assert tables_and_conditions(two) == [(("person",), 0), (("visit",), 1), (("drug",), 0), (("visit", "drug"), 1)]


def test_every_known_question_is_looked_at_once() -> None:
    """Before, equal ones filled the first 64, and those that followed went unseen."""
    mixed = "(v.day >= '2020-02-01' or p.weight >= 50) and (p.age < 40 or v.ward = 'icu') and (p.sex = 'F' or p.weight >= 60)"
    found = known_plans(bound_to(f"select count(*) from {JOINED} where {mixed}", OPEN))
    assert found is not None
    assert len({known.plan for known in found}) == len(found) == 4 + 8


def test_a_question_with_too_many_known_ones_is_withheld(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not looked at could tell of somebody. That they are too many follows from the question alone."""
    monkeypatch.setattr("twinpane_broker.disclosure.known_plans.MOST", 1)
    answer = world(tmp_path / "site", 200, "").ask("select count(*) from person where age < 40 or weight >= 50")
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.withheld


def test_each_step_of_a_cohort_is_known_by_itself() -> None:
    """Before, secrets were taken to hold for everybody in all steps, or for nobody in all: a mixture of both went unseen."""
    ill = "p.person_id in (select person_id from visit where ward = 'icu')"
    came = "p.person_id in (select person_id from visit where day >= '20{}-02-01' and day < '20{}-03-01')"
    steps = " and ".join(f"({ill} or {came.format(year, year)})" for year in (20, 21))
    asked = bound_to(f"select count(*) from person p where {steps}", OPEN)
    known = [plan.plan.cohort for plan in known_plans(asked) or ()]
    criteria = [sorted(len(step.criteria) for step in cohort.steps) for cohort in known if cohort is not None]
    # Of each step: whoever came then, whoever came at all or then, or anybody.
    assert sorted(criteria) == sorted([[1], [1], [2], [2], [1, 1], [1, 2], [1, 2], [2, 2]])


def test_known_steps_of_a_cohort_hide_none_of_its_mixed_ones() -> None:
    """However many there are: each has one way to be known."""
    ill = "p.person_id in (select person_id from visit where ward = 'icu')"
    came = [f"p.person_id in (select person_id from visit where day >= '2019-0{month}-01')" for month in range(1, 8)]
    steps = " and ".join([f"({ill} or {came[0]})", *came[1:]])
    asked = bound_to(f"select count(*) from person p where {steps}", OPEN)
    known = {len(plan.plan.cohort.steps) for plan in known_plans(asked) or () if plan.plan.cohort is not None}
    assert known == {len(came), len(came) - 1}


def test_an_event_is_known_as_any_row_of_its_table() -> None:
    """Of what is asked of it what everybody knows is kept: who came in a month, whatever for. Before, all of the event was left out."""
    then = f"select count(*) from person where person_id in (select person_id from visit where {WARDS} and {THEN})"
    known = [plan.plan.cohort for plan in known_plans(bound_to(then, OPEN)) or ()]
    kept = [{leaf.column for event in cohort.events for leaf in leaves(event.where)} for cohort in known if cohort is not None]
    assert kept == [{"visit.day"}]


def test_a_secret_first_event_is_known_as_the_first_of_any_kind() -> None:
    """Its day is known then, and so are the groups by it."""
    first = f"(select person_id, min(day) d from visit where {WARDS} group by person_id) f"
    asked = f"select year(f.d) y, count(*) n from {first} join person p on f.person_id = p.person_id where p.age < 40 group by y"
    known = known_plans(bound_to(asked, OPEN)) or ()
    assert sorted(len(plan.firsts) for plan in known) == [0, 1]
    assert all(first.event.where is None for plan in known for first in plan.firsts.values())


def test_the_persons_of_a_question_are_asked_about_alone() -> None:
    """Without tables of events, cohorts and secrets."""
    alone = of_persons(bound_to(f"select count(*) from {JOINED} where p.age < 40 and v.day >= '2020-02-01' and p.weight >= 50", OPEN))
    assert alone is not None
    assert alone.plan.tables == ("person",)
    assert "age" in str(alone.plan.where)
    assert "weight" not in str(alone.plan.where)
