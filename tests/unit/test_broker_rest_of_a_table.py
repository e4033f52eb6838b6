"""A cell that follows from an earlier total and the other cells of its answer bears what a reader can subtract, marked."""

from pathlib import Path

import pytest

from twinpane_broker.disclosure.secondary_suppression import SuppressionPattern
from twinpane_broker.evidence.table import table_of
from twinpane_broker.memory import REFUSED, StandIn, Standing
from unit.broker_world import TEN_FIVE, World, bound_to, drugs, evidence, people, some, visits

BY_SEX = "SELECT sex, count(*) AS visits FROM visit JOIN person ON person.person_id = visit.person_id WHERE ward = 'icu' GROUP BY sex"


def asked(folder: Path, *, treated: int, on_ward: int = 880) -> list[tuple[bool, int | None]]:
    """Of the first persons, who are on a ward, by sex; those ``treated`` were counted before, as those who have a drug."""
    folder.mkdir()
    ward = [{"person_id": i, "ward": "icu" if i < on_ward else "er"} for i in range(1000)] + [{"person_id": 0, "ward": "icu"}]
    given = [{"patient": i, "name": "x" if i < treated else "y"} for i in range(1000)]
    person = people(sex=lambda i: "F" if i < 400 else "M")
    world = World(folder, person=person, visit=visits(ward), drug=drugs(given))
    before = world.ask("SELECT count(distinct patient) FROM drug WHERE name = 'x'")
    assert (before.persons, before.about) == (treated // 5 * 5, False)
    return [(row.about, row.persons) for row in world.ask(BY_SEX).rows]


@pytest.mark.parametrize("treated", [880, 875])
def test_the_last_cell_is_what_a_told_total_leaves(tmp_path: Path, treated: int) -> None:
    """Women and all who were treated are told, so men follow, about, whether all on the ward were treated or all but five."""
    assert asked(tmp_path / "site", treated=treated) == [(False, 400), (True, treated - 400)]


@pytest.mark.parametrize("on_ward", [879, 875, 872])
def test_a_last_cell_does_not_tell_who_is_left_out(tmp_path: Path, on_ward: int) -> None:
    """Whether a man who was treated is on the ward or not, men are all who were treated less the women, marked."""
    assert asked(tmp_path / "site", treated=880, on_ward=on_ward) == asked(tmp_path / "all", treated=880) == [(False, 400), (True, 480)]


def test_a_sum_whose_part_is_suppressed_is_not_shown() -> None:
    """A reader who does not see the women cannot subtract them: then the men are refused without a number."""
    bound = bound_to("SELECT sex, count(*) AS n FROM person GROUP BY sex")
    table = table_of(bound, evidence(bound, {(0,): 400, (1,): 480}))
    pattern = SuppressionPattern(table, bound, TEN_FIVE, TEN_FIVE.base)
    pattern.refuse({(1,): Standing(False, StandIn(some(480), 480, rests_on=(table.cell((0,)).who,)))})
    assert pattern.unsupported() == {}
    pattern.refuse({(0,): REFUSED})
    assert pattern.unsupported() == {(1,): REFUSED}
    pattern.refuse(pattern.unsupported())
    assert pattern.stand_ins == {}
