"""What a single answer tells: a histogram of a group that is all in one bin, and noise that is refused where somebody has two rows."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from .attacker import pattern
from .lenses import groups
from .result import Result
from .setting import Setting, learnt
from .site import BORN, Known

TARGETS = 60
SHOWN, TOLD = "one bin: shown", "one bin: by pattern"


def one_bin(setting: Setting, name: str) -> Iterator[Result]:
    """In half of the groups everybody weighs 60 to 80 kg: a histogram shows it of each, whatever the group's size.

    He reads it off what is shown; or learns from other groups what it looks like, if only by a refusal.
    """
    person, random, k = setting.people, setting.random, setting.rules.threshold
    chosen, taken = [], np.zeros(len(person), dtype=bool)
    for known, who in groups(person, random, 2 * k, 4 * k, tries=3000):
        if len(chosen) == min(TARGETS, setting.questions):
            break
        if (who & taken).any():
            continue
        taken |= who
        alike = bool(random.random() < 0.5)
        if alike:
            person.loc[who, "weight"] = random.uniform(60, 79.9, who.sum()).round(1)
        chosen.append((known, alike))
    seen, read = [], []
    usual = sum(alike for _, alike in chosen) * 2 > len(chosen)
    with setting.site(person=person) as attacker:
        for known, _ in chosen:
            answer = attacker.ask(f"select floor(weight / 20) * 20 bin, count(*) n from person where {known.sql()} group by 1")
            seen.append(pattern((answer,)))
            bins = sum(values[0] is not None and values[0] > 0 for values in answer.cells.values())
            read.append(bins == 1 if answer.shown else usual)
        truths = [alike for _, alike in chosen]
        right, majority = learnt(seen, truths)
        if name == SHOWN:
            right = sum(guess == truth for guess, truth in zip(read, truths, strict=True)) / max(1, len(truths))
        yield setting.result(name, attacker, right, majority, len(chosen))


def noise_refused(setting: Setting) -> Iterator[Result]:
    """Differential privacy: does ``avg`` fail where one of those selected has two rows? No epsilon is paid for a failure."""
    person, random = setting.people, setting.random
    twice = np.flatnonzero(random.random(len(person)) < 0.3)
    rows = pd.concat([person, person.iloc[twice]], ignore_index=True)
    seen, truths = [], []
    with setting.site(person=rows) as attacker:
        for at in random.permutation(len(person)):
            if len(truths) == TARGETS or attacker.asked >= setting.questions:
                break
            known = Known((person.place[at],), (person.race[at],), (person.sex[at],), (person.born[at], min(person.born[at] + 1, BORN[1])))
            if known.of(person).sum() == 1:
                seen.append(pattern((attacker.ask(f"select avg(weight) from person where {known.sql()}"),)))
                truths.append(at in twice)
        # What failed is told by its code; what was answered, by noise alone.
        right, usual = learnt([codes[0][0][0] for codes in seen], truths)
        yield setting.result("noise that is refused", attacker, right, usual, len(truths))
