"""Cell key noise: of the persons and the secret alone, bounded, zero on average; and never without a secret."""

from pathlib import Path

import pytest
from broker_world import CATALOGUE, TEN_FIVE, any_rows, bound_to, evidence, judge, some
from hypothesis import given
from hypothesis import strategies as st

from twinpane_broker.aggregates.registry import measure_of
from twinpane_broker.broker import Broker
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import check
from twinpane_broker.disclosure.applied import applied
from twinpane_broker.errors import PolicyError
from twinpane_broker.memory import InProcessMemory
from twinpane_broker.rules.cell_key import Counter, noise
from twinpane_broker.rules.policy import load_rules
from twinpane_broker.sql import parse_sql

SECRET = b"s" * 32
NOISY = load_rules({"preset": "cms-11", "threshold": 11, "noise": "cell_key", "noise_bound": 5})
RACE = bound_to("select race, count(*), count(distinct person_id) from person where race is not null group by race")
CELLS = {(0,): 100, (1,): 150, (2,): 210}


def everything(_who: PersonSet) -> bool:
    return True


@given(st.sets(st.integers(0, 10**6), min_size=1, max_size=200), st.binary(min_size=16, max_size=32), st.integers(1, 20))
def test_noise_is_bounded_and_the_same_for_the_same_persons(who: set, secret: bytes, bound: int) -> None:
    """However the set came about."""
    drawn = noise(PersonSet(who), secret, bound)
    assert -bound <= drawn <= bound
    other_way = PersonSet(range(10**6 + 1)) & PersonSet(sorted(who, reverse=True))
    assert noise(other_way, secret, bound) == drawn


def test_noise_is_zero_on_average_and_every_number_is_drawn() -> None:
    """Over sets, and over secrets."""
    drawn = [noise(some(20, start), SECRET, 5) for start in range(4000)]
    assert set(drawn) == set(range(-5, 6))
    assert abs(sum(drawn) / len(drawn)) < 0.2
    assert len({noise(some(20), bytes([i]) * 16, 5) for i in range(200)}) == 11


def test_nobody_has_no_noise() -> None:
    """A zero that is shown is one."""
    assert noise(PersonSet(), SECRET, 5) == 0
    assert Counter(NOISY, SECRET).shown(PersonSet(), 0) == 0


def test_the_same_persons_have_the_same_noise_in_every_question() -> None:
    """Asked as a cell or by WHERE, and with their rows."""
    seen = evidence(RACE, CELLS)
    table = judge(RACE, seen, NOISY, everything, any_rows, SECRET).answer
    alone = bound_to("select count(*), count(distinct person_id) from person where race = 'a'")
    who = seen.cell((0,)).who
    one = judge(alone, evidence(alone, {(): 100}, population=460), NOISY, everything, any_rows, SECRET).answer
    assert PersonSet(range(100)) == who
    assert table.rows[0].persons == one.rows[0].persons == one.rows[0].values[0].value == one.rows[0].values[1].value
    assert abs(table.rows[0].persons - 100) <= 5


def test_thresholds_are_judged_on_true_numbers() -> None:
    """Ten persons stay suppressed whatever the noise, and two hundred shown; of forty it is told what is left with the ten."""
    seen = evidence(RACE, {(0,): 40, (1,): 10, (2,): 200})
    for secret in range(20):
        rows = judge(RACE, seen, NOISY, everything, any_rows, bytes([secret]) * 16).answer.rows
        assert [(row.persons is None, row.about) for row in rows] == [(False, True), (True, False), (False, False)]


def test_shares_are_made_from_noisy_numbers() -> None:
    """Those that are shown beside them, to as many digits as these leave: whole percents."""
    plan = parse_sql("select race, count(*) from person where race is not null group by race")
    bound = check(plan.model_copy(update={"measures": (measure_of("share"),)}), CATALOGUE)
    answer = judge(bound, evidence(bound, CELLS), NOISY, everything, any_rows, SECRET).answer
    for row in answer.rows:
        assert row.values[0].value == round(100 * row.persons / answer.persons)


def test_without_a_secret_nothing_is_answered(tmp_path: Path) -> None:
    """Neither by the judge nor by a broker, which does not even start; the error names the remedy."""
    with pytest.raises(PolicyError, match="secret"):
        judge(RACE, evidence(RACE, CELLS), NOISY, everything, any_rows)
    with pytest.raises(PolicyError, match="secret"):
        Broker(CATALOGUE, NOISY, object(), InProcessMemory())
    assert Broker(CATALOGUE, NOISY, object(), InProcessMemory(), secret=SECRET)
    assert judge(RACE, evidence(RACE, CELLS), TEN_FIVE, everything, any_rows).answer.rows


def test_the_noise_is_told_to_the_reader() -> None:
    """And never called differential privacy."""
    words = " ".join(rule.sentence for rule in applied(NOISY, parse_sql("select count(*) from person", CATALOGUE)))
    assert "noise of at most 5" in words
    assert "ifferential" not in words
