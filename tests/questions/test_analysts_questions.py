"""An analyst's ordinary SQL is answered, and rightly. Figures of a run: ``python -m tests.questions``."""

from typing import NamedTuple

import pytest

from questions.analysts import analysts_questions
from questions.asking import ask_all
from questions.report import account, figures

pytestmark = pytest.mark.slow


class Reached(NamedTuple):
    """At least so many questions in full; at most so many refused, percent of numbers lost, and wrong numbers."""

    full: int
    by_grammar: int
    lost: float
    wrong: int


REACHED = {"generated": Reached(87, 0, 3.7, 0), "gibleed": Reached(68, 0, 9.4, 0)}
"""The goals are stricter; a run prints them."""


@pytest.mark.parametrize("hospital", ["generated", "gibleed"])
def test_what_analysts_ask_is_answered_in_their_sql(hospital: str, request: pytest.FixtureRequest) -> None:
    """What was reached on 20,000 and on 2,694 persons is not lost again: answers, and right ones."""
    asked = list(ask_all(request.getfixturevalue(f"{hospital}_hospital"), analysts_questions(hospital), "analysts"))
    told, text = figures(asked), account(hospital, asked, goals=hospital)
    reached = REACHED[hospital]
    assert told.full >= reached.full, text
    assert told.kinds["grammar"] <= reached.by_grammar, text
    assert not told.kinds["unavailable"] + told.kinds["capped"], text
    assert told.percent_lost <= reached.lost, text
    assert told.wrong <= reached.wrong, text


@pytest.mark.parametrize("hospital", ["generated", "gibleed"])
def test_what_a_study_asks_is_read_and_rightly_answered(hospital: str, request: pytest.FixtureRequest) -> None:
    """Ages at events, times between them, first values, kinds: no grammar stands in the way, and no number is wrong."""
    asked = list(ask_all(request.getfixturevalue(f"{hospital}_hospital"), analysts_questions(hospital, "studies.sql"), "studies"))
    assert [one.question.ask for one in asked if one.outcome not in ("released", "withheld")] == []
    assert [wrong for one in asked for wrong in one.verdict.wrong] == []
    released = [one for one in asked if one.outcome == "released"]
    assert len(released) >= len(asked) - 1, [(one.question.ask, one.reason) for one in asked if one not in released]
    assert sum(one.verdict.right for one in released) >= 10
