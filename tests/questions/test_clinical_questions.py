"""Ordinary questions are answered: a broker that hides too much is wrong too. Figures of a run: ``python -m tests.questions``."""

import pytest

from questions.asking import Asked, ask_all, questions
from questions.hospitals import generated, gibleed
from questions.report import account, figures

pytestmark = pytest.mark.slow

PERSONS = 20_000


@pytest.fixture(scope="module")
def at_generated(tmp_path_factory: pytest.TempPathFactory) -> list[Asked]:
    return list(ask_all(generated(tmp_path_factory.mktemp("generated"), PERSONS)))


@pytest.fixture(scope="module")
def at_gibleed(tmp_path_factory: pytest.TempPathFactory) -> list[Asked]:
    return list(ask_all(gibleed(tmp_path_factory.mktemp("gibleed"))))


def test_there_are_a_hundred_questions_to_each() -> None:
    """As many as the account speaks of."""
    assert len(questions("generated")) == len(questions("gibleed")) == 100


def test_generated_data_is_answered(at_generated: list[Asked]) -> None:
    """Nothing is refused by the grammar; most questions get every number."""
    assert not [each for each in at_generated if each.outcome in ("grammar", "catalogue", "unavailable", "capped")]
    told = figures(at_generated)
    assert told.answered >= 95, account("generated", at_generated)
    assert told.full >= 78, account("generated", at_generated)


def test_gibleed_is_answered(at_gibleed: list[Asked]) -> None:
    """Of 2,694 persons: less than of 20,000, for the threshold hides more."""
    assert not [each for each in at_gibleed if each.outcome in ("grammar", "catalogue", "unavailable", "capped")]
    told = figures(at_gibleed)
    assert told.answered >= 86, account("gibleed", at_gibleed)
    assert told.full >= 43, account("gibleed", at_gibleed)
