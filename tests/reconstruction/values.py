"""One person's value out of two means of the same persons: by a table that holds one more row of his, or by a corrected snapshot."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from twinpane_broker.memory import InProcessMemory

from .attacker import Attacker
from .lenses import groups
from .result import Result
from .setting import Setting, right_within
from .site import Site

TARGETS = 60
TOLERANCE = 5.0
"""Kilograms within which a weight is recovered, of 85 that people may weigh."""
MEAN = "select avg(weight) from person where {}"
JOINED = "select avg(p.weight) from person p join visit v on p.person_id = v.person_id where {}"


def across_tables(setting: Setting) -> Iterator[Result]:
    """A mean of persons, and the mean over their visits, where one of them was there twice: his weight is what moves it."""
    person, random, k = setting.people, setting.random, setting.rules.threshold
    twice = random.random(len(person)) < 0.06
    visit = pd.DataFrame({"person_id": np.concatenate([person.person_id, person.person_id[twice]])})
    visit["day"] = pd.to_datetime("2000-01-01") + pd.to_timedelta(random.integers(0, 5000, len(visit)), "D")
    guesses, plain, truths = [], [], []
    with setting.site(person=person, visit=visit) as attacker:
        for known, who in groups(person, random, k, k + 12):
            if len(truths) == TARGETS or attacker.asked + 2 > setting.questions:
                break
            if (who & twice).sum() != 1:
                continue
            n = int(who.sum())
            one = attacker.ask(MEAN.format(known.sql())).first
            other = attacker.ask(JOINED.format(known.sql("p"))).first
            truths.append(float(person.weight[who & twice].iloc[0]))
            plain.append(one if one is not None else 87.5)
            guesses.append(plain[-1] if one is None or other is None else (n + 1) * other - n * one)
        yield setting.result(
            "across tables", attacker, right_within(guesses, truths, TOLERANCE), right_within(plain, truths, TOLERANCE), len(truths)
        )


def new_snapshot(setting: Setting) -> Iterator[Result]:
    """The same persons and rows a month later, but for one corrected value in each group: the mean moves by it."""
    person, random, k = setting.people, setting.random, setting.rules.threshold
    corrected, chosen, taken = person.copy(), [], np.zeros(len(person), dtype=bool)
    for known, who in groups(person, random, k, k + 15, tries=4000):
        if len(chosen) == min(TARGETS, setting.questions // 2):
            break
        if not (who & taken).any():
            at = int(random.choice(np.flatnonzero(who)))
            corrected.loc[at, "weight"] = round(float(random.uniform(45, 130)), 1)
            taken |= who
            chosen.append((known, int(who.sum()), at))
    memory, folder = InProcessMemory(), setting.folder / f"snapshots-{len(list(setting.folder.iterdir()))}"
    before, after = (
        Site(folder / name, setting.rules, {"person": frame}, snapshot=name, memory=memory, register=folder / "register")
        for name, frame in (("2026-10", person), ("2026-11", corrected))
    )
    attacker = Attacker(before)
    one = [attacker.ask(MEAN.format(known.sql())).first for known, _, _ in chosen]
    attacker.move(after)
    other = [attacker.ask(MEAN.format(known.sql())).first for known, _, _ in chosen]
    before.close()
    after.close()
    # He knows what was there before, as the person it is about does.
    moved = [n * (b - a) if a is not None and b is not None else 0.0 for (_, n, _), a, b in zip(chosen, one, other, strict=True)]
    guesses = [person.weight[at] + more if more else 87.5 for (_, _, at), more in zip(chosen, moved, strict=True)]
    truths = [float(corrected.weight[at]) for _, _, at in chosen]
    usual = right_within([87.5] * len(truths), truths, TOLERANCE)
    yield setting.result("new snapshot, a corrected value", attacker, right_within(guesses, truths, TOLERANCE), usual, len(truths))
