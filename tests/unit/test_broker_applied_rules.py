"""Rules in a release: codes with numbers, made sentences where they are shown; older releases carry the sentences themselves."""

from pathlib import Path
from string import Formatter

import pytest
from pydantic import ValidationError

from twinpane_broker.aggregates.registry import AGGREGATES
from twinpane_broker.aggregates.value import Value
from twinpane_broker.release.applied_rules import SENTENCES, AppliedRule, in_words, thresholds
from twinpane_broker.release.release import Release, verify_release
from twinpane_broker.release.shown import about_means, marked
from twinpane_broker.rules.policy import PRESETS, load_rules

OLD = Path(__file__).parents[1] / "data" / "release-1.json"
"""A release as the first version wrote and signed it."""
KEY = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"


def test_a_release_of_the_first_version_still_verifies() -> None:
    """Its rules are sentences: read, shown and signed as they were."""
    text = OLD.read_text()
    release = Release.model_validate_json(text)
    assert verify_release(release, KEY)
    assert all(isinstance(rule, str) and in_words(rule) == rule for rule in release.rules)
    assert thresholds(release.rules) == set(), "no number is fished out of a sentence"
    assert Release.model_validate_json(text.replace("fewer than 10", "fewer than 11")).rules != release.rules
    assert not verify_release(Release.model_validate_json(text.replace("fewer than 10", "fewer than 11")), KEY)


@pytest.mark.parametrize(("code", "words"), SENTENCES.items())
def test_every_rule_is_a_sentence_with_its_numbers(code: str, words: str) -> None:
    """A number that is missing leaves the code as it is, and raises nothing."""
    names = [name for _, name, _, _ in Formatter().parse(words) if name]
    said = AppliedRule(code=code, numbers=dict.fromkeys(names, 7)).sentence
    assert "{" not in said
    assert said.count("7") >= len(names)
    assert AppliedRule(code=code).sentence == (code if names else words)


def test_a_code_that_is_not_known_is_shown_with_its_numbers() -> None:
    assert AppliedRule(code="newer", numbers={"b": 2, "a": 1.5}).sentence == "newer a 1.5 b 2"


def test_every_aggregate_that_has_a_rule_says_it() -> None:
    """In its own module, with the numbers that it gives."""
    for aggregate in AGGREGATES.values():
        assert bool(aggregate.code) == bool(aggregate.sentence)
        assert aggregate.code in SENTENCES or not aggregate.code


def test_the_mark_says_how_far_the_exact_number_may_be() -> None:
    """As many persons as twice the threshold of the release's own rules, four times where numbers were added; of several the most."""
    rules = tuple(AppliedRule(code="threshold", numbers={"persons": persons}) for persons in (10, 11))
    assert "fewer than 22 persons (44 or more where it was added up, or others stand between)" in about_means(rules)
    assert "fewer than 20 persons" in about_means(rules[:1])
    assert "by a few persons" in about_means(("An older sentence.",))
    assert marked("110", True) == "≈ 110"
    assert marked("110", False) == "110"


def test_the_note_never_says_less_than_the_rules_allow() -> None:
    """A set gets another's number where neither has more persons whom the other lacks than ``most_about``."""
    for preset in PRESETS:
        rules = load_rules({"preset": preset, "threshold": PRESETS[preset]["threshold"], "accept_low_threshold": True})
        said = about_means((AppliedRule(code="threshold", numbers={"persons": rules.threshold}),))
        assert f"fewer than {2 * rules.threshold} persons" in said
        assert rules.most_about < 2 * rules.threshold


HOSTILE = (
    {"code": "dominance", "numbers": {"one": 10**400, "two": 1, "p": 1}},
    {"code": "newer", "numbers": {"n": 10**400}},
    {"code": "rounding", "numbers": {"base": 1e308}},
    {"code": "rounding", "numbers": {"base": "5"}},
    {"code": "rounding", "numbers": {"base": True}},
)


@pytest.mark.parametrize("rule", HOSTILE)
def test_a_rule_that_cannot_be_said_is_no_rule(rule: dict[str, object]) -> None:
    """One site's rule of 400 digits made the table of all sites unshowable."""
    with pytest.raises(ValidationError):
        AppliedRule.model_validate(rule)


def test_a_rule_without_its_number_is_shown_and_not_counted() -> None:
    """A rule without its number is shown, and counted for nothing."""
    rule = AppliedRule(code="threshold")
    assert rule.sentence == "threshold"
    assert thresholds((rule,)) == set()


@pytest.mark.parametrize("value", [10**400, 1e301, -(10**301)])
def test_a_number_that_cannot_be_written_is_no_value(value: float) -> None:
    """A mean of 400 digits could not be shown, nor the table around it."""
    with pytest.raises(ValidationError):
        Value(value=value)
    with pytest.raises(ValidationError):
        Value(value=1.0, n=10**16)
