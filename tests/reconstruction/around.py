"""Sets of which everybody knows the size, without one person if he is ill. Who knows them need ask nothing to compare.

*All but the ill of a month* in which one known person came is everybody, or everybody but him. As long as a set that left out a few was
refused, that was an answer about any person by one question: all of 100 were right (majority 62 %) at 1,000 persons under ``10-5``, and of
persons told by place, race, sex and year of birth as many. At k persons the refusal ended: so a set that left out one fewer was a scale
(180 of 180). And the number of a known group of 48 turns from 50 to 45 without him: 148 of 148 at 3,000 persons (majority 64 %), none
withheld, with an account; of exact counts any group will do.

What nearly all of a known group have needs nobody's month: the number of 13 who weigh 50 kg or more, or who have a visit at all, is
their own, or it turns as one of them is lighter, or never came.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from .attacker import Attacker
from .events import Events, events
from .result import Result
from .setting import Setting, learnt
from .site import BORN, PLACES, Known

COUNT = "select count(distinct p.person_id) n from visit v join person p on v.person_id = p.person_id where "
LIGHT = 50
"""Whoever weighs less is one in seventeen."""
SMALL = (11, 30)
"""Persons of a group of whom nearly all have something."""
NEVER = 0.05
"""Persons who never come, where that is what the attacker is after."""
LEAST = 30
"""Persons of a known group, at least."""
Seen = tuple[object, ...]
Looks = Callable[[Attacker, pd.DataFrame, Events, np.random.Generator, int], Iterator[tuple[bool, Seen]]]
"""What the attacker is after, and what he saw of it."""


def _all_but_one(
    attacker: Attacker, person: pd.DataFrame, visits: Events, random: np.random.Generator, base: int
) -> Iterator[tuple[bool, Seen]]:
    """All but the ill who come in a month of one person."""
    for month, who in visits.alone(visits.visit):
        seen = attacker.ask(f"{COUNT}(p.ill = false or not ({visits.window(month, month + 1)}))")
        yield bool(person.ill[who]), (seen.code, seen.marked, seen.first)


def _all_but_a_few(
    attacker: Attacker, person: pd.DataFrame, visits: Events, random: np.random.Generator, base: int
) -> Iterator[tuple[bool, Seen]]:
    """All but a place's ill persons of a window, which grows until the answer changes; then one person's month for its last."""
    for place in PLACES:
        here = visits.here(person, place)
        months, before, tip = np.unique(visits.month_of(here)), None, 0

        def ask(beyond: int, *more: str, place: str = place) -> Seen:
            out = " and ".join(f"not ({window})" for window in (visits.window(0, beyond), *more))
            seen = attacker.ask(f"{COUNT}(p.ill = false or p.place <> '{place}' or ({out}))")
            return seen.code, seen.marked

        for at in range(8, min(40, len(months))):
            now = ask(int(months[at]) + 1)
            if before is not None and now != before:
                tip = at
                break
            before = now
        for month, who in [one for one in visits.alone(here) if tip and one[0] > months[tip]][:LEAST]:
            yield bool(person.ill[who]), ask(int(months[tip - 1]) + 1, visits.window(month, month + 1))


def _group(attacker: Attacker, person: pd.DataFrame, visits: Events, random: np.random.Generator, base: int) -> Iterator[tuple[bool, Seen]]:
    """A group whose number turns, in rounding, if it lacks one person; and all of it but the ill of that person's month."""
    alone = list(visits.alone(visits.visit))
    random.shuffle(alone)
    for month, who in alone:
        for _ in range(200):
            places = {str(person.place[who]), *map(str, random.choice(PLACES, random.integers(0, 4)))}
            low, high = int(random.integers(BORN[0], person.born[who] + 1)), int(random.integers(person.born[who] + 1, BORN[1] + 1))
            known = Known(places=tuple(sorted(places)), born=(low, high))
            size = int(known.of(person).sum())
            if LEAST <= size <= len(person) // 3 and size % base == base // 2 + base % 2 * (base > 1):
                seen = attacker.ask(f"{COUNT}{known.sql('p')} and (p.ill = false or not ({visits.window(month, month + 1)}))")
                yield bool(person.ill[who]), (seen.code, seen.marked, seen.first is not None and seen.first < size)
                break


def _groups(person: pd.DataFrame, random: np.random.Generator, base: int) -> Iterator[tuple[Known, np.ndarray]]:
    """Small groups by place and year of birth, whose number turns in rounding if it lacks one person."""
    for place, low, years in random.permutation(list(product(range(len(PLACES)), range(BORN[0], BORN[1] - 6), range(2, 7)))).tolist():
        known = Known(places=(PLACES[place],), born=(low, low + years))
        who = known.of(person)
        if SMALL[0] <= who.sum() < SMALL[1] and who.sum() % base == base // 2 + base % 2 * (base > 1):
            yield known, who


def _nearly_all(
    attacker: Attacker, person: pd.DataFrame, visits: Events, random: np.random.Generator, base: int
) -> Iterator[tuple[bool, Seen]]:
    """Those of a known group who weigh as much as nearly all."""
    for known, who in _groups(person, random, base):
        seen = attacker.ask(f"select count(*) n from person p where {known.sql('p')} and p.weight >= {LIGHT}")
        yield bool((person.weight[who] < LIGHT).any()), (seen.code, seen.marked, seen.first is not None and seen.first < who.sum())


def _who_comes(
    attacker: Attacker, person: pd.DataFrame, visits: Events, random: np.random.Generator, base: int
) -> Iterator[tuple[bool, Seen]]:
    """Those of a known group who have a visit: nearly all."""
    came = np.isin(person.person_id, visits.visit.person_id)
    for known, who in _groups(person, random, base):
        seen = attacker.ask(f"{COUNT}{known.sql('p')}")
        yield not came[who].all(), (seen.code, seen.marked, seen.first is not None and seen.first < who.sum())


def _of_a_window(
    attacker: Attacker, person: pd.DataFrame, visits: Events, random: np.random.Generator, base: int
) -> Iterator[tuple[bool, Seen]]:
    """Those who come in a few months and weigh as much as nearly all."""
    for first in random.permutation(visits.months):
        for beyond in range(first + 1, min(first + 60, visits.months)):
            days = visits.visit[(visits.month_of(visits.visit) >= first) & (visits.month_of(visits.visit) < beyond)]
            who = np.isin(person.person_id, days.person_id)
            if SMALL[0] <= who.sum() < SMALL[1] and who.sum() % base == base // 2 + base % 2 * (base > 1):
                seen = attacker.ask(f"{COUNT}({visits.window(first, beyond)}) and p.weight >= {LIGHT}")
                yield bool((person.weight[who] < LIGHT).any()), (seen.code, seen.marked, seen.first is not None and seen.first < who.sum())
                break


AROUND: dict[str, Looks] = {
    "known: all but one": _all_but_one,
    "known: all but a few": _all_but_a_few,
    "known: a group": _group,
    "known: nearly all": _nearly_all,
    "known: who comes": _who_comes,
    "known: nearly all of a window": _of_a_window,
}


def around(setting: Setting, name: str) -> Iterator[Result]:
    """Ill or not? The persons who come in a month of their own. Or: does anybody of a known group lack what nearly all have?"""
    person, random = setting.people, setting.random
    visits = events(person, random)
    if AROUND[name] is _who_comes:
        never = person.person_id[random.random(len(person)) < NEVER]
        visits = replace(visits, visit=visits.visit[~visits.visit.person_id.isin(never)].reset_index(drop=True))
    seen, truths = [], []
    with setting.site(person=person, visit=visits.visit) as attacker:
        for truth, looks in AROUND[name](attacker, person, visits, random, setting.rules.base):
            if looks[0] == "spent":
                break
            seen.append(looks)
            truths.append(truth)
            if attacker.asked >= setting.questions:
                break
        right, majority = learnt(seen, truths)
        yield setting.result(name, attacker, right, majority, len(truths))
