"""A policy in plain words, and what each disclosure rule means: for stewards at a terminal."""

import importlib.util
import math
import textwrap
from collections.abc import Iterator
from typing import Any

from twinpane_broker import EXPLAINED, PRESETS, USUAL_FLOOR, Rules

from .config import Policy

WIDTH = 100
SIZES = (300, 1_000, 3_000, 20_000)
"""Persons of sites for which a budget is said in numbers."""
GOAL = 5
"""Persons of a hundred about whom an attacker may be right more often than a guesser."""
EXACT_FROM = 500
"""Persons from which exact counts kept to that, measured by ``python -m tests.reconstruction --only linear`` (docs/memory.md)."""
TABLES, CELLS = 10, 20
"""What an analyst asks about an attribute before a site is of use for it."""


def summary(policy: Policy) -> list[str]:
    """What the policy lets out, in sentences."""
    return [*_rules(policy.rules), *_others(policy)]


def remarks(policy: Policy) -> list[str]:
    """Settings that a steward may not have intended: allowed, but worth a second look."""
    return list(_remarks(policy))


def explained(name: str) -> list[str]:
    """A rule with its value in each preset, its meaning and source."""
    values = {preset: _shown(getattr(preset_rules(preset), name)) for preset in PRESETS}
    same = len(set(values.values())) == 1
    lines = ["in every preset: " + next(iter(values.values()))] if same else ["   ".join(f"{p}: {v}" for p, v in values.items())]
    lines += textwrap.wrap(EXPLAINED[name], WIDTH - 2, break_on_hyphens=False)
    return [name, *(f"  {line}" for line in lines)]


def preset_rules(preset: str) -> Rules:
    """The rules of a preset as they are; those below the usual floor with the steward's word that they are meant."""
    given: dict[str, Any] = {**PRESETS[preset], "preset": preset}
    return Rules.model_validate({**given, "accept_low_threshold": given["threshold"] < USUAL_FLOOR})


def _rules(rules: Rules) -> Iterator[str]:
    changed = []
    if rules.preset in PRESETS:
        usual = preset_rules(rules.preset)
        changed = [
            f"{name} {_shown(getattr(rules, name))} instead of {_shown(getattr(usual, name))}"
            for name in Rules.model_fields
            if getattr(rules, name) != getattr(usual, name)
        ]
    yield f"Rules {rules.version}" + (f": {rules.preset} with {', '.join(changed)}." if changed else ".")
    if rules.dp is not None:
        yield (
            f"Answers carry the noise of differential privacy: epsilon {rules.dp.epsilon_per_answer:g} an answer, "
            f"{rules.dp.epsilon_total:g} in all per project. Cells with a noisy count below {rules.threshold} are suppressed."
        )
        return
    yield f"A number is shown where at least {rules.threshold} persons are behind it, and behind what it leaves out, if anybody is."
    noise = f", after a noise of up to {rules.noise_bound}" if rules.noise == "cell_key" else ""
    exact = "exact; small ones are protected by suppressing further cells"
    rounding = f"rounded to a multiple of {rules.base}, up or down by a draw" if rules.base > 1 else exact
    zeros = "a cell of nobody looks like a small one" if rules.zeros == "hidden" else "a cell of nobody says 0"
    yield f"Counts are {rounding}{noise}; {zeros}."
    yield (
        f"No person holds more than {rules.dominance_one:g} % of a sum, no two more than {rules.dominance_two:g} %; "
        f"no split is shown where over {rules.class_share:g} % hold one category."
    )
    few = "" if rules.exact else ", but no more than leave open how many values there are"
    yield f"Means have {rules.digits} digits of their size or of the span of the bounds, whichever are more{few}."
    yield f"A sum is mean times number of values, both as shown; spreads and correlations have {rules.digits_spread} digits."
    if rules.base > 1:
        yield f"Numbers of rows and values are rounded to {rules.base} times the catalogue's rows per person."
    yield (
        f"Of one attribute the site tells by at most {rules.sets_percent:g} sets of persons for every hundred persons: by "
        + ", ".join(f"{rules.most_sets(persons):,}" for persons in SIZES)
        + " at "
        + ", ".join(f"{persons:,}" for persons in SIZES)
        + f" persons. Fit from {_fit_from(rules):,} persons: below, less than {TABLES} tables of {CELLS} cells about an attribute."
    )
    if rules.exact:
        yield (
            f"Counts are exact: who asks for all these sets is held to {GOAL} persons of a hundred more than a guesser from "
            f"{EXACT_FROM} persons on; a smaller site should round counts (base) or lower sets_percent."
        )
        yield (
            "Whoever knows of hundreds of persons that they surely have, or have not, what is asked about (no man is pregnant) can add "
            "them to a group and subtract: at no size do exact counts hold that. Round counts where readers may know so much."
        )
    yield f"After {rules.withheld_per_day} withheld answers a day a project gets no new ones until tomorrow (UTC)."


def _fit_from(rules: Rules) -> int:
    """The least number of persons of a site where an attribute may be asked about in so many tables."""
    return math.ceil(TABLES * CELLS * 100 / rules.sets_percent)


def _others(policy: Policy) -> Iterator[str]:
    meter, review = policy.meter, policy.review
    yield f"Verdicts and reveals: {meter.day_bits:,g} bits a day and {meter.total_bits:,g} in all, per user and project."
    if review.reviewers:
        reviews = "a review has" if review.quorum == 1 else f"{review.quorum} reviews have"
        yield f"Exports: {reviews} to be handed in, of {', '.join(review.reviewers)}."
    else:
        yield "Exports: nobody may decide, so nothing is ever exported."


def _remarks(policy: Policy) -> Iterator[str]:
    rules, review = policy.rules, policy.review
    if rules.threshold < USUAL_FLOOR:
        yield f"threshold {rules.threshold} is below {USUAL_FLOOR}, the usual floor; accept_low_threshold says that it is meant."
    if rules.accept_low_threshold and rules.threshold >= USUAL_FLOOR:
        yield f"accept_low_threshold is not needed with threshold {rules.threshold}."
    if rules.dp is None and rules.sets_percent > preset_rules("10-5").sets_percent:
        yield (
            f"sets_percent {rules.sets_percent:g} is more than the presets': who asks for all these sets may be right about more than 5 "
            "persons of a hundred more than a guesser."
        )
    if rules.dp is not None and importlib.util.find_spec("opendp") is None:
        yield "dp needs OpenDP, which is not installed here: pip install 'twinpane[dp]'. Without it the broker does not start."
    if review.reviewers and review.quorum > len(review.reviewers):
        yield f"quorum is {review.quorum}, but reviewers named are {len(review.reviewers)}: no export can be released."
    if review.quorum == 1:
        yield "quorum is 1: one person alone can let items out."
    if policy.meter.day_bits > policy.meter.total_bits:
        yield "day_bits is more than total_bits: the total ends it first."


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else str(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
