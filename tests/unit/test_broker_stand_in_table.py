"""What is told where a released set stands in for a question's persons: that set's table, and coarse numbers of rows."""

from dataclasses import replace
from pathlib import Path

import pytest
from broker_world import CATALOGUE, World, bound_to, codes, evidence, some, visits

from twinpane_broker.catalogue.catalogue import Catalogue, Column, Table
from twinpane_broker.disclosure.stand_in_table import table_of_stand_in
from twinpane_broker.release.release import Release

WOMEN = "select count(*) n from person where sex = 'F'"
BY_RACE = (
    "select p.race, count(distinct p.person_id) n from person p join visit v on v.person_id = p.person_id where p.sex = 'F' group by p.race"
)
ROWS = "select count(*) n, count(distinct v.person_id) persons from visit v join person p on v.person_id = p.person_id where p.sex = 'F'"


def world(folder: Path, lacking: int, each: int = 1) -> World:
    """A thousand persons with so many visits each, but for the first women, who have none."""
    rows = [{"person_id": i, "ward": "icu"} for i in range(1000) for _ in range(each) if i % 2 or i >= 2 * lacking]
    return World(folder, visit=visits(rows))


def told(made: World, sql: str) -> tuple[object, ...]:
    """All that a reader sees of an answer but its name."""
    release = made.ask(sql)
    assert isinstance(release, Release), release
    return release.persons, release.about, [(row.key, row.persons, row.about, row.values) for row in release.rows]


@pytest.mark.parametrize("lacking", [0, 1, 9])
def test_a_table_is_that_of_the_stand_in(tmp_path: Path, lacking: int) -> None:
    """The races of all women, whoever of them has no visit, marked; of one of three it is what is left, as nobody is of a fourth."""
    made = world(tmp_path, lacking)
    made.ask(WOMEN)
    persons, about, rows = told(made, BY_RACE)
    assert (persons, about) == (500, True)
    assert [row_is_about for _, n, row_is_about, _ in rows if n] == [True] * 3
    assert all(n in (165, 170) for _, n, _, _ in rows if n)


def test_equal_and_near_sets_have_the_same_table(tmp_path: Path) -> None:
    """Nothing of the answer tells whether anybody was left out."""
    seen = []
    for lacking in (0, 1, 9):
        (folder := tmp_path / str(lacking)).mkdir()
        made = world(folder, lacking)
        made.ask(WOMEN)
        seen.append(told(made, BY_RACE))
    assert seen[0] == seen[1] == seen[2]


def test_the_stand_ins_table_is_remembered_as_its_own(tmp_path: Path) -> None:
    """The same table of the released set itself is then no news, and bears no mark, but for what is left beside an empty category."""
    made = world(tmp_path, 1)
    made.ask(WOMEN)
    _, _, about = told(made, BY_RACE)
    _, is_about, own = told(made, "select race, count(*) n from person where sex = 'F' group by race")
    assert not is_about
    assert [(key, n) for key, n, _, _ in own] == [(key, n) for key, n, _, _ in about]
    assert sum(row_is_about for _, _, row_is_about, _ in own) == 1


@pytest.mark.parametrize("lacking", [0, 1, 9])
def test_rows_beside_a_stand_in_are_told_coarsely(tmp_path: Path, lacking: int) -> None:
    """To the rows of 18 persons, five each, the next step from their four: the number does not tell how many women have visits."""
    made = world(tmp_path, lacking, each=4)
    made.ask(WOMEN)
    release = made.ask(ROWS)
    assert isinstance(release, Release)
    (row,) = release.rows
    rows, persons = row.values
    assert (persons.value, persons.about) == (500, True)
    assert rows.about
    assert rows.value is not None
    assert rows.value % 90 == 0
    assert abs(rows.value - 4 * (500 - lacking)) < 90


@pytest.mark.parametrize("lacking", [0, 1, 9])
def test_few_rows_beside_a_stand_in_are_its_persons(tmp_path: Path, lacking: int) -> None:
    """Where the catalogue gives many rows a person, few rows of these are told as not fewer than persons, however many are left out."""
    often = {"visit": {"rows_per_person": (0, *[0] * 39, 1)}}
    many = [Table.model_validate(each.model_dump() | often.get(each.name, {})) for each in CATALOGUE.tables]
    again = [{"person_id": i} for i in range(990, 1000)]
    rows = [{"person_id": i, "ward": "icu"} for i in range(1000) if i % 2 or i >= 2 * lacking] + again
    made = World(tmp_path, catalogue=CATALOGUE.model_copy(update={"tables": tuple(many)}), visit=visits(rows))
    made.ask("select count(distinct person_id) n from person where sex = 'F' and age < 40")
    release = made.ask(f"{ROWS} and p.age < 40")
    assert isinstance(release, Release)
    (row,) = release.rows
    number, persons = row.values
    assert (number.value, number.about, persons.value) == (170, True, 170)
    assert number.within == (148, 1439)


def test_rows_of_the_same_persons_in_other_words_are_not_told(tmp_path: Path) -> None:
    """Of a near set they would tell the rows of a few, and so of an equal set that it is equal."""
    made = world(tmp_path, 1, each=4)
    made.ask(WOMEN)
    assert made.cells(ROWS)[()][0] is not None
    assert made.cells(f"{ROWS} and p.age >= 20")[()] == (None, 500)


def test_rows_of_which_everybody_has_one_are_the_stand_ins(tmp_path: Path) -> None:
    """They are persons."""
    made = world(tmp_path, 1)
    made.ask(WOMEN)
    release = made.ask("select count(*) n from person where sex = 'F' and age >= 20")
    assert isinstance(release, Release)
    assert release.about
    assert release.rows[0].values[0].value == 500


def test_the_base_of_rows_does_not_tell_who_came_twice(tmp_path: Path) -> None:
    """One second visit among 500 changes nothing: the base is the catalogue's, not the cell's."""
    seen = []
    for twice in (0, 1):
        (folder := tmp_path / str(twice)).mkdir()
        rows = [{"person_id": i} for i in (*range(1000), *[1] * (1 - twice), *[0] * twice)]
        made = World(folder, visit=visits(rows))
        made.ask("select count(distinct person_id) n from person where sex = 'F'")
        seen.append(told(made, ROWS))
    assert seen[0] == seen[1]


# ---------------------------------------------------------------- where there is no such table

N = "count(distinct person.person_id) n"


def test_persons_of_whom_the_table_lacks_some_have_none() -> None:
    """The stand-in's persons must all be in the table of persons, one row each."""
    bound = bound_to(f"select sex, {N} from person group by sex")
    asked = evidence(bound, {(0,): 20, (1,): 20})
    once, twice = (replace(asked, one_row_each=each) for each in (True, False))
    assert table_of_stand_in(bound, asked, some(30), lambda _bound: once) is not None
    assert table_of_stand_in(bound, asked, some(41), lambda _bound: once) is None
    assert table_of_stand_in(bound, asked, some(30), lambda _bound: twice) is None


def test_tables_of_two_kinds_of_persons_have_none() -> None:
    """Staff are in no table of patients."""
    key = Column(name="staff_id", type="integer", role="key")
    job = Column(name="job", type="varchar", role="dimension", codes=codes("a", "b"))
    staff = Table(name="staff", person_key="staff_id", columns=(key, job))
    catalogue = Catalogue.model_validate(CATALOGUE.model_dump() | {"tables": (*CATALOGUE.tables, staff)})
    bound = bound_to(f"select sex, {N} from person join staff on staff.staff_id = person.person_id group by sex", catalogue)
    asked = evidence(bound, {(0,): 20, (1,): 20})
    assert table_of_stand_in(bound, asked, some(30), lambda _bound: asked) is None


def test_totals_of_values_have_none() -> None:
    """They would lack the values of categories in which the stand-in has nobody."""
    bound = bound_to("select sex, avg(age) from person group by cube (sex)")
    asked = evidence(bound, {(0,): 20, (1,): 20})
    assert table_of_stand_in(bound, asked, some(30), lambda _bound: asked) is None
