"""Persons with diseases, drugs, laboratory levels and deaths. Age and sex lead to diseases, diseases to drugs, and both to outcomes."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .arrays import Bools, Floats, Ints
from .mixes import Mix
from .vocabulary import AS_OF, CONDITION, CONDITIONS, DRUG, DRUGS, LAB, LABS

DAY = int(np.datetime64(AS_OF).astype("datetime64[D]").astype(np.int64))
"""``AS_OF`` in days since 1970."""
YEAR = 365.25


@dataclass(frozen=True)
class People:
    """A chunk of persons; every array has one entry (or row) per person. Days count from 1970-01-01."""

    ids: Ints  # site-local
    born: Ints  # days
    male: Bools
    race: Ints  # index into RACES
    hispanic: Bools
    has: Bools  # persons x CONDITIONS
    takes: Bools  # persons x DRUGS
    level: Floats  # persons x LABS: the person's own long-term value
    dead: Bools
    start: Ints  # days: observation starts
    end: Ints  # days: it ends, by death or by AS_OF

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def age(self) -> Ints:
        """Age in whole years on the last day. It is top-coded at 90, as is usual for ages that leave a hospital's records."""
        return np.minimum((self.end - self.born) / YEAR, 90).astype(np.int64)


def draw_people(first_id: int, count: int, mix: Mix, rng: np.random.Generator) -> People:
    """Draw ``count`` persons of a mix, numbered from ``first_id``."""
    age = np.interp(rng.random(count), np.linspace(0, 1, len(mix.ages)), mix.ages)
    male = rng.random(count) >= mix.female
    race = np.searchsorted(np.cumsum(mix.races) / np.sum(mix.races), rng.random(count), side="right").clip(0, len(mix.races) - 1)
    has = _diseases(age, male, mix, rng)
    takes = _drugs(has, rng)
    dead = rng.random(count) < _logistic(_mortality(age, male, has, takes))
    born = DAY - 1 - (age * YEAR).astype(np.int64)
    end = np.where(dead, DAY - 1 - rng.integers(0, 730, count), DAY)
    end = np.maximum(end, born + 1)
    start = np.maximum(born, end - rng.integers(365, 3650, count))
    return People(
        ids=np.arange(first_id, first_id + count),
        born=born,
        male=male,
        race=race,
        hispanic=rng.random(count) < mix.hispanic,
        has=has,
        takes=takes,
        level=_levels(age, male, has, takes, rng),
        dead=dead,
        start=start,
        end=end,
    )


def _logistic(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def _diseases(age: Floats, male: Bools, mix: Mix, rng: np.random.Generator) -> Bools:
    decades = (age - 50) / 10
    has = np.zeros((len(age), len(CONDITIONS)), dtype=bool)
    for i, condition in enumerate(CONDITIONS):
        odds = condition.base + condition.decade * decades + condition.male * male + mix.more.get(condition.name, 0.0)
        for name, effect in condition.after.items():
            odds = odds + effect * has[:, CONDITION[name]]
        has[:, i] = rng.random(len(age)) < _logistic(odds)
    return has


def _drugs(has: Bools, rng: np.random.Generator) -> Bools:
    takes = np.zeros((len(has), len(DRUGS)), dtype=bool)
    for i, drug in enumerate(DRUGS):
        spared = np.full(len(has), 1 - drug.otherwise)
        for name, chance in drug.given.items():
            spared *= 1 - chance * has[:, CONDITION[name]]
        takes[:, i] = rng.random(len(has)) >= spared
    return takes


def _mortality(age: Floats, male: Bools, has: Bools, takes: Bools) -> Floats:
    odds: Floats = -3.6 + 0.85 * (age - 65) / 10 + 0.25 * male
    for name, effect in {
        "heart failure": 1.0,
        "chronic kidney disease": 0.6,
        "chronic obstructive lung disease": 0.6,
        "type 2 diabetes": 0.35,
        "coronary heart disease": 0.4,
        "breast cancer": 0.5,
        "prostate cancer": 0.3,
    }.items():
        odds = odds + effect * has[:, CONDITION[name]]
    odds = odds - 0.4 * takes[:, DRUG["atorvastatin"]] - 0.3 * takes[:, DRUG["apixaban"]]
    return odds


def _levels(age: Floats, male: Bools, has: Bools, takes: Bools, rng: np.random.Generator) -> Floats:
    noise = rng.standard_normal((len(age), len(LABS)))
    years = age - 50

    def ill(name: str) -> Bools:
        return has[:, CONDITION[name]]

    def on(name: str) -> Bools:
        return takes[:, DRUG[name]]

    level = np.empty_like(noise)
    level[:, LAB["hemoglobin a1c"]] = (
        5.4
        + 0.006 * years
        + ill("type 2 diabetes") * (2.6 - 0.9 * on("metformin") - 0.6 * on("insulin glargine"))
        + noise[:, 0] * (0.3 + 0.7 * ill("type 2 diabetes"))
    )
    level[:, LAB["systolic blood pressure"]] = (
        118 + 0.3 * years + ill("hypertension") * (20 - 9 * on("lisinopril") - 6 * on("amlodipine")) + 9 * noise[:, 1]
    )
    level[:, LAB["creatinine"]] = np.exp(-0.25 + 0.2 * male + 0.003 * years + 0.6 * ill("chronic kidney disease") + 0.15 * noise[:, 2])
    level[:, LAB["ldl cholesterol"]] = 122 + 0.2 * years - 38 * on("atorvastatin") + 24 * noise[:, 3]
    level[:, LAB["body mass index"]] = 26 + 3.5 * ill("type 2 diabetes") + 1.2 * ill("osteoarthritis") + 4.5 * noise[:, 4]
    level[:, LAB["hemoglobin"]] = 13.4 + 1.3 * male - 1.1 * ill("chronic kidney disease") - 0.01 * years + 1.0 * noise[:, 5]
    return level
