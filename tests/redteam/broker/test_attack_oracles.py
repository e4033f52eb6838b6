"""Attacks by how an answer comes, not by what it says: errors (7.16), time (7.17), denials (7.19)."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from reference.hospital import TEN_FIVE, Hospital
from twinpane_broker.broker import Broker
from twinpane_broker.errors import EngineError, RefusalCode
from twinpane_broker.release.release import Refusal, Release
from twinpane_broker.rules.policy import load_rules
from twinpane_broker.sql import parse_sql
from twinpane_site.answering.broker_client import tick_of
from twinpane_site.config import BrokerPolicy
from unit.broker_world import CATALOGUE, people

from .ward import hospital, is_withheld, refused

# ---------------------------------------------------------------- 7.16 errors


ERRORS = {
    # Each fails, or says more, where person 7 smokes.
    "error()": "select count(*) from person where case when person_id = 7 and smoker then error(note) else true end",
    "a cast": "select count(*) from person where case when person_id = 7 and smoker then note::int > 0 else true end",
    "a division": "select sum(1 // (case when person_id = 7 and smoker then 0 else 1 end)) from person",
    "an overflow": "select sum((case when person_id = 7 and smoker then 2147483647 else 1 end)::int + 1::int) from person",
    "a date": "select count(make_date(case when person_id = 7 and smoker then 9999999 else 2000 end, 1, 1)) from person",
    "a pattern": "select count(*) from person where case when person_id = 7 and smoker then regexp_matches('x', '(' || note) else 1 end",
    "a subquery of two rows": "select count(*) from person where age > (select age from person where smoker)",
    "memory": "select count(repeat(note, case when person_id = 7 and smoker then 1000000000000 else 1 end)) from person",
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_that_depends_on_a_row_cannot_be_asked_for(tmp_path: Path, name: str) -> None:
    """An engine that fails tells one bit, or a row's value in its text. The grammar has no scalar that can fail, whoever smokes."""
    sql = ERRORS[name]
    frames = {True: people(smoker=lambda i: i % 2 == 1), False: people(smoker=False)}

    def naive(smokes: bool) -> str:
        with duckdb.connect() as plain:
            plain.register("person", frames[smokes])
            try:
                return str(plain.execute(sql).fetchall())
            except duckdb.Error as error:
                return str(error)

    assert naive(True) != naive(False)
    assert "canary" not in refused(sql)


class Failing:
    """An engine that fails in its own words."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def measure(self, _bound: object) -> None:
        raise self._error


def test_what_an_engine_says_stays_inside(tmp_path: Path) -> None:
    """Whatever breaks, one code and one text; the same bytes for every reason."""
    from twinpane_broker.memory import InProcessMemory

    plan = parse_sql("select count(*) from person", CATALOGUE)
    kinds = (EngineError, ValueError, MemoryError, duckdb.Error, KeyError, RecursionError)
    errors = [kind("canary-7") for kind in kinds]
    answers = {Broker(CATALOGUE, TEN_FIVE, Failing(error), InProcessMemory()).run(plan).canonical() for error in errors}
    assert len(answers) == 1
    assert b"canary" not in answers.pop()


# ---------------------------------------------------------------- 7.17 time


@pytest.mark.parametrize("seconds", [0.0001, 0.003, 0.011, 0.024, 0.026, 0.09, 0.4])
def test_answers_and_refusals_leave_on_the_same_grid(seconds: float) -> None:
    """A query that is fast where nobody matches tells that by itself; every reply leaves at a doubling of the first tick.

    What is asked for the moment is how long the answer took, and nothing of what it says.
    """
    first = BrokerPolicy().first_reply_ms / 1000
    tick = tick_of(first, seconds)
    assert round(tick / first) & (round(tick / first) - 1) == 0, "not on the grid"
    assert tick / first == pytest.approx(round(tick / first))
    assert seconds <= tick <= max(first, 2 * seconds)


# ---------------------------------------------------------------- 7.19 denials


def test_refusals_by_data_cannot_be_told_apart(tmp_path: Path) -> None:
    """Refusals for nobody, one and nine have the same bytes. All but one, or but nine, look like all.

    But for the plan's hash, and what the plan costs the account, which follows from the questions alone.
    """
    site = hospital(tmp_path, person=people(age=lambda i: 97 if i == 0 else 92 if i < 9 else 20 + i % 60))
    assert isinstance(site.ask("select count(*) from person where sex = 'F'"), Release)
    answers = [site.ask(f"select count(*) from person where {where}") for where in ("age < 5", "age >= 95", "age >= 90")]
    assert all(is_withheld(answer) for answer in answers)
    assert len({answer.plan_hash for answer in answers}) == len(answers)
    assert len({answer.model_copy(update={"plan_hash": "0" * 64, "account": ()}).canonical() for answer in answers}) == 1
    assert [[line.told for line in answer.account] for answer in answers] == [[1], [2], [3]]
    nearly = [site.ask(f"select count(*) from person where {where}") for where in ("age < 95", "age < 90")]
    assert [isinstance(answer, Release) and (answer.persons, answer.about) for answer in nearly] == [(1000, True)] * 2


TARGET = "race = 'a' and age >= 90"


@pytest.mark.parametrize("smokes", [True, False], ids=["who smokes", "who does not"])
def test_whether_an_answer_is_denied_does_not_tell_the_value(tmp_path: Path, smokes: bool) -> None:
    """Simulatable auditing: the two halves of a tracker, where the denial itself would be the answer.

    Ask about the smokers in A, and about the smokers in A without B, who is known to be in A. The two sets differ if B smokes, and are
    the same if not. A broker that denies only if they differ tells whether B smokes. So it must deny in both worlds, or in neither.
    """
    site = hospital(tmp_path, person=people(age=lambda i: 92 if i == 0 else 20 + i % 60, smoker=lambda i: smokes if i == 0 else i % 5 == 1))
    assert site.naive(f"select smoker from person where {TARGET}") == [(smokes,)]
    assert site.one("select count(*) from person where race = 'a' and smoker = true") is not None
    assert is_withheld(site.ask(f"select count(*) from person where race = 'a' and smoker = true and not ({TARGET})"))


def test_denials_are_counted_and_end(tmp_path: Path) -> None:
    """Bisection by denials ends: once the day's share is spent, every new question gets the same answer, and earlier ones get theirs."""
    rules = load_rules({"preset": "10-5", "threshold": 10, "withheld_per_day": 5})
    today = [date(2026, 11, 22)]
    tables = hospital(tmp_path / "other").tables
    site = Hospital(tmp_path / "site", CATALOGUE, tables, rules, today=lambda: today[0])
    kept = site.ask("select sex, count(*) n from person group by sex")
    denied = [site.ask(f"select count(*) from person where age >= {age} and age < {age + 5} and race = 'a' and smoker = true and sex = 'F'")
              for age in range(20, 70, 5)]  # fmt: skip
    codes = [answer.code for answer in denied if isinstance(answer, Refusal)]
    assert codes[:5] == [RefusalCode.withheld] * 5
    assert set(codes[5:]) == {RefusalCode.capped}
    assert site.ask("select race, count(*) n from person group by race").code is RefusalCode.capped
    assert site.ask("select sex, count(*) n from person group by sex").canonical() == kept.canonical()
    site.restart()
    assert site.ask("select race, count(*) n from person group by race").code is RefusalCode.capped
    assert isinstance(site.ask("select race, count(*) n from person group by race", project="another"), Release)
    today[0] = date(2026, 11, 23)
    assert isinstance(site.ask("select smoker, count(*) n from person group by smoker"), Release)


def test_asking_a_denied_question_again_costs_and_tells_nothing(tmp_path: Path) -> None:
    """Asking a denied question again costs nothing and tells nothing. The same denial, from memory, for whoever asks."""
    rules = load_rules({"preset": "10-5", "threshold": 10, "withheld_per_day": 2})
    site = Hospital(tmp_path, CATALOGUE, hospital(tmp_path / "other").tables, rules)
    first = site.ask("select count(*) from person where age >= 95")
    assert all(site.ask("select count(*) from person where age >= 95").canonical() == first.canonical() for _ in range(5))
    assert isinstance(site.ask("select sex, count(*) n from person group by sex"), Release)
