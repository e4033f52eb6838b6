"""Attacks by what a question calls a thing: the same name for other persons or rows, and other names for the same values (7.4, 7.19)."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from reference.hospital import EXACT
from twinpane_broker.catalogue.catalogue import Catalogue, Column, Table
from twinpane_broker.question.plan import Plan
from twinpane_broker.release.release import Refusal, Release
from twinpane_broker.sql import parse_sql
from unit.broker_world import codes, drugs, people, visits

from .ward import hospital

STAYS = Catalogue(
    site="north",
    snapshot="2026-10",
    persons=1000,
    tables=(
        Table(
            name="stay",
            person_key="person_id",
            columns=(
                Column(name="person_id", type="integer", role="key"),
                Column(name="sex", type="varchar", role="dimension", codes=codes("F", "M")),
                Column(name="race", type="varchar", role="dimension", codes=codes("a", "b")),
                Column(name="since", type="date", role="date", days=("2019-01-01", "2020-01-01")),
                Column(name="until", type="date", role="date", days=("2019-01-01", "2020-01-01")),
                Column(name="cost", type="double", role="measure", bounds=(0, 100)),
                Column(name="pain", type="double", role="measure", bounds=(0, 100)),
            ),
        ),
    ),
)


def stays() -> pd.DataFrame:
    """A thousand stays; of race a are all women but number 0, who stayed longest."""
    first = date(2019, 2, 1)
    rows = [
        (i, "F" if i < 200 else "M", "a" if 0 < i < 200 else "b", first, first + timedelta(days=45 if i == 0 else i % 9), i % 7, i % 13)
        for i in range(1000)
    ]
    return pd.DataFrame(rows, columns=["person_id", "sex", "race", "since", "until", "cost", "pain"]).astype({"cost": float, "pain": float})


def named(plan: Plan) -> Plan:
    """The same question, its difference of dates by another name."""
    (days,) = plan.differences
    measures = tuple(m.model_copy(update={"column": "stay.length"}) if m.column == days.name else m for m in plan.measures)
    return Plan.model_validate(
        plan.model_copy(update={"differences": (days.model_copy(update={"name": "stay.length"}),), "measures": measures})
    )


@pytest.mark.parametrize("again", [named, lambda plan: plan], ids=["another name", "the same name"])
def test_a_difference_of_dates_by_another_name_is_not_told(tmp_path: Path, again: Callable[[Plan], Plan]) -> None:
    """The means of all women and of all but one would tell how long she stayed."""
    site = hospital(tmp_path, catalogue=STAYS, stay=stays())
    mean = "SELECT avg(datediff('day', since, until)) FROM stay WHERE"
    plans = [parse_sql(f"{mean} {where}", STAYS) for where in ("sex = 'F'", "race = 'a'")]
    first, second = site.run(plans[0]), site.run(again(plans[1]))
    assert isinstance(first, Release)
    assert first.rows[0].values[0].value == pytest.approx(4.2, abs=0.1)
    assert isinstance(second, Release)
    assert second.rows[0].about
    assert second.rows[0].values[0].suppressed


def test_days_counted_backwards_are_not_told(tmp_path: Path) -> None:
    """The mean of the days from the end to the start is the same number."""
    site = hospital(tmp_path, catalogue=STAYS, stay=stays())
    first = site.ask("SELECT avg(datediff('day', since, until)) FROM stay WHERE sex = 'F'")
    second = site.ask("SELECT avg(datediff('day', until, since)) FROM stay WHERE race = 'a'")
    assert first.rows[0].values[0].value
    assert second.rows[0].values[0].suppressed


def test_a_correlation_the_other_way_round_is_not_told(tmp_path: Path) -> None:
    """The correlation of x and y is that of y and x: both would tell what one woman more does to it."""
    site = hospital(tmp_path, catalogue=STAYS, stay=stays())
    first = site.ask("SELECT corr(cost, pain) FROM stay WHERE sex = 'F'")
    second = site.ask("SELECT corr(pain, cost) FROM stay WHERE race = 'a'")
    assert first.rows[0].values[0].value is not None
    assert second.rows[0].values[0].suppressed


def joined(folder: Path, twice: bool) -> list[Release]:
    """Prescriptions beside visits, by person and by visit; number 0 has two visits, or only one."""
    rows = [{"person_id": i} for i in range(60)] + [{"person_id": 0}] * twice
    doses = [{"patient": i, "visit_id": i, "dose": 90.0 if i == 0 else 10.0 + i % 9} for i in range(60)]
    site = hospital(folder, visit=visits(rows), drug=drugs(doses))
    keys = ("drug.patient = visit.person_id", "drug.visit_id = visit.visit_id")
    return [site.ask(f"SELECT count(distinct visit.person_id), avg(dose) FROM visit JOIN drug ON {on}") for on in keys]


def test_a_join_by_other_keys_tells_no_mean_of_its_own(tmp_path: Path) -> None:
    """The same persons, and one woman's dose twice: two means would tell it."""
    by_person, by_visit = joined(tmp_path, twice=True)
    assert by_person.rows[0].values[1].value is not None
    assert by_visit.rows[0].about
    assert by_visit.rows[0].values[1].suppressed


def test_a_join_by_other_keys_does_not_tell_who_is_equal(tmp_path: Path) -> None:
    """Drug x on any visit to a ward, and on this one: equal sets bear the mark, as near ones do."""
    marks = []
    for case, elsewhere in enumerate((0, 1)):
        doses = [{"patient": i, "visit_id": i if i >= elsewhere else 999, "name": "x"} for i in range(60)]
        site = hospital(tmp_path / str(case), drug=drugs(doses))
        keys = ("drug.patient = visit.person_id", "drug.visit_id = visit.visit_id")
        answers = [site.ask(f"SELECT count(distinct visit.person_id) FROM visit JOIN drug ON {on}") for on in keys]
        marks.append([(answer.about, answer.persons) for answer in answers])
    assert marks[0] == marks[1]
    assert marks[0][1][0]


def test_a_case_called_like_a_code_does_not_tell_who_is_equal(tmp_path: Path) -> None:
    """'a' may be called what holds a and c: whether anybody has c is not told by the mark."""
    marks = []
    for case, of_c in enumerate((0, 1)):
        person = people(race=lambda i, of_c=of_c: "c" if i < of_c else "b" if i < 500 + of_c else "a")
        site = hospital(tmp_path / str(case), person=person)
        first = site.ask("SELECT count(distinct person_id) FROM person WHERE race = 'b'")
        second = site.ask(
            "SELECT CASE WHEN race IN ('b', 'c') THEN 'b' ELSE 'rest' END AS part, count(distinct person_id) AS n FROM person GROUP BY part"
        )
        marks.append([(row.about, row.persons) for row in (*first.rows, *second.rows[:1])])
    assert marks[0] == marks[1] == [(False, 500), (True, 500)]


def test_a_value_in_another_unit_is_not_told_of_a_near_set(tmp_path: Path) -> None:
    """Pounds carry what kilograms do: the mean in pounds of all women but one would tell hers."""
    person = people(sex=lambda i: "F" if i < 65 else "M", race=lambda i: "a" if 0 < i < 65 else "b")
    site = hospital(tmp_path, person=person.assign(age=person.weight / 2))
    assert site.ask("SELECT avg(weight) FROM person WHERE sex = 'F'").rows[0].values[0].value
    near = site.ask("SELECT avg(age) FROM person WHERE race = 'a'")
    assert near.about
    assert near.rows[0].values[0].suppressed


OF_VALUES = ("avg(weight)", "stddev(weight)", "median(weight)", "corr(weight, age)")


@pytest.mark.parametrize(("first", "second"), [(one, other) for one in OF_VALUES for other in OF_VALUES])
def test_numbers_that_can_be_subtracted_are_told_once(tmp_path: Path, first: str, second: str) -> None:
    """Of all women, then of all but one: never two numbers of a kind. A mean less a median is nothing, so both are told."""
    shown = []
    for lacking in (0, 1):
        person = people(sex=lambda i: "F" if i < 80 else "M", race=lambda i, lacking=lacking: "a" if lacking <= i < 80 else "b")
        site = hospital(tmp_path / str(lacking), person=person)
        assert site.ask(f"SELECT {first} FROM person WHERE sex = 'F'").rows[0].values[0].value is not None
        near = site.ask(f"SELECT {second} FROM person WHERE race = 'a'")
        assert near.about
        shown.append(not near.rows[0].values[0].suppressed)
    sums = OF_VALUES[:2]
    of_one_kind = first == second or (first in sums and second in sums)
    assert shown == [not of_one_kind] * 2


@pytest.mark.parametrize("measure", ["avg(weight)", "avg(age)", "median(weight)", "corr(weight, age)"])
def test_values_in_a_stand_ins_table_do_not_tell_who_is_equal(tmp_path: Path, measure: str) -> None:
    """All women, then all of race a: whether a mean is shown again, in the same words, tells of nobody whether she is of race a."""
    shown = []
    for lacking in (0, 1):
        person = people(sex=lambda i: "F" if i < 80 else "M", race=lambda i, lacking=lacking: "a" if lacking <= i < 80 else "b")
        site = hospital(tmp_path / str(lacking), person=person)
        site.ask("SELECT count(*) FROM person WHERE sex = 'F'")
        answers = [site.ask(f"SELECT {each} FROM person WHERE race = 'a'") for each in ("avg(weight)", measure)]
        answers.append(site.ask(f"SELECT {measure} FROM person WHERE sex = 'F'"))
        shown.append([not answer.rows[0].values[0].suppressed for answer in answers])
    assert shown[0] == shown[1] == [True, True, False]


@pytest.mark.parametrize(
    ("persons", "column"),
    [
        (29, "stddev(weight)"),
        (49, "corr(weight, age)"),
        (21, "median(weight)"),
        (43, "quantile_cont(weight, 0.75)"),
        (109, "quantile_cont(weight, 0.1)"),
        (11, "avg(weight)"),
    ],
)
def test_what_a_number_needs_is_no_scale_beside_a_mark(tmp_path: Path, persons: int, column: str) -> None:
    """A group equals one of exactly so many persons, or has one more: whether a number is shown beside its number must not tell which.

    Each kind of number needs so many persons. One less are near them, and bear the same number of persons.
    """
    shown = []
    for more in (0, 1):
        person = people(race=lambda i: "a" if i < persons else "b", sex=lambda i, more=more: "F" if i < persons + more else "M")
        site = hospital(tmp_path / str(more), EXACT, person=person)
        assert site.ask("select count(*) n from person where race = 'a'").rows[0].values[0].value == persons
        answer = site.ask(f"select count(*) n, {column} m from person where sex = 'F'")
        if isinstance(answer, Refusal):  # near so small a group nothing is told of any
            assert persons < 2 * EXACT.most_about
            shown.append(True)
            continue
        (row,) = answer.rows
        assert (row.about, row.values[0].value) == (True, persons)
        shown.append(row.values[1].suppressed)
    assert shown == [True, True]


def test_a_mean_beside_a_mark_is_told_of_enough_persons(tmp_path: Path) -> None:
    """Of so many that the group has enough whoever of the other's is not in it."""
    site = hospital(tmp_path, EXACT, person=people(race=lambda i: "a" if i < 100 else "b", sex=lambda i: "F" if i < 101 else "M"))
    site.ask("select count(*) n from person where race = 'a'")
    (row,) = site.ask("select count(*) n, avg(weight) m, stddev(weight) s, median(weight) q from person where sex = 'F'").rows
    assert (row.about, row.values[0].value) == (True, 100)
    assert not any(value.suppressed for value in row.values)
