"""Means of what everybody knows are told where no one person would show in them, whoever is in the group."""

from pathlib import Path

import pandas as pd
import pytest
from broker_world import CATALOGUE, World, people, spread_of, visits

from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.disclosure.known_values import MOST_WEIGHT, weight
from twinpane_broker.release.release import Release

PERSON = CATALOGUE.known_table("person")
KNOWN = tuple(c.model_copy(update={"sensitive": c.name not in ("sex", "race", "age")}) for c in PERSON.columns)
OPEN: Catalogue = CATALOGUE.model_copy(update={"tables": (PERSON.model_copy(update={"columns": KNOWN}), *CATALOGUE.tables[1:])})
"""Sex, race and age are known to anybody."""


def world(folder: Path, old_smokes: bool, catalogue: Catalogue = OPEN) -> World:
    """Of race a all are twenty or twenty-one, and every other one smokes; number 600, of race b, is 79, and alone comes in May 2022."""
    folder.mkdir()
    person = people(
        race=lambda i: "a" if i < 200 else "b",
        age=lambda i: 20 + i % 2 if i < 200 else 79 if i == 600 else 30 + i % 40,
        smoker=lambda i: old_smokes if i == 600 else i % 4 < 2,
    )
    rows = [{"person_id": i} | ({"day": pd.Timestamp("2022-05-03")} if i == 600 else {}) for i in (*range(1000), *range(700, 750))]
    return World(folder, catalogue=catalogue, person=person, visit=visits(rows))


def suppressed(made: World, column: str, where: str, group: str = "") -> list[bool]:
    """Whether a number is, by row."""
    by = f" group by {group}" if group else ""
    joined = "visit v join person p on v.person_id = p.person_id"
    answer = made.ask(f"select {group + ', ' if group else ''}{column} m from {joined} where {where}{by}")
    assert isinstance(answer, Release), answer
    return [row.values[-1].suppressed for row in answer.rows]


ALONE = "(p.race = 'a' or (v.day >= '2022-05-01' and v.day < '2022-06-01'))"


@pytest.mark.parametrize(
    "column", ["avg(p.age)", "sum(p.age)", "stddev(p.age)", "var_samp(p.age)", "corr(p.age, p.weight)", "median(p.age)"]
)
def test_one_who_would_show_is_not_told_of(tmp_path: Path, column: str) -> None:
    """An old one among the young: whether he is in the group or not, its mean is suppressed, and what follows from it."""
    for smokes in (True, False):
        assert suppressed(world(tmp_path / str(smokes), smokes), column, f"{ALONE} and p.smoker = true") == [True]


def test_other_numbers_of_that_group_are_told(tmp_path: Path) -> None:
    """Its persons, and means of what nobody knows."""
    made = world(tmp_path / "site", True)
    assert suppressed(made, "count(distinct p.person_id)", f"{ALONE} and p.smoker = true") == [False]
    assert suppressed(made, "avg(p.weight)", f"{ALONE} and p.smoker = true") == [False]


def test_ordinary_means_of_known_values_are_told(tmp_path: Path) -> None:
    """Of all ages, by what is known and by what is not."""
    made = world(tmp_path / "site", True)
    assert suppressed(made, "avg(p.age)", "p.smoker = true") == [False]
    assert suppressed(made, "avg(p.age)", "p.weight >= 60", "p.smoker") == [False, False]
    answer = made.ask("select avg(age) from person where race in ('a', 'b')")
    assert isinstance(answer, Release)
    assert not answer.rows[0].values[0].suppressed


def test_beside_known_persons_their_known_values_are_not_told(tmp_path: Path) -> None:
    """Nearly all of a race came: a mean of their ages would tell whether all did, as everybody knows the ages. Nobody knows the weights."""
    made = world(tmp_path / "site", True)
    assert suppressed(made, "avg(p.age)", "p.race in ('a', 'b')") == [True]
    assert suppressed(made, "avg(p.weight)", "p.race in ('a', 'b')") == [False]


def test_a_cell_is_judged_by_what_is_known_of_it(tmp_path: Path) -> None:
    """By race, the young with the old one; by a secret, all of the question."""
    made = world(tmp_path / "site", True)
    assert suppressed(made, "avg(p.age)", ALONE, "p.smoker") == [True, True]


def test_leverage_is_the_share_of_all_squares() -> None:
    """One of two ages far from the others weighs nearly all; equal ages weigh nothing; squares are needed."""
    far = spread_of({**{i: [20.0 + i % 2] for i in range(40)}, 40: [79.0]}, middle=50.0)
    near = spread_of({i: [20.0 + i] for i in range(40)}, middle=50.0)
    same = spread_of({i: [20.0] for i in range(40)}, middle=50.0)
    assert far is not None
    assert near is not None
    assert same is not None
    assert weight(far, (0, 100)) > 0.9
    assert weight(near, (0, 100)) < MOST_WEIGHT
    assert weight(same, (0, 100)) == 0
    with pytest.raises(ValueError, match="squares"):
        weight(far.__class__(**{**far.__dict__, "squares": None}), (0, 100))
