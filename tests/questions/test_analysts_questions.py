"""An analyst's ordinary SQL is answered, and rightly. Figures of a run: ``python -m tests.questions``."""

import pytest

from questions.analysts import analysts_questions
from questions.asking import ask_all
from questions.hospitals import Hospital
from questions.report import Figures, account, figures

pytestmark = pytest.mark.slow


def asked_of(hospital: Hospital) -> tuple[Figures, str]:
    """Figures, and the account to read where they are too low."""
    asked = list(ask_all(hospital, analysts_questions(hospital.name), "analysts"))
    return figures(asked), account(hospital.name, asked, goals=hospital.name)


def test_generated_data_is_answered_in_sql(generated_hospital: Hospital) -> None:
    """What was reached on 20,000 persons is not lost again."""
    told, text = asked_of(generated_hospital)
    assert told.full >= FULL[0], text
    assert told.kinds["grammar"] <= BY_GRAMMAR[0], text
    assert told.percent_lost <= LOST[0], text
    assert told.wrong <= WRONG[0], text


def test_gibleed_is_answered_in_sql(gibleed_hospital: Hospital) -> None:
    """What was reached on 2,694 persons is not lost again."""
    told, text = asked_of(gibleed_hospital)
    assert told.full >= FULL[1], text
    assert told.kinds["grammar"] <= BY_GRAMMAR[1], text
    assert told.percent_lost <= LOST[1], text
    assert told.wrong <= WRONG[1], text


FULL, BY_GRAMMAR, LOST, WRONG = (0, 0), (100, 100), (1.0, 2.0), (0, 0)
"""Reached on generated data and on GiBleed: at least, at most, at most in percent, at most."""
