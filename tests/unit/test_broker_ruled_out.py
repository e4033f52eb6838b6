"""Categories that the words of a question rule out are no rows of its table: none is shown as suppressed, or hides another."""

from pathlib import Path

import pytest
from broker_world import World, bound_to, people

from twinpane_broker.errors import Refused
from twinpane_broker.release.release import Release


def rows(sql: str) -> list[str]:
    """The categories of a question's only dimension."""
    return [category.text.removeprefix("label of ") for category in bound_to(sql).axes[0].categories]


def by_age(where: str) -> str:
    """Three ages, by name, of whom a condition chooses."""
    named = "case when age < 40 then 'young' when age < 60 then 'middle' else 'old' end"
    return f"select {named} as g, count(*) n from person where {where} group by g"


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ("age < 40", ["young"]),
        ("age >= 40 and age < 60", ["middle"]),
        ("age >= 50", ["middle", "old"]),
        ("age < 40 or age >= 60", ["young", "old"]),
        ("not (age >= 40 and age < 60)", ["young", "old"]),
        ("(age < 40 and smoker = true) or (age < 60 and smoker = false)", ["young", "middle"]),
        ("smoker = true", ["young", "middle", "old"]),
    ],
)
def test_a_case_that_the_conditions_rule_out_is_no_row(where: str, left: list[str]) -> None:
    """Those over 60 were a suppressed row of a table of those under 40, and took another one with them."""
    assert rows(by_age(where)) == left


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ("race = 'a'", ["a"]),
        ("race = 'a' or race = 'b'", ["a", "b"]),
        ("race = 'a' or (race = 'b' and race <> 'c')", ["a", "b"]),
        ("not (race = 'a' or race = 'b')", ["c"]),
        ("race <> 'a'", ["b", "c"]),
        ("race is null or race = 'a'", ["a", "(missing)"]),
        ("race = 'a' or smoker = true", ["a", "b", "c", "(missing)"]),
    ],
)
def test_a_code_that_the_conditions_rule_out_is_no_row(where: str, left: list[str]) -> None:
    """However the condition is put; one that another column may meet rules out nothing."""
    assert rows(f"select race, count(*) n from person where {where} group by race") == left


def test_cases_of_codes_are_ruled_out_too() -> None:
    """Those of the codes, and that of all others; a row without a value meets no comparison."""
    asked = "select case when race in ('a', 'b') then 'x' when race = 'c' then 'y' else 'rest' end as g, count(*) n from person"
    assert rows(f"{asked} where race = 'a' group by g") == ["x"]
    assert rows(f"{asked} where race <> 'a' group by g") == ["x", "y", "rest"]
    assert rows(f"{asked} where race is null group by g") == ["rest"]


def test_chosen_persons_rule_out_what_a_where_would() -> None:
    """Women by sex, chosen by a SELECT in brackets, had a suppressed row of men; of rows of events a person may have others besides."""
    by_sex = "select sex, count(*) n from person where person_id {} (select {} from {}) group by sex"
    assert rows(by_sex.format("in", "person_id", "person where sex = 'F'")) == ["F"]
    assert rows(by_sex.format("not in", "person_id", "person where sex = 'F'")) == ["F", "M"]
    wards = "select ward, count(*) n from visit where person_id in (select person_id from visit where ward = 'icu') group by ward"
    assert rows(wards) == ["icu", "er", "day"]


def test_conditions_that_no_value_meets_are_refused() -> None:
    """There would be no table."""
    with pytest.raises(Refused, match=r"No category of person\.race is left by the WHERE"):
        rows("select race, count(*) n from person where (race = 'a' or race = 'b') and race = 'c' group by race")


def test_what_is_ruled_out_hides_no_other_row(tmp_path: Path) -> None:
    """The numbers are those of the rows, and all are told."""
    world = World(tmp_path, person=people(1000, age=lambda i: 20 + i % 80))
    told = world.ask(by_age("age < 60"))
    assert isinstance(told, Release)
    assert {row.key[0].text: row.values[0].value for row in told.rows} == {"young": 260, "middle": 260}
    only = world.ask(by_age("age >= 60"))
    assert isinstance(only, Release)
    assert [(row.key[0].text, row.values[0].value) for row in only.rows] == [("old", 480)]
