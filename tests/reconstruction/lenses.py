"""Counts that rounding hides, seen through other numbers of the same answer: mean and sum, rows, sums of sets that leave a band between."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from twinpane_broker.rules.policy import Rules

from .attacker import Attacker, Seen
from .linear import between
from .result import Result
from .setting import Setting, right_within
from .site import BORN, LABS, PLACES, RACES, SEXES, Known

CELLS = 100
BANDS = 60
SUMMED = {"bands: counts": "count(*) n", "bands: avg and sum": "count(*) n, avg(weight), sum(weight)"}


def groups(
    person: pd.DataFrame, random: np.random.Generator, low: int, high: int, tries: int = 20_000
) -> Iterator[tuple[Known, np.ndarray]]:
    """Conditions on what is known that hold for so many persons, with who they are."""
    seen = set()
    for _ in range(tries):
        start = int(random.integers(*BORN))
        known = Known(
            places=tuple(sorted(map(str, random.choice(PLACES, random.integers(1, 4), replace=False)))),
            races=(str(random.choice(RACES)),) if random.random() < 0.5 else (),
            sexes=(str(random.choice(SEXES)),) if random.random() < 0.5 else (),
            born=(start, min(BORN[1], start + int(random.integers(3, 30)))),
        )
        who = known.of(person)
        if known not in seen and low <= who.sum() < high:
            seen.add(known)
            yield known, who


def mean_and_sum(setting: Setting) -> Iterator[Result]:
    """The number of persons is the sum by the mean."""
    guesses, truths, by_count = [], [], []
    person = setting.people
    with setting.site(person=person) as attacker:
        for known, who in groups(person, setting.random, 20, 160):
            if len(truths) == CELLS or attacker.asked >= setting.questions:
                break
            ill = who & person.ill.to_numpy()
            seen = attacker.ask(f"select count(*) n, avg(weight), sum(weight) from person where {known.sql()} and ill = true")
            values = seen.cells.get((), (None,) * 3)
            if None not in values and 10 <= ill.sum() < 100:
                low, high = between(values, setting.rules)
                guesses.append(round((low + high) / 2))
                by_count.append(round(values[0]))
                truths.append(int(ill.sum()))
        yield _exact(setting, "avg and sum give n", attacker, guesses, by_count, truths)


def rows(setting: Setting) -> Iterator[Result]:
    """Of a table with twelve rows for each person, a twelfth of what is shown: the number of rows, and that of a mean's values."""
    person, random = setting.people, setting.random
    lab = pd.DataFrame({"person_id": np.repeat(person.person_id, LABS), "value": random.uniform(1, 19, LABS * len(person)).round(1)})
    names = ("rows as a lens: count(*)", "rows as a lens: n of a mean")
    guesses, truths, by_count = ([], []), [], []
    with setting.site(person=person, lab=lab) as attacker:
        for known, who in groups(person, random, 20, 160):
            if len(truths) == CELLS or attacker.asked >= setting.questions:
                break
            ill = int((who & person.ill.to_numpy()).sum())
            seen = attacker.ask(
                "select count(distinct p.person_id) n, count(*) r, avg(l.value) from lab l join person p on l.person_id = p.person_id "
                f"where {known.sql('p')} and p.ill = true"
            )
            values, counts = seen.cells.get((), (None,) * 3), seen.counts.get((), (None,) * 3)
            if None not in values and counts[2] is not None and 10 <= ill < 100:
                guesses[0].append(round(values[1] / LABS))
                guesses[1].append(round(counts[2] / LABS))
                by_count.append(round(values[0]))
                truths.append(ill)
        for name, guessed in zip(names, guesses, strict=True):
            yield _exact(setting, name, attacker, guessed, by_count, truths)


def _exact(setting: Setting, name: str, attacker: Attacker, guesses: list[int], by_count: list[int], truths: list[int]) -> Result:
    """Beside who takes the shown count for the true one. Where counts are exact, nothing is hidden and nothing told."""
    return setting.result(name, attacker, right_within(guesses, truths, 0), right_within(by_count, truths, 0), len(truths))


def bands(setting: Setting, name: str) -> Iterator[Result]:
    """All years, and three stretches of them that leave out a band of one to six persons: how many of the band are ill?"""
    person, random, rules = setting.people, setting.random, setting.rules
    born, ill = person.born.to_numpy(), person.ill.to_numpy()
    guesses, truths = [], []
    with setting.site(person=person) as attacker:
        for known, _ in groups(person, random, 10 * rules.threshold, 10**6):
            if len(truths) == BANDS or attacker.asked + 4 > setting.questions:
                break
            band = int(random.integers(BORN[0] + 10, BORN[1] - 10))
            middle = int(random.integers(BORN[0] + 4, band - 3))
            stretches = (BORN, (BORN[0], middle), (middle, band), (band + 1, BORN[1]))
            parts = [replace(known, born=stretch) for stretch in stretches]
            there = parts[0].of(person) & (born == band)
            if not 1 <= there.sum() <= 6 or min(part.of(person).sum() for part in parts) < 2.5 * rules.threshold:
                continue
            asked = [attacker.ask(f"select {SUMMED[name]} from person where {part.sql()} and ill = true") for part in parts]
            truths.append(int((there & ill).sum()))
            guesses.append(_left(asked, rules, int(there.sum())))
        usual = max((truths.count(n) for n in set(truths)), default=0) / max(1, len(truths))
        yield setting.result(name, attacker, right_within(guesses, truths, 0), usual, len(truths))


def _left(asked: Sequence[Seen], rules: Rules, most: int) -> int:
    """The whole less its three parts; without an answer, or one that cannot be, the likeliest."""
    if any(None in seen.cells.get((), (None,)) for seen in asked):
        return round(0.6 * most)
    whole, *parts = (sum(between(seen.cells[()], rules)) / 2 for seen in asked)
    return int(np.clip(round(whole - sum(parts)), 0, most))
