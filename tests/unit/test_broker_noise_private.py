"""The differential-privacy mode: what is refused, what an answer costs, and that its noise is of the size it says."""

import math
import statistics
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from broker_world import CATALOGUE, TEN_FIVE, World, bound_to, evidence, one_row_each, people, some, spread_of

from twinpane_broker.broker import Broker
from twinpane_broker.cells.cell_evidence import CellEvidence
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.disclosure import differential_privacy
from twinpane_broker.disclosure.applied import applied
from twinpane_broker.disclosure.differential_privacy import UNITS, Account, laplace, pay, require
from twinpane_broker.disclosure.judge import Judged
from twinpane_broker.errors import PolicyError, RefusalCode, Refused
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.memory import InProcessMemory, SqliteMemory
from twinpane_broker.release.release import Refusal, Release
from twinpane_broker.rules.policy import load_rules
from twinpane_broker.sql import parse_sql

PRIVATE = load_rules({"preset": "own", "threshold": 10, "base": 1, "dp": {"epsilon_per_answer": 0.5, "epsilon_total": 1.0}})
SEX = bound_to("select sex, count(distinct person_id), count(*) from person group by sex")


class Silent:
    """A mechanism without noise that remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, float, int]] = []

    def __call__(self, numbers: list[int], epsilon: float, sensitivity: int) -> list[int]:
        self.asked.append((len(numbers), epsilon, sensitivity))
        return numbers


def private(bound: ResolvedPlan, seen: Evidence, *more: object) -> Judged:
    """The answer where nobody has two rows in any table."""
    return differential_privacy.private(bound, replace(seen, one_row_each=True), *more)


# ---------------------------------------------------------------- what is refused, by the question alone


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("select count(*) from visit", "count\\(distinct visit.person_id\\)"),
        ("select avg(lactate) from visit", "count\\(distinct"),
        ("select avg(dose) from drug d join person p on d.patient = p.person_id", "one row of person"),
        ("select stddev(age) from person", "stddev has no noise"),
        ("select quantile_cont(age, 0.5) from person", "quantile_cont has no noise"),
        ("select corr(age, weight) from person", "corr has no noise"),
        ("select date_trunc('month', day), count(distinct person_id) from visit group by 1", "at most 4 cells"),
    ],
)
def test_what_has_no_bound_per_person_is_refused_with_advice(sql: str, says: str) -> None:
    """What has no bound per person is refused before anything is looked at, and the refusal says what to ask."""
    with pytest.raises(Refused, match=says) as refused:
        require(bound_to(sql), PRIVATE)
    assert refused.value.code is RefusalCode.catalogue


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from person",
        "select sex, race, count(distinct person_id) from person group by sex, race",
        "select avg(age), sum(weight) from person where sex = 'F'",
        "select ward, count(distinct person_id) from visit group by ward",
        "select sex, count(distinct person.person_id) from person join visit using (person_id) where ward = 'icu' group by sex",
    ],
)
def test_what_has_a_bound_is_answered(sql: str) -> None:
    """One row per person, one cell per person, or few cells."""
    require(bound_to(sql), PRIVATE)


# ---------------------------------------------------------------- sensitivity and cost


def test_all_numbers_of_an_answer_together_cost_its_epsilon() -> None:
    """The question's persons, the cells', and two numbers per mean."""
    bound = bound_to("select sex, count(*), avg(age), sum(age) from person group by sex")
    seen = evidence(bound, {(0,): 60, (1,): 40})
    mechanism = Silent()
    private(bound, seen, PRIVATE, mechanism)
    assert math.isclose(sum(epsilon for _, epsilon, _ in mechanism.asked), 0.5)
    assert [(n, sensitivity) for n, _, sensitivity in mechanism.asked] == [(2, 1), (1, 1), (2, UNITS + 1), (2, 1)]


def test_a_person_in_several_cells_is_paid_for_in_each() -> None:
    """Three wards: one person can change three counts."""
    bound = bound_to("select ward, count(distinct person_id) from visit group by ward")
    mechanism = Silent()
    private(bound, evidence(bound, {(0,): 60, (1,): 40, (2,): 50}, whole=100), PRIVATE, mechanism)
    assert mechanism.asked[0][2] == len(bound.cells)


def test_a_person_listed_twice_counts_once() -> None:
    """Where a person is promised to be in one cell, the first of the table is it, whatever the data holds."""
    cells = {(0,): one_row_each(some(60)), (1,): one_row_each(some(60, 30))}
    answer = private(SEX, Evidence(some(90), some(90), cells), PRIVATE, Silent()).answer
    assert [row.persons for row in answer.rows] == [60, 30]


@pytest.mark.parametrize("asked", ["avg(age)", "sum(age)", "count(*)"])
def test_values_are_refused_where_anybody_has_two_rows(tmp_path: Path, asked: str) -> None:
    """Whoever is selected, and before anything is paid: only the selection of that person was refused, without noise and for nothing."""
    twice = pd.concat([people(), people().iloc[[7]]])
    world = World(tmp_path, rules=PRIVATE, person=twice)
    sqls = [f"select {asked} from person where sex = '{sex}'" for sex in "FM"]
    answers = [world.ask(sql) for sql in sqls]
    assert {(answer.status, answer.code, answer.reason) for answer in answers} == {("refused", "catalogue", answers[0].reason)}
    assert "count(distinct person.person_id)" in answers[0].reason
    with world.memory.decision() as decision:
        assert Account(decision, "").spent == 0
    assert isinstance(world.ask("select sex, count(distinct person_id) from person group by sex"), Release)
    world.engine.close()


def test_one_person_moves_a_sum_by_no_more_than_its_bound() -> None:
    """Clipped values are at most half a span from the middle, in whole units."""
    bound = bound_to("select sum(age) from person")
    sums = []
    for last in ([], [0.0], [100.0]):
        values = {**{i: [50.0] for i in range(50)}, **{50 + i: [value] for i, value in enumerate(last)}}
        mechanism = Silent()
        seen: list[list[int]] = []
        cell = CellEvidence(some(len(values)), len(values), 1, 1, (spread_of(values),))
        private(bound, Evidence(cell.who, cell.who, {(): cell}), PRIVATE, lambda n, e, s, kept=seen: (kept.append(n), n)[1])
        sums.append(seen[-2][0])
        assert mechanism.asked == []
    assert max(sums) - min(sums) <= 2 * (UNITS + 1)
    assert abs(sums[1] - sums[0]) <= UNITS + 1


def test_sums_and_means_come_out_right_without_noise() -> None:
    """Middle and units are taken back."""
    bound = bound_to("select avg(age), sum(age) from person")
    cell = CellEvidence(some(50), 50, 1, 1, (spread_of([30.0 + i for i in range(50)]),))
    values = private(bound, Evidence(some(50), some(50), {(): cell}), PRIVATE, Silent()).answer.rows[0].values
    assert values[0].value == 54.5
    assert values[1].value == 2725


def test_cells_are_suppressed_by_their_noisy_count_alone() -> None:
    """This is post-processing: the same noisy number gives the same decision."""
    answer = private(SEX, evidence(SEX, {(0,): 60, (1,): 2}), PRIVATE, lambda n, _e, _s: [x + 9 if x == 2 else x for x in n]).answer
    assert [row.persons for row in answer.rows] == [60, 11]


# ---------------------------------------------------------------- OpenDP's mechanism


def test_the_mechanism_adds_whole_numbers_of_the_scale_it_says() -> None:
    """Mean absolute noise of a discrete Laplace of scale sensitivity / epsilon."""
    drawn = laplace([1000] * 4000, 0.2, 2)
    assert all(isinstance(number, int) for number in drawn)
    assert abs(statistics.mean(drawn) - 1000) < 1.5
    assert 8 < statistics.mean(abs(number - 1000) for number in drawn) < 12


def test_without_opendp_the_broker_does_not_start_and_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without OpenDP the broker does not start, and says what to install. It never falls back to something without differential privacy."""
    monkeypatch.setitem(sys.modules, "opendp.prelude", None)
    with pytest.raises(PolicyError, match="twinpane\\[dp\\]"):
        Broker(CATALOGUE, PRIVATE, object(), InProcessMemory())


# ---------------------------------------------------------------- the account


def test_a_project_with_its_epsilon_spent_gets_no_new_answers(tmp_path: Path) -> None:
    """A project that has spent its epsilon gets no new answers.

    Two of 0.5 from 1.0; what was answered stays answered, also after a restart; other projects have their own.
    """
    memory = SqliteMemory(tmp_path / "memory.db")
    world = World(tmp_path, rules=PRIVATE, memory=memory)
    first = world.ask("select sex, count(*) from person group by sex")
    assert isinstance(first, Release)
    assert isinstance(world.ask("select count(*) from person where sex = 'F'"), Release)
    spent = world.ask("select count(*) from person where sex = 'M'")
    assert isinstance(spent, Refusal)
    assert "privacy budget of epsilon 1" in spent.reason
    again = Broker(CATALOGUE, PRIVATE, world.engine, SqliteMemory(tmp_path / "memory.db"))
    assert again.run(parse_sql("select sex, count(*) from person group by sex")).rows == first.rows
    assert isinstance(again.run(parse_sql("select race, count(*) from person group by race")), Refusal)
    other = Broker(CATALOGUE, PRIVATE, world.engine, SqliteMemory(tmp_path / "memory.db"), project="other")
    assert isinstance(other.run(parse_sql("select race, count(*) from person group by race")), Release)


def test_the_account_knows_what_was_spent() -> None:
    """Per project, the sum of its answers."""
    memory = InProcessMemory()
    with memory.decision() as decision:
        pay(PRIVATE.dp, decision, "a")
    with memory.decision() as decision:
        assert Account(decision, "a").spent == 0.5
        assert Account(decision, "b").spent == 0


def test_a_refused_question_costs_nothing(tmp_path: Path) -> None:
    """It is refused before it is measured."""
    world = World(tmp_path, rules=PRIVATE)
    for _ in range(5):
        assert world.ask("select stddev(age) from person").code is RefusalCode.catalogue
    with world.memory.decision() as decision:
        assert Account(decision, "").spent == 0


def test_the_reader_is_told_epsilon_and_unit() -> None:
    """And heuristic modes never say differential privacy."""
    words = " ".join(rule.sentence for rule in applied(PRIVATE, parse_sql("select count(*) from person", CATALOGUE)))
    assert "epsilon 0.5 for this answer" in words
    assert "the person as the unit" in words
    assert "ifferential" not in " ".join(rule.sentence for rule in applied(TEN_FIVE, parse_sql("select count(*) from person", CATALOGUE)))
