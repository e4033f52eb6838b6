"""What is told where a released set stands in for a question's persons: that set's table, and coarse numbers of rows."""

from pathlib import Path

import pytest
from broker_world import World, visits

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
    """The races of all women, whoever of them has no visit; every number says that it is about."""
    made = world(tmp_path, lacking)
    made.ask(WOMEN)
    persons, about, rows = told(made, BY_RACE)
    assert (persons, about) == (500, True)
    assert [(n, row_is_about) for _, n, row_is_about, _ in rows if n] == [(165, True)] * 3


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
    """The same table of the released set itself is then no news, and bears no mark."""
    made = world(tmp_path, 1)
    made.ask(WOMEN)
    _, _, about = told(made, BY_RACE)
    _, is_about, own = told(made, "select race, count(*) n from person where sex = 'F' group by race")
    assert not is_about
    assert [(key, n) for key, n, _, _ in own] == [(key, n) for key, n, _, _ in about]
    assert not any(row_is_about for _, _, row_is_about, _ in own)


@pytest.mark.parametrize("lacking", [0, 1, 9])
def test_rows_beside_a_stand_in_are_told_coarsely(tmp_path: Path, lacking: int) -> None:
    """To the rows of 18 persons by the catalogue: the number does not tell how many women have visits."""
    made = world(tmp_path, lacking, each=4)
    made.ask(WOMEN)
    release = made.ask(ROWS)
    assert isinstance(release, Release)
    (row,) = release.rows
    rows, persons = row.values
    assert (persons.value, persons.about) == (500, True)
    assert rows.about
    assert rows.value is not None
    assert rows.value % 18 == 0
    assert abs(rows.value - 4 * (500 - lacking)) <= 9


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
