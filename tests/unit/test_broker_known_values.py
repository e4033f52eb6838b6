"""Numbers of what everybody knows are told where no one person would show in them, whoever is in the group."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from broker_world import CATALOGUE, TEN_FIVE, World, bound_to, people, visits

from twinpane_broker.catalogue.catalogue import Catalogue, Column
from twinpane_broker.disclosure.known_values import MOST_WEIGHT
from twinpane_broker.engine.measure import measure, weights
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


def test_known_rows_are_weighed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What everybody knows of a group is the same beside every secret: the next question takes no pass over the rows for it."""
    made, passes = world(tmp_path / "site", True), []
    weighed = measure.weights
    monkeypatch.setattr(measure, "weights", lambda *of: passes.append(of) or weighed(*of))
    asked = "select count(*) n from visit v join person p on v.person_id = p.person_id where p.smoker = {}"
    made.ask(asked.format("true"))
    first = len(passes)
    made.ask(asked.format("false"))
    assert len(passes) == first > 0


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


OUT = Column(name="out", type="date", role="date", days=("2019-03-01", "2023-06-01"))
VISIT = OPEN.known_table("visit")
DATED = OPEN.model_copy(update={"tables": (OPEN.tables[0], VISIT.model_copy(update={"columns": (*VISIT.columns, OUT)}), *OPEN.tables[2:])})
"""With the last day of a visit."""
LENGTH = "datediff('day', v.day, v.out)"
FIRST, MAY = pd.Timestamp("2020-01-06"), pd.Timestamp("2022-05-03")


def dated(folder: Path, one_smokes: bool, each: Callable[[int], list[int]]) -> World:
    """The same persons, with visits of so many days each; those of number 600 are in May 2022."""
    folder.mkdir()
    person = people(
        race=lambda i: "a" if i < 200 else "b", age=lambda i: 20 + i % 60, smoker=lambda i: one_smokes if i == 600 else i % 4 < 2
    )
    rows = [(i, days) for i in range(1000) for days in each(i)]
    visit = visits([{"person_id": i, "day": MAY if i == 600 else FIRST} for i, _ in rows])
    return World(folder, catalogue=DATED, person=person, visit=visit.assign(out=visit.day + pd.to_timedelta([d for _, d in rows], "D")))


ROWS = ["count(*)", "sum(v.lactate)"]
DAYS = [f"{name}({LENGTH})" for name in ("avg", "sum", "stddev", "var_samp", "median")]


@pytest.mark.parametrize("smokes", [True, False])
@pytest.mark.parametrize("number", ROWS)
def test_rows_of_one_who_came_often_tell_of_nobody(tmp_path: Path, number: str, smokes: bool) -> None:
    """All of a group came once, and one person eight times: their number of rows, or a sum, does not tell whether he is in it."""
    made = dated(tmp_path / "site", smokes, lambda i: [1 + i % 3] * (8 if i == 600 else 1))
    assert suppressed(made, number, f"{ALONE} and p.smoker = true") == [True]


@pytest.mark.parametrize("smokes", [True, False])
@pytest.mark.parametrize("number", DAYS)
def test_days_of_one_who_stayed_long_tell_of_nobody(tmp_path: Path, number: str, smokes: bool) -> None:
    """All of a group stayed for a day, and one person for nine: nothing told of the stays says whether he is in it."""
    made = dated(tmp_path / "site", smokes, lambda i: [9 if i == 600 else 1])
    assert suppressed(made, number, f"{ALONE} and p.smoker = true") == [True]


def test_a_mean_does_not_say_of_how_many_rows_it_is(tmp_path: Path) -> None:
    """Nobody knows the lactate, so its mean is told; the number of its values would tell of one who came often."""
    made = dated(tmp_path / "site", True, lambda i: [1] * (8 if i == 600 else 1))
    joined = "visit v join person p on v.person_id = p.person_id"
    answer = made.ask(f"select avg(v.lactate) m, corr(v.lactate, p.weight) c from {joined} where {ALONE} and p.smoker = true")
    assert isinstance(answer, Release)
    assert [(value.suppressed, value.n, value.within) for value in answer.rows[0].values] == [(False, None, None)] * 2


def test_the_certain_part_of_a_group_hides_nobody(tmp_path: Path) -> None:
    """Beside very many who came now and again, one who came often still shows among the few others, who are asked about by themselves."""
    made = dated(tmp_path / "site", True, lambda i: [1] * (30 if i == 600 else 1 if i < 200 else 1 + i % 20))
    few = "(p.race = 'b' and p.weight >= 60) or (p.smoker = true and (p.race = 'a' or (v.day >= '2022-05-01' and v.day < '2022-06-01')))"
    assert suppressed(made, "count(*)", few) == [True]


def test_ordinary_rows_and_days_are_told(tmp_path: Path) -> None:
    """Persons come once to four times for a day to nine: rows, mean, median and sum are told, by a secret and among the ill."""
    made = dated(tmp_path / "site", True, lambda i: [1 + (i + n) % 9 for n in range(1 + i % 4)])
    for number in ("count(*)", f"avg({LENGTH})", f"median({LENGTH})", f"sum({LENGTH})"):
        assert suppressed(made, number, "p.weight >= 60", "p.smoker") == [False, False]
        assert suppressed(made, number, "p.smoker = true and p.age >= 40") == [False]


def test_many_ordinary_stays_of_one_person_hide_no_mean(tmp_path: Path) -> None:
    """A person who came sixty times stays as long as others do: his rows show, and their mean length tells nothing of him."""
    made = dated(tmp_path / "site", True, lambda i: [1, 9] * 30 if i == 600 else [1 + i % 9])
    assert suppressed(made, "count(*)", "p.smoker = true and p.age < 60") == [True]
    assert suppressed(made, f"avg({LENGTH})", "p.smoker = true and p.age < 60") == [False]


def test_known_rows_of_a_known_group_are_told(tmp_path: Path) -> None:
    """Where nothing secret is asked, who knows the rows knows the answer."""
    made = dated(tmp_path / "site", True, lambda i: [1] * (8 if i == 600 else 1))
    assert suppressed(made, "count(*)", "p.race in ('a', 'b')") == [False]


def test_rows_are_judged_in_each_known_cell(tmp_path: Path) -> None:
    """By length of stay: the cell of one who came often is suppressed, and a companion of it, whether he smokes or not."""
    for smokes in (True, False):
        made = dated(tmp_path / str(smokes), smokes, lambda i: [2] * 8 if i == 600 else [i % 3])
        by = f"case when {LENGTH} < 1 then 'short' else 'long' end"
        assert suppressed(made, "count(*)", f"{ALONE} and p.smoker = true", by) == [True, True]


def test_leverage_is_one_persons_share_of_all_squares(tmp_path: Path) -> None:
    """Of rows and of what values sum up to: one far from the others has nearly all; where all are alike nobody has any."""
    far = dated(tmp_path / "far", True, lambda i: [1, 3] * 10 if i == 600 else [1 + i % 3])
    bound = bound_to(f"select {DAYS[0]} from visit v", DATED)
    cell = far.engine.measure(replace(bound, weighed=10)).cell(())
    assert cell.weight == pytest.approx(19.019**2 / (19.019**2 + 999 * 0.019**2), rel=0.01)
    assert cell.spreads[0] is not None
    assert cell.spreads[0].weight < MOST_WEIGHT
    same = dated(tmp_path / "same", True, lambda _: [1, 3])
    cell = same.engine.measure(replace(bound, weighed=10)).cell(())
    assert cell.spreads[0] is not None
    assert (cell.weight, cell.spreads[0].weight) == (0, 0)


@pytest.mark.parametrize("sample", [1, 100_000])
def test_leverage_is_the_same_of_persons_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: int) -> None:
    """Where rows are too many at once, a sample tells that nobody weighs much, or persons are added up in parts."""
    made = dated(tmp_path / "site", True, lambda i: [1 + i % 9] * (1 + i % 2))
    bound = replace(bound_to(f"select {DAYS[0]} from visit v", DATED), weighed=10)
    whole = made.engine.measure(bound).cell(())
    monkeypatch.setattr(weights, "ROWS_AT_ONCE", 100)
    monkeypatch.setattr(weights, "SAMPLE_ROWS", sample)
    again = made.engine.measure(bound).cell(())
    assert whole.spreads[0] is not None
    assert again.spreads[0] is not None
    for one, other in ((whole.weight, again.weight), (whole.spreads[0].weight, again.spreads[0].weight)):
        assert one <= other * (1 + 1e-9) < 0.02
        assert sample > 1 or one == pytest.approx(other)


def test_days_from_a_secret_first_event_tell_of_nobody(tmp_path: Path) -> None:
    """Everybody knows when a first event was, if it was at all: one who was long after would show in a mean of days since it.

    Before, no day of such an event counted as known.
    """
    seen = []
    for ill in (True, False):
        (tmp_path / str(ill)).mkdir()
        rows: list[Any] = [
            {
                "person_id": i, "day": pd.Timestamp("2020-02-03" if i else "2019-05-03"),
                "ward": "icu" if (i and i % 3) or (not i and ill) else "er",
            }
            for i in range(150)
        ]  # fmt: skip
        first = "(select person_id, min(day) d from visit where ward = 'icu' group by person_id) f"
        sql = f"select avg(datediff('day', f.d, v.day)) m from {first} join visit v on f.person_id = v.person_id"
        again = [{**row, "day": pd.Timestamp("2020-02-05")} for row in rows]
        answer = World(tmp_path / str(ill), TEN_FIVE, catalogue=OPEN, person=people(), visit=visits(rows + again)).ask(sql)
        assert isinstance(answer, Release), answer
        seen.append([value.value for row in answer.rows for value in row.values])
    assert seen[0] == seen[1] == [None]


@pytest.mark.parametrize("together", range(1, 10))
def test_a_few_who_weigh_much_together_do_not_hide_each_other(tmp_path: Path, together: int) -> None:
    """Up to nine come fifteen times among fifty who come once or twice: each weighs much among those who are left without some others."""
    made = dated(tmp_path / "site", True, lambda i: [1] * (15 if i < together else 1 + i % 2 if i < 60 else 0))
    cell = made.engine.measure(replace(bound_to("select count(*) n from visit v", DATED), weighed=10)).cell(())
    assert cell.weight > MOST_WEIGHT


def test_as_many_as_the_threshold_say_how_often_persons_come(tmp_path: Path) -> None:
    """Where ten come fifteen times, these are the rows of a person; of nine it is the next one's."""
    for often, rows in ((10, 15), (9, 2)):
        made = dated(tmp_path / str(often), True, lambda i, often=often: [1] * (15 if i < often else 1 + i % 2))
        cell = made.engine.measure(replace(bound_to("select count(*) n from visit v", DATED), weighed=10)).cell(())
        assert cell.often == rows
