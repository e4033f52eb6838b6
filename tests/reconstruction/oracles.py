"""Two answers whose difference tells of a few: what is refused, what bears a mark, and what changes from one answer to the next.

The attacker asks the same of many whom he knows little about, and learns from the others what a pattern of answers means.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .attacker import Attacker, pattern
from .events import Events, events, group_with
from .result import Result
from .setting import Setting, learnt
from .site import BORN, PLACES, Known

MOST = 400
"""Persons, or bands, about whom an oracle is asked; fewer where fewer questions may be asked."""
Ask = tuple[str, str]
"""A SELECT, and the project that asks it."""


@dataclass(frozen=True)
class Trial:
    """Questions about one target, and what is to be learnt."""

    asks: tuple[Ask, ...]
    truth: bool


Trials = Callable[[pd.DataFrame, Events, np.random.Generator], Iterator[Trial]]
COUNT = "count(distinct p.person_id) n"
MORE = "avg(p.weight), sum(p.weight), median(p.weight), stddev(p.weight)"


def _dated(columns: str, order: tuple[int, int] = (0, 1), projects: tuple[str, str] = ("one", "one")) -> Trials:
    """*All but month m*, and *all*: is somebody of month m among the ill?"""

    def trials(person: pd.DataFrame, visits: Events, random: np.random.Generator) -> Iterator[Trial]:
        for month in random.permutation(visits.months):
            there = np.flatnonzero(visits.only(month, month + 1))
            if not len(there):
                continue
            known = group_with(person, random, there[0])
            few = known.of(person)[there] & person.ill.to_numpy()[there]
            window = visits.window(month, month + 1)
            asked = (f"{known.sql('p')} and p.ill = true and not ({window})", f"{known.sql('p')} and p.ill = true")
            asks = [(_visits(columns, asked[place]), project) for place, project in zip(order, projects, strict=True)]
            yield Trial(tuple(asks), bool(few.any()))

    return trials


def _visits(columns: str, where: str) -> str:
    return f"select {columns} from visit v join person p on v.person_id = p.person_id where {where}"


def _union(person: pd.DataFrame, visits: Events, random: np.random.Generator) -> Iterator[Trial]:
    """*All*, *the men*, and *the women but for month m*, whose number follows from both but for few."""
    for month in random.permutation(visits.months):
        women = np.flatnonzero(visits.only(month, month + 1) & (person.sex == "F").to_numpy())
        if not len(women):
            continue
        known = group_with(person, random, women[0])
        few = known.of(person)[women] & person.ill.to_numpy()[women]
        ill = f"{known.sql('p')} and p.ill = true"
        wheres = (ill, f"{ill} and p.sex = 'M'", f"{ill} and p.sex = 'F' and not ({visits.window(month, month + 1)})")
        yield Trial(tuple((_visits(COUNT, where), "one") for where in wheres), bool(few.any()))


def _cell(person: pd.DataFrame, visits: Events, random: np.random.Generator) -> Iterator[Trial]:
    """*The women but for month m*, then the table of both sexes with its total: does the total tell the cell's own number?"""
    for month in random.permutation(visits.months):
        women = np.flatnonzero(visits.only(month, month + 1) & (person.sex == "F").to_numpy())
        if not len(women):
            continue
        known = group_with(person, random, women[0])
        few = known.of(person)[women] & person.ill.to_numpy()[women]
        ill = f"{known.sql('p')} and p.ill = true"
        table = f"select p.sex, {COUNT} from visit v join person p on v.person_id = p.person_id where {ill} group by cube (p.sex)"
        asks = (_visits(COUNT, f"{ill} and p.sex = 'F' and not ({visits.window(month, month + 1)})"), table)
        yield Trial(tuple((sql, "one") for sql in asks), bool(few.any()))


def _chain(person: pd.DataFrame, visits: Events, random: np.random.Generator) -> Iterator[Trial]:
    """*All*, *all but months m to m + 8*, *all but months m to m + 9*: near a set, and near what is near it."""
    for month in random.permutation(visits.months - 10):
        last = np.flatnonzero(visits.only(month + 9, month + 10))
        if not len(last):
            continue
        known = group_with(person, random, last[0])
        few = known.of(person)[last] & person.ill.to_numpy()[last]
        ill = f"{known.sql('p')} and p.ill = true"
        wheres = (ill, *(f"{ill} and not ({visits.window(month, month + beyond)})" for beyond in (9, 10)))
        yield Trial(tuple((_visits(COUNT, where), "one") for where in wheres), bool(few.any()))


Asked = Callable[[str, str], tuple[str, ...]]
"""The SELECTs about the rare ones of a set and of a band in it, both as conditions."""


def _without(known: str, band: str) -> tuple[str, ...]:
    """*A* and *A and not a band*: a release says that nobody of the band is in A."""
    where = f"{known} and rare = true"
    return tuple(f"select count(*) n from person where {each}" for each in (where, f"{where} and not ({band})"))


def _category(known: str, band: str) -> tuple[str, ...]:
    """*A* by whether somebody is in the band: does what is suppressed tell that nobody is?"""
    return (f"select case when {band} then 'band' else 'rest' end g, count(*) n from person where {known} and rare = true group by 1",)


def _categories(known: str, band: str) -> tuple[str, ...]:
    """The same, the rest by place: the band's cells are suppressed, and perhaps some beside them."""
    arms = f"place, case when {band} then 'band' else 'rest' end"
    return (f"select {arms} g, count(*) n from person where {known} and rare = true group by 1, 2",)


def _outside(known: str, band: str) -> tuple[str, ...]:
    """*A* by whether somebody is before or after the band: does a line that is shown tell that nobody is outside of it?"""
    low, high = sorted(map(int, re.findall(r"[0-9]{4}", band)))
    arms = f"case when born < {low} then 'before' when born >= {high} then 'after' end"
    return (f"select {arms} g, count(*) n from person where {known} and rare = true group by 1",)


def _bands(asked: Asked) -> Trials:
    """The attacker knows how many of A could be in a band, and wants to know whether anybody is."""

    def trials(person: pd.DataFrame, visits: Events, random: np.random.Generator) -> Iterator[Trial]:
        usual, seen = person.rare.mean(), set()
        for _ in range(20_000):
            places = tuple(sorted(map(str, random.choice(PLACES, random.integers(1, 4), replace=False))))
            start, width = int(random.integers(*BORN)), int(random.integers(1, 12))
            known, band = Known(places=places), Known(born=(start, min(start + width, BORN[1])))
            both, whole = known.of(person) & band.of(person), known.of(person)
            # What the rules ask of every condition by itself; the rare ones are guessed.
            if (known, band) in seen or not (10 <= both.sum() <= 14 and usual * whole.sum() >= 14 and usual * band.of(person).sum() >= 12):
                continue
            seen.add((known, band))
            empty = not person.rare[both].any()
            if not empty and random.random() < 0.9:
                continue  # as many bands with somebody as without: else who always says the one is right too
            yield Trial(tuple((sql, "one") for sql in asked(known.sql(), band.sql())), empty)

    return trials


ORACLES: dict[str, Trials] = {
    "oracle: all but a month, all": _dated(COUNT),
    "oracle: all, all but a month": _dated(COUNT, (1, 0)),
    "oracle: in two projects": _dated(COUNT, (0, 1), ("one", "other")),
    "oracle: means, sums, medians": _dated(f"{COUNT}, {MORE}"),
    "oracle: a union": _union,
    "oracle: a cell and its total": _cell,
    "oracle: near a near set": _chain,
    "oracle: A, A without a band": _bands(_without),
    "oracle: a category": _bands(_category),
    "oracle: categories": _bands(_categories),
    "oracle: no category": _bands(_outside),
}


def oracle(setting: Setting, name: str) -> Iterator[Result]:
    """Ask about each target in turn, on one memory."""
    person, random = setting.people, setting.random
    visits = events(person, random)
    seen, truths = [], []
    with setting.site(person=person, visit=visits.visit) as attacker:
        for trial in ORACLES[name](person, visits, random):
            if len(truths) == MOST or attacker.asked + len(trial.asks) > setting.questions:
                break
            seen.append(_asked(attacker, trial))
            truths.append(trial.truth)
        right, majority = learnt(seen, truths)
        yield setting.result(name, attacker, right, majority, len(truths))


def _asked(attacker: Attacker, trial: Trial) -> tuple[object, ...]:
    return pattern(tuple(attacker.ask(sql, project) for sql, project in trial.asks))
