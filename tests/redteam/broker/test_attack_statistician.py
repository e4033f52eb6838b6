"""The attacks of ``python -m tests.reconstruction``, each small: nobody is right about persons more often than who asks nothing.

What works today is marked with what it reaches. The mark falls with the mend, for a marked test that passes is an error.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from reconstruction.linear import Sums, between, solved
from reconstruction.ordinary import ordinary
from reconstruction.registry import ATTACKS, PRESETS, is_tried
from reconstruction.result import GOAL, Result
from reconstruction.setting import Setting, learnt
from reconstruction.site import rules_of

ROOT = Path(__file__).parents[3]
SEED = 1
ANSWERED = 335
"""Of 500 ordinary questions at a site of 3,000 persons, at least: where both cannot be had, accuracy wins."""


@dataclass(frozen=True)
class Case:
    """An attack at a size, and what it reaches today beside the majority, where it works."""

    attack: str
    persons: int = 1_000
    questions: int = 60
    preset: str = "10-5"
    reached: str = ""

    @property
    def param(self) -> object:
        """As a parameter of a test, marked where the attack works."""
        marks = [pytest.mark.xfail(strict=True, raises=AssertionError, reason=f"works: {self.reached}")] if self.reached else []
        return pytest.param(self, id=f"{self.attack}, {self.preset}", marks=marks)


CASES = (
    Case("oracle: all but a month, all", questions=80),
    Case("oracle: all, all but a month", questions=80),
    Case("oracle: in two projects", questions=80),
    Case("oracle: means, sums, medians", questions=80),
    Case("oracle: a union", questions=120),
    Case("oracle: a cell and its total", questions=80),
    Case("oracle: near a near set"),
    Case("oracle: A, A without a band", questions=80),
    Case("oracle: a category", questions=80),
    Case("oracle: categories", questions=80),
    Case("oracle: no category", questions=80),
    Case("flips", questions=240),
    Case("scale", questions=140),
    Case("balance", questions=150),
    Case("threshold: a question", questions=150),
    Case("threshold: a cell", questions=150),
    Case("descriptions", questions=300),
    Case("known values", persons=3_000),
    Case("known rows", persons=3_000),
    Case("known days", persons=3_000, questions=50),
    Case("known rows of a few together", persons=4_000, questions=40),
    Case("known rows of nine together", persons=4_000, questions=40),
    Case("known rows of many together", persons=4_000, questions=80),
    Case("known rows of many together", persons=4_000, questions=80, preset="cms-11"),
    Case("known ages of a few together", persons=4_000, questions=40),
    Case("known ages of many together", persons=4_000, questions=80, reached="81 % of 48, majority 56 %"),
    Case("known: all but one"),
    Case("known: all but a few", questions=120),
    Case("known: a group", persons=3_000),
    Case("known: a group", persons=3_000, preset="cms-11"),
    Case("known: nearly all", persons=3_000, questions=120),
    Case("known: nearly all", persons=3_000, questions=120, preset="cms-11"),
    Case("known: who comes", persons=3_000, questions=120),
    Case("known: nearly all of a window", persons=3_000, questions=120),
    Case("known beside: rounding", persons=3_000, questions=120),
    Case("known beside: what all have", persons=3_000, questions=120),
    Case("known beside: a difference", persons=3_000, questions=120, preset="cms-11"),
    Case("certain: of one sex", persons=3_000, questions=120),
    Case("certain: asked nine times", persons=3_000, questions=180),
    Case("overlap", persons=3_000, questions=110),
    Case("one in two cells", persons=6_000, questions=110),
    Case("spread", persons=3_000, questions=150, preset="cms-11"),
    Case("avg and sum"),
    Case("rows"),
    Case("rows", preset="cell-key"),
    Case("bands: counts", questions=80),
    Case("bands: avg and sum", questions=80),
    Case("bands: avg and sum", questions=160, preset="cms-11"),
    Case("bands: counts", questions=160, preset="omop-5"),
    Case("bands: counts", persons=3_000, questions=80, preset="all-of-us-20"),
    Case("bands: sums alone", questions=160, preset="cms-11"),
    Case("bands: five sets", questions=160, preset="cms-11"),
    Case("bands: seven sets", questions=160, preset="omop-5"),
    Case("bands: two projects", questions=160, preset="cms-11"),
    Case("bands: two snapshots", questions=160, preset="cms-11"),
    Case("bands: crossed", questions=160, preset="cms-11"),
    Case("bands: of a cell", persons=3_000, questions=160, preset="cms-11"),
    Case("across tables"),
    Case("new snapshot", questions=40),
    Case("one bin: shown"),
    Case("one bin: by pattern"),
    Case("noise refused", questions=40, preset="dp"),
    Case("linear: counts", persons=300, questions=200),
    Case("linear: avg + sum", persons=300, questions=200),
    Case("linear: means", persons=300, questions=200),
    Case("linear: tables", questions=40),
)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case.param for case in CASES])
def test_an_attacker_is_right_no_more_often_than_a_guesser(case: Case, tmp_path: Path) -> None:
    """The last look of an attack is at most five points above the majority, and what luck gives to so few.

    What does not live on very many sets is tried beside no account, which would only leave it fewer targets.
    """
    counted = case.attack.startswith(("linear", "descriptions"))
    results = list(ATTACKS[case.attack](Setting(tmp_path, case.preset, case.persons, case.questions, SEED, counted=counted)))
    last = {result.attack: result for result in results}
    told = [f"{r.attack}: {r.accuracy:.0f} % of {r.targets} right, majority {r.majority:.0f} %" for r in last.values()]
    assert all(_is_no_better(result) for result in last.values()), "; ".join(told)


def _is_no_better(result: Result) -> bool:
    usual = result.majority / 100
    luck = 200 * (usual * (1 - usual) / max(1, result.targets)) ** 0.5
    return not result.targets or result.accuracy <= result.majority + GOAL + luck


@pytest.mark.slow
def test_ordinary_questions_are_answered_beside_the_account(tmp_path: Path) -> None:
    """Of five hundred at 3,000 persons most are; those without room are about the few attributes that nearly all others ask about."""
    found = ordinary(tmp_path, "10-5")
    print(found)
    assert found.asked == 500
    assert found.answered >= ANSWERED, found
    assert found.others.keys() <= {"spent"}, found


# ---------------------------------------------------------------- the attacker himself


def test_an_attacker_learns_what_a_pattern_means() -> None:
    """A pattern that tells is learnt from the others; one that does not leaves the majority."""
    truths = [True, False] * 50
    assert learnt(truths, truths) == (1.0, 0.5)
    assert learnt(["x"] * 100, [True] * 70 + [False] * 30) == (0.7, 0.7)


def test_a_count_lies_where_mean_and_sum_say() -> None:
    """Of 37 persons the rounded count leaves five, mean and sum leave one."""
    rules = rules_of("10-5")
    assert between((35.0,), rules) == (33, 37)
    assert between((35.0, 70.3, 2600.0), rules) == (37, 37)


def test_exact_sums_are_solved_for_every_person() -> None:
    """Least squares finds forty bits in a hundred exact counts of random sets; without counts everybody is usual."""
    random = np.random.default_rng(3)
    bits, sizes, known = random.random(40) < 0.6, np.ones(40), Sums()
    assert (solved(known, sizes, 0.6, 0.49, 1) == 0.6).all()
    for mask in random.random((100, 40)) < 0.5:
        known.add(mask, float(bits[mask].sum()), float(bits[mask].sum()))
    assert ((solved(known, sizes, 0.6, 0.49, 1) > 0.5) == bits).all()


def test_every_attack_is_tried_under_the_usual_preset() -> None:
    """All but those on noise, tried on differential privacy alone, and on exact counts; and every attack has its small test."""
    assert {case.attack for case in CASES} == set(ATTACKS)
    assert {attack for attack in ATTACKS if not is_tried(attack, "10-5")} == {"noise refused", "spread"}
    assert all(any(is_tried(attack, preset) for attack in ATTACKS) for preset in PRESETS)


@pytest.mark.slow
def test_the_command_of_the_documents_starts() -> None:
    """In an environment that knows the tests' folder by no other way."""
    words = ["-m", "tests.reconstruction", "--only", "rows", "--persons", "300", "--preset", "10-5", "--questions", "20"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "rows" in ran.stdout
