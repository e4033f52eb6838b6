"""Persons chosen by a SELECT in brackets, cases and HAVING, under the rules: each is judged as a condition or a cell like any other."""

from pathlib import Path

import pandas as pd
import pytest
from broker_world import CATALOGUE, TEN_FIVE, World, people, visits

from twinpane_broker.aggregates.value import Value
from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.errors import RefusalCode
from twinpane_broker.release.release import Refusal, Release


def visited(*wards: tuple[int, str]) -> list[dict[str, object]]:
    """A visit of each of these persons in a ward."""
    return [{"person_id": person, "ward": ward} for person, ward in wards]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A thousand persons: 400 were in the icu, 4 in the er alone, all others by day; the men of race *a* nearly all in the icu."""
    wards = [(i, "icu") for i in range(400)] + [(i, "er") for i in range(400, 404)] + [(i, "day") for i in range(404, 1000)]
    return World(tmp_path, person=people(), visit=visits(visited(*wards)))


IN = "select count(*) from person where person_id in (select person_id from visit where ward = '{}')"


def withheld(answer: Release | Refusal) -> bool:
    """Whether the data refused."""
    return isinstance(answer, Refusal) and answer.code is RefusalCode.withheld


def test_persons_of_a_select_are_counted(world: World) -> None:
    """Rounded, as any count; the same set by a join gives the same number."""
    assert world.cells(IN.format("icu")) == {(): (400,)}


def test_a_select_of_a_few_persons_tells_of_none(world: World) -> None:
    """If it leaves them out, alone or beside a condition, everybody's number is shown, as of one that leaves out nobody."""
    assert withheld(world.ask(IN.format("er")))
    few = IN.format("er").replace(" in (", " not in (")
    answer = world.ask(few)
    assert (answer.about, answer.persons) == (True, 1000)
    # Of women nobody knows how many they are where sex is a secret. So the memory decides: theirs is the number of who was told first.
    assert not world.ask(few + " and sex = 'F'").about
    assert world.ask("select count(*) from person where sex = 'F'").about
    assert not world.ask(few + " and person_id in (select person_id from visit where ward = 'day')").about
    assert world.ask(IN.format("day")).about


def test_a_few_persons_stay_hidden_behind_another_question(world: World) -> None:
    """Of two SELECTs that differ by four persons the second tells the first one's number, marked, and nothing of its own."""
    assert world.cells(IN.format("icu")) == {(): (400,)}
    both = "select count(*) from person where person_id in (select person_id from visit where ward in ('icu', 'er'))"
    answer = world.ask(both)
    assert isinstance(answer, Release)
    (row,) = answer.rows
    assert (answer.about, answer.persons, row.about, row.persons) == (True, 400, True, 400)
    assert row.values[0] == Value(value=400, about=True)


def test_what_nearly_all_of_a_group_have_is_not_told_by_a_select(tmp_path: Path) -> None:
    """Class disclosure: of 167 persons 160 were in the icu. Nor by the SELECT that leaves them out."""
    group = [i for i in range(1000) if i % 2 and i % 3 == 0]
    wards = [(i, "icu") for i in group[:153]] + [(i, "day") for i in range(1000) if i not in group[:153]]
    world = World(tmp_path, person=people(), visit=visits(visited(*wards)))
    where = " and sex = 'M' and race = 'a'"
    assert withheld(world.ask(IN.format("icu") + where))
    assert withheld(world.ask(IN.format("icu").replace(" in (", " not in (") + where))
    calm = CATALOGUE.model_copy(
        update={"tables": tuple(
            table.model_copy(update={"columns": tuple(c.model_copy(update={"sensitive": False}) for c in table.columns)})
            for table in CATALOGUE.tables
        )}
    )  # fmt: skip
    (tmp_path / "calm").mkdir()
    other = World(tmp_path / "calm", catalogue=calm, person=people(), visit=visits(visited(*wards)))
    assert other.cells(IN.format("icu") + where) in ({(): (150,)}, {(): (155,)})


def test_cases_are_cells_under_the_threshold(world: World) -> None:
    """A case of four persons is suppressed, and of another it is told only what is left with these four."""
    sql = "select case when ward = 'er' then 'few' when ward = 'icu' then 'many' else 'rest' end w, count(*) from visit group by w"
    rows = {row.key[0].value: row for row in world.ask(sql).rows}
    assert rows["few"].suppressed
    assert sum(row.about for row in rows.values()) == 1


def test_cases_cut_where_ranges_may_cut(world: World) -> None:
    """Codes are approved ones, ends are edges, days are months."""
    sql = "select case when {} then 1 else 2 end, count(*) from {} group by 1"
    for condition, table, says in (
        ("age < 17.5", "person", "edge"), ("sex = 'X'", "person", "approved code"), ("day < '2019-03-02'", "visit", "months"),
        ("note = 'x'", "person", "text"), ("mrn = 'x'", "person", "no column"),
    ):  # fmt: skip
        answer = world.ask(sql.format(condition, table))
        assert isinstance(answer, Refusal)
        assert answer.code is RefusalCode.catalogue
        assert says in answer.reason


def test_a_case_has_the_published_share_of_its_codes_alone(tmp_path: Path) -> None:
    """That nearly all are in the rest is no news where the catalogue says so of the codes; a case's name says nothing."""
    wards = [(i, "icu" if i % 20 < 1 else "day") for i in range(900)]  # everybody's number would stand in for all
    shares = {"icu": 0.05, "er": 0.0, "day": 0.95}
    tables = tuple(
        table.model_copy(update={"columns": tuple(
            c.model_copy(update={"codes": tuple(code.model_copy(update={"share": shares[code.value]}) for code in c.codes)})
            if c.name == "ward" else c for c in table.columns
        )})
        for table in CATALOGUE.tables
    )  # fmt: skip
    rules = TEN_FIVE.model_copy(update={"zeros": "shown"})
    catalogue = CATALOGUE.model_copy(update={"tables": tables})
    known = World(tmp_path, rules, catalogue=catalogue, visit=visits(visited(*wards)), person=people())
    sql = "select race, case when ward = 'icu' then 'day' else 'icu' end w, count(*) from visit join person using (person_id) group by 1, 2"
    assert all(value is not None for (race, _), (value,) in known.cells(sql).items() if race != "(missing)")
    (tmp_path / "unknown").mkdir()
    unknown = World(tmp_path / "unknown", rules, visit=visits(visited(*wards)), person=people())
    assert withheld(unknown.ask(sql))


def test_a_case_of_a_range_has_no_published_share(world: World) -> None:
    """That everybody of a race is in it is news."""
    sql = "select race, case when age < 90 then 'most' else 'old' end a, count(*) from person group by 1, 2"
    assert withheld(world.ask(sql))


def test_a_mean_of_days_is_judged_like_any_mean(tmp_path: Path) -> None:
    """Shown for many, suppressed for a few; its quantiles lie on its own grid; one who holds most of it is no answer."""
    first = pd.Timestamp("2019-01-01")
    rows = [
        {"person_id": i, "ward": "er" if i < 4 else ("icu", "day")[i % 2], "day": first + pd.Timedelta(days=i % 5)} for i in range(1000)
    ]
    frame = visits(rows).assign(out=[first + pd.Timedelta(days=i % 5 + 3 + i % 4) for i in range(1000)])
    visit = next(table for table in CATALOGUE.tables if table.name == "visit")
    wider = visit.model_copy(
        update={"columns": (*visit.columns, Column(name="out", type="date", role="date", days=("2019-03-01", "2021-06-01"), after="day"))}
    )
    catalogue = CATALOGUE.model_copy(update={"tables": tuple(wider if table is visit else table for table in CATALOGUE.tables)})
    world = World(tmp_path, catalogue=catalogue, visit=frame)
    stay = "datediff('day', day, out)"
    assert world.cells(f"select avg({stay}) from visit")[()] == (4.5,)
    cells = world.cells(f"select ward, count(*), avg({stay}) from visit group by ward")
    assert cells[("er",)] == (None, None)
    (median,) = world.cells(f"select median({stay}) from visit")[()]
    assert median in (4, 5)
    assert world.ask(f"select avg({stay}) from visit").columns[0].unit == "days"


def test_having_sees_released_numbers_only(world: World) -> None:
    """A row that is suppressed meets no condition, not even that it is small: its number is not asked."""
    sql = "select ward, count(*) n from visit group by ward"
    full = world.cells(sql)
    assert world.cells(f"{sql} having count(*) >= 0") == {key: values for key, values in full.items() if values[0] is not None}
    assert world.cells(f"{sql} having count(*) < 10") == {}
    rounded = world.cells("select sex, count(*) n from person group by sex having n = 500")
    assert set(rounded.values()) == {(500,)}
