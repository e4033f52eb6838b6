"""What the judge tells where the memory gives a released set in the place of one that was asked about."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from broker_world import TEN_FIVE, any_rows, beside, bound_to, evidence, some

from twinpane_broker.aggregates.value import Value
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.disclosure.judge import Judged, judge
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.memory import ADMITTED, PERSONS, REFUSED, StandIn, Standing, Totals
from twinpane_broker.rules.policy import Rules, load_rules

EXACT = load_rules({"preset": "cms-11", "threshold": 11})
WARD = bound_to("select ward, count(distinct person_id) n from visit where ward is not null group by ward")
SHARES = bound_to(
    "select ward, 100.0 * count(distinct person_id) / sum(count(distinct person_id)) over () s from visit "
    "where ward is not null group by ward"
)
CELLS = {(0,): 300, (1,): 200, (2,): 100}


def told(bound: ResolvedPlan, seen: Evidence, stands: Mapping[frozenset[int], Standing], rules: Rules = TEN_FIVE) -> Judged:
    """The answer beside a memory in which these sets stand so, and all others are admitted."""

    def places(who: PersonSet, _name: bytes, kind: str, _totals: Totals) -> Standing:
        return stands.get(frozenset(who), ADMITTED) if kind == PERSONS else ADMITTED

    around = beside(lambda who: frozenset(who) not in stands, any_rows, seen)
    return judge(bound, seen, rules, replace(around, places=places))


def near(who: PersonSet, more: int) -> Standing:
    """A released set of so many persons more stands in."""
    released = PersonSet(who | some(more, start=5000))
    return Standing(False, StandIn(released, len(released), b""))


@pytest.mark.parametrize("rules", [TEN_FIVE, EXACT])
@pytest.mark.parametrize("more", [0, 5, 15])
def test_a_cell_has_the_persons_of_its_stand_in(rules: Rules, more: int) -> None:
    """Marked, whoever is in it; its own set is not remembered as released."""
    seen = evidence(WARD, CELLS, population=900)
    own = seen.cells[(2,)].who
    judged = told(WARD, seen, {frozenset(own): near(own, more)}, rules)
    row = judged.answer.rows[2]
    assert (row.persons, row.about) == (100 + more, True)
    assert row.values == (Value(value=100 + more, about=True),)
    assert own not in judged.released


def test_a_stand_in_has_a_suppressed_cell_beside_it() -> None:
    """The exact total less the other cells would be the marked cell's own number."""
    seen = evidence(WARD, CELLS, population=900)
    own = seen.cells[(2,)].who
    judged = told(WARD, seen, {frozenset(own): near(own, 5)}, EXACT)
    assert judged.answer.persons == 600
    assert [row.persons for row in judged.answer.rows[:2]].count(None) == 1
    assert not any(row.about for row in judged.answer.rows[:2])


def test_what_a_table_tells_does_not_depend_on_who_was_left_out() -> None:
    """An equal set and a near one have the same persons, marks and suppressed cells."""
    answers = []
    for fewer in (0, 1, 5):
        seen = evidence(WARD, {**CELLS, (2,): 100 - fewer}, population=900)
        judged = told(WARD, seen, {frozenset(who): near(who, fewer) for who in (seen.who, seen.cells[(2,)].who)}, EXACT)
        answers.append([judged.answer.persons, judged.answer.about] + [(row.persons, row.about, row.values) for row in judged.answer.rows])
    assert answers[0] == answers[1] == answers[2]


def test_a_refused_cell_without_a_stand_in_is_suppressed() -> None:
    """It has neither a number nor a mark."""
    seen = evidence(WARD, CELLS, population=900)
    row = told(WARD, seen, {frozenset(seen.cells[(2,)].who): REFUSED}).answer.rows[2]
    assert (row.persons, row.about, row.values) == (None, False, (Value(),))


def test_a_stand_in_for_the_question_marks_its_persons() -> None:
    """Cells that the memory admits keep their own numbers where the stand-in's table cannot be made, as of events.

    But for one: together they would tell how many the question's own persons are. It shows what is left of the stand-in.
    """
    seen = evidence(WARD, CELLS, population=900)
    answer = told(WARD, seen, {frozenset(seen.who): near(seen.who, 5)}).answer
    assert (answer.persons, answer.about) == (605, True)
    assert [(row.persons, row.about) for row in answer.rows] == [(300, False), (200, False), (105, True)]


def test_a_question_refused_without_a_stand_in_is_withheld() -> None:
    """Nothing of it is told, and nothing remembered."""
    seen = evidence(WARD, CELLS, population=900)
    judged = told(WARD, seen, {frozenset(seen.who): REFUSED})
    assert judged.answer.withheld
    assert not judged.released


def test_a_share_is_made_of_the_shown_numbers_and_marked() -> None:
    """Of a marked cell, and of any cell where its denominator is a stand-in's."""
    seen = evidence(SHARES, CELLS, population=900)
    cell = seen.cells[(2,)].who
    rows = told(SHARES, seen, {frozenset(cell): near(cell, 5)}).answer.rows
    assert rows[2].values == (Value(value=round(100 * 105 / 600, 1), n=105, of=600, about=True),)
    assert not rows[0].values[0].about
