"""Row differencing: two questions about the same persons whose rows differ by those of one. The person sets are equal; the rows tell."""

from collections.abc import Callable
from pathlib import Path

import pytest

from twinpane_broker.release.release import Release
from twinpane_broker.rules.policy import Rules, load_rules
from unit.broker_world import CATALOGUE, TEN_FIVE, World, people, visits

EXACT = load_rules({"preset": "cms-11", "threshold": 11})
EVERYBODY = [{"person_id": i, "ward": "icu"} for i in range(1000)] + [{"person_id": i, "ward": "er"} for i in range(0, 1000, 2)]
ALL = "select count(*) from visit"
BUT_THOSE_OF_DAY = "select count(*) from visit where ward in ('icu', 'er')"


def _count(world: World, sql: str) -> object:
    answer = world.ask(sql)
    return answer.rows[0].values[0].value if isinstance(answer, Release) else None


@pytest.mark.parametrize("times", [1, 12], ids=["one row of one person", "twelve rows of one person"])
def test_one_persons_rows_do_not_follow_from_two_counts(tmp_path: Path, times: int) -> None:
    """Two counts about the same persons do not tell the rows of one person."""
    world = World(tmp_path, EXACT, person=people(1100), visit=visits(EVERYBODY + [{"person_id": 7, "ward": "day"}] * times))
    assert (
        world.engine._root.execute(ALL).fetchone()[0]
        - world.engine._root.execute(  # what plain SQL gives away
            "select count(*) from visit where ward in (0, 1)"
        ).fetchone()[0]
        == times
    )
    first, second = _count(world, ALL), _count(world, BUT_THOSE_OF_DAY)
    assert first == 1500 + times
    assert second is None


def test_the_order_of_the_two_questions_does_not_matter(tmp_path: Path) -> None:
    """One of the two is not told in either order, even if it counts one row per person."""
    rows = [{"person_id": i, "ward": "icu"} for i in range(1000)] + [{"person_id": 7, "ward": "day"}]
    world = World(tmp_path, EXACT, person=people(1100), visit=visits(rows))
    told = [_count(world, sql) for sql in ("select count(*) from visit where ward = 'icu'", ALL)]
    assert told.count(None) == 1


def test_means_and_their_numbers_of_values_tell_no_persons_rows(tmp_path: Path) -> None:
    """Means, and how many values they are of, do not tell how many rows one person has."""
    world = World(tmp_path, EXACT, visit=visits([*EVERYBODY, {"person_id": 7, "ward": "day"}]))
    assert world.cells("select avg(lactate) from visit")[()] != (None,)
    assert world.cells("select avg(lactate) from visit where ward in ('icu', 'er')")[()] == (None,)


def test_rows_of_many_are_told_under_one_description_alone(tmp_path: Path) -> None:
    """Two hundred persons have a second row: the same persons in other words, and no further number of rows of theirs."""
    rows = [{"person_id": i, "ward": "icu"} for i in range(1000)] + [{"person_id": i, "ward": "day"} for i in range(200)]
    world = World(tmp_path, EXACT, visit=visits(rows))
    assert _count(world, ALL) == 1200
    answer = world.ask("select count(*) from visit where ward = 'icu'")
    assert isinstance(answer, Release)
    (row,) = answer.rows
    assert (row.persons, row.about) == (1000, True)
    assert row.values[0].suppressed or row.values[0].about
    assert _count(world, f"{ALL} join person on person.person_id = visit.person_id") == 1200


PERSON = CATALOGUE.known_table("person")
KNOWN = tuple(c.model_copy(update={"sensitive": c.name not in ("sex", "race", "age")}) for c in PERSON.columns)
OPEN = CATALOGUE.model_copy(update={"tables": (PERSON.model_copy(update={"columns": KNOWN}), *CATALOGUE.tables[1:])})
"""Sex, race and age are known to anybody."""
TIMES = 24


@pytest.mark.parametrize(
    ("rules", "times"),
    [
        pytest.param(TEN_FIVE, lambda i: TIMES if i < 400 else 1, id="all of a group"),
        pytest.param(TEN_FIVE, lambda i: TIMES if i % 10 == 0 else 1, id="one in ten"),
        pytest.param(EXACT, lambda i: TIMES if i % 10 == 0 else 1, id="one in ten, exact counts"),
    ],
)
def test_rows_do_not_tell_how_many_come_often(tmp_path: Path, rules: Rules, times: Callable[[int], int]) -> None:
    """Many of a known group come 24 times: rows, less those who come once, do not say exactly how many of these smoke."""
    person = people(race=lambda i: "a" if i < 400 else "b", smoker=lambda i: i % 7 < 4, age=lambda i: 20 + i % 60)
    world = World(
        tmp_path, rules, catalogue=OPEN, person=person, visit=visits([{"person_id": i} for i in range(1000) for _ in range(times(i))])
    )
    joined = "visit v join person p on v.person_id = p.person_id"
    exact, told = 0, 0
    for low in range(20, 55, 5):
        here = person[(person.race == "a") & person.smoker & (person.age >= low) & (person.age < low + 20)].person_id
        often = sum(times(i) > 1 for i in here)
        answer = world.ask(
            f"select count(*) r, count(distinct p.person_id) n from {joined} "
            f"where p.race = 'a' and p.smoker = true and p.age >= {low} and p.age < {low + 20}"
        )
        assert isinstance(answer, Release), answer
        rows, persons = (value.value for value in answer.rows[0].values)
        if rows is not None and persons is not None and not answer.rows[0].about:
            told += 1
            exact += round(rows / TIMES if often == len(here) else (rows - persons) / (TIMES - 1)) == often
    assert told >= 3
    assert exact <= told / 2
