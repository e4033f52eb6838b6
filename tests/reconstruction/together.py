"""Some who come often among many who come once, or who are old among the young: how many of them are ill?

Rows beside persons count them, and a mean age does. Sets of some that overlap are then solved for each. Four hide each other, as each has a
quarter of all squares; fourteen are more than the threshold. At 6,000 persons under ``10-5`` the attacker was right about all of 48 by
80 questions about four of them, and about fourteen, majority 65 %; by mean ages about all, and about 98 %.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .events import FIRST
from .result import Result
from .setting import Setting
from .site import BORN, ILL, PLACES

OFTEN = 15
"""Rows of each of those who come often."""
MANY = 48
"""Of whom the attacker wants to know whether they are ill."""
MONTHS, WIDE = 900, 0.012
"""Months of the others, and the share of these months in which as many come as a question takes beside some of them."""
STRETCHES = 2
"""Of months in a question, in which some of them come."""
PRIOR = 0.3
"""How much each guess is held to the share of the ill."""


@dataclass(frozen=True)
class Together:
    """How many of those a question is about, and which number it asks for."""

    name: str
    several: int
    ages: bool = False


TOGETHER = (
    Together("known rows of a few together", 4),
    Together("known rows of nine together", 9),
    Together("known rows of many together", 14),
    Together("known ages of a few together", 4, ages=True),
    Together("known ages of many together", 13, ages=True),
)


def together(setting: Setting, kind: Together) -> Iterator[Result]:
    """Ill or not? The persons who come often, or were born last, each in a month of their own."""
    person, random = setting.people, setting.random
    rare = person.born.to_numpy() == BORN[1] - 1 if kind.ages else np.ones(setting.persons, bool)
    some = random.choice(np.flatnonzero(rare), min(MANY, int(rare.sum())), replace=False)
    month = random.integers(0, MONTHS, setting.persons)
    month[some] = MONTHS + np.arange(len(some))
    rows = np.where(np.isin(np.arange(setting.persons), some) & (not kind.ages), OFTEN, 1)
    who = np.repeat(np.arange(setting.persons), rows)
    day = (FIRST + month[who]).astype("datetime64[D]") + np.arange(len(who)) % 28
    ill, weights, seen = person.ill.to_numpy()[some], [], []
    with setting.site(person=person, visit=pd.DataFrame({"person_id": who, "day": pd.to_datetime(day)})) as attacker:
        for _ in range(setting.questions):
            chosen, where = _chosen(kind.several, len(some), random)
            beyond, year = int(random.integers(0, MONTHS * (1 - WIDE))), int(random.integers(*BORN) - 10)
            here = ", ".join(f"'{place}'" for place in random.choice(PLACES, 5, replace=False))
            year = max(BORN[0], year)
            beside = (
                f"(p.born < {year + 1} and p.place in ({here}))" if kind.ages
                else f"(v.day >= '{FIRST + beyond}-01' and v.day < '{FIRST + beyond + int(MONTHS * WIDE)}-01')"
            )  # fmt: skip
            number, known = ("avg(p.born)", f" and p.born >= {year}") if kind.ages else ("count(*)", "")
            answer = attacker.ask(
                f"select {number} m, count(distinct p.person_id) n from visit v join person p on v.person_id = p.person_id "
                f"where p.ill = true{known} and ({' or '.join([beside, *where])})"
            )
            told, persons = answer.cells.get((), (None, None))
            if told is not None and persons is not None and not answer.marked:
                apart = (told - year) * persons / (BORN[1] - 1 - year) if kind.ages else (told - persons) / (OFTEN - 1)
                weights.append(chosen)
                seen.append(apart)
        right = np.mean((_solved(np.array(weights), np.array(seen)) > 0.5) == ill) if seen else 0.0
        majority = max(ill.mean(), 1 - ill.mean())
        yield setting.result(kind.name, attacker, float(right), float(majority), len(some) if seen else 0)


def _chosen(several: int, many: int, random: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """Some in a row, twice, as a mask; and the months in which they come, as conditions."""
    first = int(random.integers(1, several))
    chosen, where = np.zeros(many), []
    for size in (first, several - first)[:STRETCHES]:
        start = int(random.integers(0, many - size + 1))
        chosen[start : start + size] = 1
        where.append(f"(v.day >= '{FIRST + MONTHS + start}-01' and v.day < '{FIRST + MONTHS + start + size}-01')")
    return chosen, where


def _solved(weights: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """For each, how likely it is."""
    many = weights.shape[1]
    rows = np.vstack([weights, PRIOR * np.eye(many)])
    return ILL + np.linalg.lstsq(rows, np.concatenate([seen - ILL * weights.sum(axis=1), np.zeros(many)]), rcond=None)[0]
