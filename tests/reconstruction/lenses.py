"""Counts that rounding hides, seen through other numbers of the same answer: mean and sum, rows."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from .attacker import Attacker
from .linear import between
from .result import Result
from .setting import Setting, right_within
from .site import BORN, LABS, PLACES, RACES, SEXES, Known

CELLS = 100


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
