"""Rules are loaded strictly: what is not understood, or not said, stops the broker from starting."""

import pytest

from twinpane_broker.errors import PolicyError
from twinpane_broker.rules.policy import EXPLAINED, PRESETS, Rules, load_rules
from twinpane_broker.rules.rounding import round_drawn


@pytest.mark.parametrize(("preset", "threshold", "base"), [("10-5", 10, 5), ("cms-11", 11, 1), ("all-of-us-20", 21, 1)])
def test_presets_have_their_authority_s_numbers(preset: str, threshold: int, base: int) -> None:
    """ONS 10-5, US CMS, NIH All of Us."""
    rules = load_rules({"preset": preset, "threshold": threshold})
    assert (rules.threshold, rules.base) == (threshold, base)
    assert rules.version.startswith(f"{preset}/")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (None, "is missing"),
        ({}, "is missing"),
        ({"preset": "10-5"}, "threshold is missing; write threshold = 10"),
        ({"base": 5}, "threshold is missing"),
        ({"preset": "10-6", "threshold": 10}, "no preset '10-6'"),
        ({"preset": [], "threshold": 10}, "no preset '[]'"),
        ({"threshold": 10, "treshold": 3}, "no key treshold"),
        ({"threshold": "many"}, "threshold"),
        ({"threshold": 0}, "threshold"),
        ({"threshold": 10, "base": 0}, "base"),
        ({"threshold": 5, "base": 1}, "accept_low_threshold"),
        ({"preset": "omop-5", "threshold": 5}, "accept_low_threshold"),
        ({"threshold": 10, "dominance_one": 0}, "dominance_one"),
        ({"threshold": 10, "sparse": float("nan")}, "sparse"),
        ({"threshold": 10, "interval": 1}, "interval"),
        ({"threshold": 10, "class_share": 40}, "class_share"),
        ({"threshold": 10, "noise": "gauss"}, "noise"),
        ({"threshold": 10, "noise": "cell_key", "noise_bound": 10}, "noise_bound 10 is not below threshold 10"),
        ({"threshold": 10, "dp": {"epsilon_per_answer": 2, "epsilon_total": 1}}, "lower it"),
        ({"threshold": 10, "dp": {"epsilon_per_answer": 0, "epsilon_total": 1}}, "dp.epsilon_per_answer"),
        ({"threshold": 10, "dp": {"epsilon_per_answer": 1}}, "dp.epsilon_total"),
        ({"threshold": 10, "noise": "cell_key", "dp": {"epsilon_per_answer": 1, "epsilon_total": 1}}, "exclude each other"),
    ],
)
def test_an_unusable_policy_names_the_key_and_the_remedy(table: dict | None, says: str) -> None:
    """A policy that cannot be used names the key and the remedy, so a steward reads what to change."""
    with pytest.raises(PolicyError) as error:
        load_rules(table)
    assert says in str(error.value)
    assert "policy.toml" in str(error.value)


def test_a_low_threshold_needs_the_steward_s_word() -> None:
    """Then it is accepted."""
    assert load_rules({"preset": "omop-5", "threshold": 5, "accept_low_threshold": True}).threshold == 5


def test_every_change_of_a_number_changes_the_version() -> None:
    """A release names the rules it went through."""
    assert load_rules({"threshold": 10}).version != load_rules({"threshold": 10, "sparse": 0.5}).version


def test_a_drawn_count_is_right_on_average() -> None:
    """12 is 15 for two draws of five, and 10 else; a multiple stays, and so does any count where the base is 1."""
    assert [round_drawn(12, 5, draw) for draw in range(5)] == [10, 10, 10, 15, 15]
    assert {round_drawn(15, 5, draw) for draw in range(5)} == {15}
    assert round_drawn(7, 1, 0) == 7
    for n in range(100):
        assert sum(round_drawn(n, 10, draw) for draw in range(10)) == 10 * n


def test_all_presets_load() -> None:
    """With their own thresholds, and the word where it is needed."""
    for name, preset in PRESETS.items():
        assert load_rules({"preset": name, "threshold": preset["threshold"], "accept_low_threshold": True})


def test_every_rule_is_explained_in_plain_words() -> None:
    """``twinpane policy explain`` has a text for each key, and none for a key that does not exist."""
    assert set(EXPLAINED) == set(Rules.model_fields)
    for text in EXPLAINED.values():
        assert 40 <= len(text) <= 600
        assert text.endswith(".")


def test_an_interval_never_exceeds_the_counts_of_a_small_cell() -> None:
    """An interval never asks for more counts than a small cell can have.

    A threshold of 5 leaves 1 to 4 where zeros are shown, and 0 to 4 where they are not.
    """
    low = {"threshold": 5, "base": 1, "accept_low_threshold": True, "interval": 9}
    assert load_rules({**low, "zeros": "shown"}).candidates == 4
    assert load_rules({**low, "zeros": "hidden"}).candidates == 5
    assert load_rules({"preset": "omop-5", "threshold": 5, "accept_low_threshold": True}).candidates == 4
    assert load_rules({"threshold": 10}).candidates == 5


def test_a_policy_says_whether_readers_know_counts() -> None:
    """Where they are exact, or where means have so many digits that one count only fits; never under noise."""
    known = {
        preset: load_rules({"preset": preset, "threshold": PRESETS[preset]["threshold"], "accept_low_threshold": True})
        for preset in PRESETS
    }
    assert {preset for preset, rules in known.items() if rules.tells_counts} == {"cms-11", "all-of-us-20", "omop-5"}
    usual = {"preset": "10-5", "threshold": 10}
    assert load_rules({**usual, "digits": 4}).tells_counts
    assert not load_rules({**usual, "digits": 4, "noise": "cell_key"}).tells_counts
