"""``twinpane policy …`` as a steward types it."""

import pytest
from click.testing import CliRunner

from twinpane_broker.rules.policy import EXPLAINED, PRESETS, Rules
from twinpane_cli.command import main
from twinpane_site.policy_words import preset_rules
from twinpane_site.templates import policy_toml


def run(*arguments):
    return CliRunner().invoke(main, ["policy", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def file(tmp_path):
    """Writes a policy file."""

    def write(text):
        path = tmp_path / "policy.toml"
        path.write_text(text)
        return path

    return write


def test_the_drafted_policy_is_fine_and_is_said_in_plain_words(file):
    """Every number in it that matters for what leaves."""
    done = run("check", file(policy_toml(["rosa", "tom"])))
    assert done.exit_code == 0
    for words in (
        "OK: ", "at least 10 persons", "rounded to 5", "looks like a small one",
        "at most 8 sets of persons for every hundred persons: by 24, 80, 240, 1,600 at 300, 1,000, 3,000, 20,000 persons",
        "Fit from 2,500 persons", "After 20 withheld answers", "1,024 bits a day",
        "2 reviews have to be handed in, of rosa, tom",
    ):  # fmt: skip
        assert words in done.output
    assert "note:" not in done.output


def test_a_sites_folder_stands_for_its_policy(file):
    path = file(policy_toml())
    assert run("check", path.parent).output == run("check", path).output


def test_what_a_policy_changes_of_its_preset_is_named(file):
    done = run("check", file('[rules]\npreset = "cms-11"\nthreshold = 15\ndigits = 2\n'))
    assert "cms-11 with threshold 15 instead of 11, digits 2 instead of 3." in done.output
    assert "exact; small ones are protected by suppressing further cells" in done.output


def test_exact_counts_say_from_which_size_they_are_fit(file):
    """Linear attacks reach more than the goal below; rounded counts hold at every size that was tried."""
    words = "is held to 5 persons of a hundred more than a guesser from 500 persons on"
    assert words in run("check", file('[rules]\npreset = "cms-11"\nthreshold = 11\n')).output
    assert words not in run("check", file(policy_toml())).output


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[rules]\nthreshold = 5\nbase = 1\naccept_low_threshold = true\n", "below 10, the usual floor"),
        ("[rules]\nthreshold = 10\naccept_low_threshold = true\n", "is not needed"),
        ('[rules]\nthreshold = 10\n[review]\nreviewers = ["rosa"]\n', "no export can be released"),
        ('[rules]\nthreshold = 10\n[review]\nreviewers = ["rosa"]\nquorum = 1\n', "one person alone"),
        ("[rules]\nthreshold = 10\nsets_percent = 20\n", "may be right about more than 5 persons of a hundred"),
        ("[rules]\nthreshold = 10\n[meter]\nday_bits = 100.0\ntotal_bits = 10.0\n", "more than total_bits"),
    ],
)
def test_what_a_steward_may_not_have_meant_is_noted(file, text, says):
    """Legal, so it is no error."""
    done = run("check", file(text))
    assert done.exit_code == 0
    assert f"note: {says}" in done.output or says in done.output.split("note: ")[1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "rules"),
        ('[rules]\npreset = "10-5"\n', "write threshold = 10"),
        ("[rules]\nthreshold = 5\n", "accept_low_threshold"),
        ("[rules]\nthreshold = 10\ntreshold = 5\n", "unknown key `treshold` in [rules]"),
        ('[rules]\npreset = "10-6"\nthreshold = 10\n', "no preset '10-6'"),
        ('[rules]\nthreshold = "10"\n', "threshold"),
        ("[rules]\nthreshold = 10\n[metre]\n", "metre"),
        ("rules = 3", "write [rules]"),
        ("[rules", "is not TOML"),
    ],
)
def test_a_policy_that_is_none_ends_with_2_and_names_the_remedy(file, text, says):
    """A policy that is none ends with 2 and names key and remedy. On standard error, without a traceback."""
    path = file(text)
    done = run("check", path)
    assert done.exit_code == 2
    assert says in done.stderr
    assert str(path) in done.stderr
    assert done.stdout == ""


def test_a_file_that_is_not_there_ends_with_2(tmp_path):
    done = run("check", tmp_path / "none.toml")
    assert (done.exit_code, "is missing" in done.stderr) == (2, True)


def test_every_rule_is_explained_with_its_value_in_every_preset():
    """A rule that is added without words does not pass."""
    done = run("explain")
    assert done.exit_code == 0
    assert set(EXPLAINED) == set(Rules.model_fields)
    told = {part.splitlines()[0]: part for part in done.output.strip().split("\n\n")}
    assert list(told) == list(EXPLAINED)
    assert "10-5: 10   cms-11: 11   all-of-us-20: 21   omop-5: 5" in told["threshold"]
    assert "in every preset: 3" in told["digits"]
    assert all(len(line) <= 110 for line in done.output.splitlines())


def test_one_rule_is_explained_alone():
    done = run("explain", "class_share")
    assert done.output.splitlines()[0] == "class_share"
    assert "Class disclosure" in done.output
    assert "threshold\n" not in done.output


def test_a_rule_that_there_is_not_ends_with_2_and_a_suggestion():
    done = run("explain", "treshold")
    assert (done.exit_code, "Did you mean threshold" in done.stderr) == (2, True)


def test_every_preset_loads():
    """Those below the usual floor with the steward's word."""
    assert {preset: preset_rules(preset).threshold for preset in PRESETS} == {"10-5": 10, "cms-11": 11, "all-of-us-20": 21, "omop-5": 5}
