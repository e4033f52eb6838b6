"""Attacks by asking about few, or about all but few: small sets (7.1), trackers (7.3), differences (7.4), collusion (7.28)."""

from pathlib import Path

import pandas as pd
import pytest

from reference.hospital import EXACT, TEN_FIVE, Hospital
from twinpane_broker.aggregates.value import Value
from twinpane_broker.release.release import Release
from twinpane_broker.rules.policy import Rules
from unit.broker_world import CATALOGUE, drugs, people, visits

from .ward import hospital, is_withheld

RULES = [pytest.param(TEN_FIVE, id="10-5"), pytest.param(EXACT, id="exact counts")]


def with_target(**more: object) -> pd.DataFrame:
    """A thousand persons; number 0 alone is of race a and 90 years or older, and smokes."""
    return people(race=lambda i: "abc"[i % 3], age=lambda i: 92 if i == 0 else 20 + i % 60, smoker=lambda i: i % 5 == 0, **more)


TARGET = "race = 'a' and age >= 90"
NOT_TARGET = "not (race = 'a' and age >= 90)"


# ---------------------------------------------------------------- 7.1 small query set


@pytest.mark.parametrize("rules", RULES)
def test_a_small_query_set_is_withheld_from_either_end(tmp_path: Path, rules: Rules) -> None:
    """Plain SQL answers one person's attribute, and all but that person's."""
    site = hospital(tmp_path, rules, person=with_target())
    assert site.naive(f"select count(*) from person where {TARGET} and smoker") == [(1,)]
    assert site.naive("select count(*) from person where age < 90") == [(999,)]
    for where in (TARGET, f"{TARGET} and smoker = true", f"{TARGET} and smoker = false", NOT_TARGET, "age >= 95"):
        for what in ("count(*)", "count(distinct person_id)", "avg(weight)", "sum(weight)", "median(weight)", "stddev(weight)"):
            assert is_withheld(site.ask(f"select {what} from person where {where}")), where
    answer = site.ask("select count(*) from person where age < 90")
    assert isinstance(answer, Release)
    assert (answer.persons, answer.about, answer.rows[0].values[0].value) == (1000, True, 1000), "all but the one look like all"


# ---------------------------------------------------------------- 7.3 trackers


@pytest.mark.parametrize("rules", RULES)
def test_an_individual_tracker_gets_at_most_one_answer(tmp_path: Path, rules: Rules) -> None:
    """An individual tracker gets one of its two answers at most.

    q(A) - q(A and not B) is q(A and B): Denning, Denning and Schwartz 1979.
    """
    one, other = "race = 'a' and smoker = true", f"race = 'a' and smoker = true and {NOT_TARGET}"
    count = "select count(*) from person where {}"
    site = hospital(tmp_path / "a", rules, person=with_target())
    assert site.naive(count.format(one))[0][0] - site.naive(count.format(other))[0][0] == 1
    assert site.one(count.format(one)) is not None
    assert is_withheld(site.ask(count.format(other)))
    site = hospital(tmp_path / "b", rules, person=with_target())
    assert not (site.one(count.format(other)) is not None and site.one(count.format(one)) is not None)


@pytest.mark.parametrize("rules", RULES)
def test_a_general_tracker_does_not_add_up(tmp_path: Path, rules: Rules) -> None:
    """q(C) = q(C or T) + q(C or not T) - q(all), with T half of everybody."""
    site = hospital(tmp_path, rules, person=with_target())
    parts = [f"({TARGET}) or sex = 'F'", f"({TARGET}) or not sex = 'F'"]
    count = "select count(*) from person where {}"
    naive = [site.naive(count.format(part))[0][0] for part in parts]
    assert sum(naive) - 1000 == 1
    everybody = site.one("select count(*) from person")
    answers = [site.one(count.format(part)) for part in parts]
    assert everybody is None or None in answers


@pytest.mark.parametrize("rules", RULES)
def test_a_general_tracker_without_the_total_does_not_add_up(tmp_path: Path, rules: Rules) -> None:
    """A general tracker does not add up without the total either.

    q(C or T) - q(T): the tracker's other form, and by a table instead of conditions.
    """
    site = hospital(tmp_path, rules, person=with_target())
    assert site.naive(f"select count(*) from person where ({TARGET}) or sex = 'M'")[0][0] - 500 == 1
    by_sex = site.cells("select sex, count(*) n from person group by sex")
    assert by_sex[("M",)][0] == 500
    assert is_withheld(site.ask(f"select count(*) from person where ({TARGET}) or sex = 'M'"))
    assert is_withheld(site.ask(f"select count(*) from person where not (({TARGET}) or sex = 'M')"))


@pytest.mark.parametrize("rules", RULES)
def test_union_trackers_do_not_add_up(tmp_path: Path, rules: Rules) -> None:
    """q(C or T1) + q(C or T2) + q(C or T3) - q(all) is 2 q(C), with three disjoint thirds of everybody (Schlörer 1980).

    Each answer is a third and innocent. Rounding leaves the sum open; exact counts tell it.
    """
    person = people(race=lambda i: "abc"[i % 3], age=lambda i: 92 if i == 0 else 20 + i % 60, sex=lambda i: "FM"[i % 2])
    site = hospital(tmp_path, rules, person=person)
    count = "select count(*) from person where {}"
    thirds = [f"({TARGET}) or race = '{race}'" for race in "abc"]
    assert sum(site.naive(count.format(third))[0][0] for third in thirds) - 1000 == 2
    answers = [site.one("select count(*) from person"), *(site.one(count.format(third)) for third in thirds)]
    open_by = len(answers) * (rules.base - 1) / 2
    assert None in answers or open_by >= 5


# ---------------------------------------------------------------- 7.4 differencing


@pytest.mark.parametrize("rules", RULES)
def test_a_band_that_is_a_little_wider_is_not_subtracted(tmp_path: Path, rules: Rules) -> None:
    """Under 65 and under 70, where one person is between: counts, and sums that tell that person's weight."""
    person = people(age=lambda i: 67 if i == 5 else 20 + i % 45, weight=lambda i: 141.0 if i == 5 else 50.0 + i % 40)
    site = hospital(tmp_path, rules, person=person.assign(sex=lambda frame: frame.sex))
    wide, narrow = (f"select sum(weight), count(*) from person where age < {end} and sex = 'M'" for end in (70, 65))
    (more, n), (less, m) = site.naive(wide)[0], site.naive(narrow)[0]
    assert (more - less, n - m) == (141.0, 1)
    assert site.one(wide) is not None
    nearly = site.ask(narrow)
    assert isinstance(nearly, Release)
    assert nearly.about
    assert nearly.rows[0].values[0].suppressed
    assert nearly.rows[0].values[1].about


@pytest.mark.parametrize("rules", RULES)
def test_places_that_overlap_are_not_subtracted(tmp_path: Path, rules: Rules) -> None:
    """Geographic differencing: two wards, and the same two with a third in which few were: these have the first answer's number, marked."""
    rows = [{"person_id": i, "ward": "icu" if i in (3, 4) else "er" if i % 2 else "day"} for i in range(600)]
    site = hospital(tmp_path, rules, visit=visits(rows))
    ask = "select count(distinct person_id) from visit where ward in ({})"
    assert site.naive(ask.format("'er', 'icu'"))[0][0] - site.naive(ask.format("'er'"))[0][0] == 2
    told = site.one(ask.format("'er', 'icu'"))
    assert told is not None
    nearly = site.ask(ask.format("'er'"))
    assert isinstance(nearly, Release)
    (row,) = nearly.rows
    assert (nearly.about, row.about, row.values) == (True, True, (Value(value=told, about=True),))
    assert nearly.persons == row.persons == told
    assert site.one(ask.format("'icu'")) is None
    without = site.ask(ask.format("'day', 'er'"))
    assert isinstance(without, Release)
    assert (without.about, without.persons) == (True, 600)


@pytest.mark.parametrize("rules", RULES)
def test_margins_of_linked_tables_do_not_close_a_cell(tmp_path: Path, rules: Rules) -> None:
    """sex by race, and race alone and sex alone: with plain suppression the small cell is the margin less the rest."""
    person = people(race=lambda i: "c" if i % 50 == 1 or i in (0, 2, 4) else "ab"[i // 2 % 2])
    site = hospital(tmp_path, rules, person=person)
    truth = {(sex, race): n for sex, race, n in site.naive("select sex, race, count(*) from person group by all")}
    assert truth[("F", "c")] == 3
    by_both = site.cells("select sex, race, count(*) n from person group by sex, race")
    by_race = site.cells("select race, count(*) n from person group by race")
    by_sex = site.cells("select sex, count(*) n from person group by sex")
    along_race = [by_race.get(("c",), (None,))[0], by_both.get(("M", "c"), (None,))[0]]
    along_sex = [by_sex.get(("F",), (None,))[0], *(by_both.get(("F", race), (None,))[0] for race in "ab")]
    assert None in along_race
    assert None in along_sex


def grown(folder: Path, rules: Rules, shared: Path, month: str, person: pd.DataFrame) -> Hospital:
    """A site's hospital at a month's snapshot, with the site's one memory and its one register of persons."""
    catalogue = CATALOGUE.model_copy(update={"snapshot": month})
    tables = {"person": person, "visit": visits(), "drug": drugs()}
    return Hospital(folder, catalogue, tables, rules, memory=shared / "memory.db", register=shared / "register")


@pytest.mark.parametrize("rules", RULES)
def test_growth_from_month_to_month_is_not_subtracted(tmp_path: Path, rules: Rules) -> None:
    """One patient more in November: the difference of two honest tables would be that patient. November's cell has October's number."""
    before = people(600)
    newcomer = before.tail(1).assign(person_id=999_999, sex="F", race="a", smoker=True)
    after = pd.concat([before, newcomer], ignore_index=True)
    october = grown(tmp_path / "october", rules, tmp_path, "2026-10", before)
    november = grown(tmp_path / "november", rules, tmp_path, "2026-11", after)
    ask = "select race, count(*) n from person where sex = 'F' group by race"
    first, second = dict(october.naive(ask)), dict(november.naive(ask))
    assert {race for race in "abc" if first.get(race) != second.get(race)} == {"a"}
    one, other = october.cells(ask), november.cells(ask)
    assert one[("a",)][0] is not None
    assert all(told in (one[race], (None,)) for race, told in other.items())
    assert one.items() & other.items()
    assert all(row.about for row in november.ask(ask).rows if row.persons)
    total = "select count(*) from person where sex = 'F'"
    assert october.one(total) == november.one(total)
    assert november.ask(total).about


# ---------------------------------------------------------------- 7.28 collusion


@pytest.mark.parametrize("rules", RULES)
def test_two_projects_together_get_no_more_than_one(tmp_path: Path, rules: Rules) -> None:
    """Each asks an innocent half of a difference; the site remembers for all of them, after a restart too."""
    site = hospital(tmp_path, rules, person=with_target())
    one, other = (f"select count(*) from person where {where}" for where in ("race = 'a'", f"race = 'a' and {NOT_TARGET}"))
    assert site.naive(one)[0][0] - site.naive(other)[0][0] == 1
    assert site.one(one, project="heart") is not None
    site.restart()
    assert is_withheld(site.ask(other, project="lung"))


def test_a_pooled_total_does_not_tell_one_patient_sites_apart(tmp_path: Path) -> None:
    """Sites of one patient cannot be told apart by a pooled total.

    If a site withholds its part, the pooled number is partial. So there is no total to subtract the other sites' parts from.
    """
    from twinpane_broker.release.pooling import pool

    small = hospital(tmp_path / "a", person=people(race=lambda i: "c" if i < 3 else "ab"[i % 2]))
    large = hospital(tmp_path / "b")
    sql = "select race, count(*) n from person group by race"
    pooled = pool({"north": small.ask(sql), "south": large.ask(sql)})
    of_c = next(row for row in pooled.rows if row.key[0].value == "c")
    assert of_c.persons.partial
    assert of_c.persons.value == large.cells(sql)[("c",)][0]
