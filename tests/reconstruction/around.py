"""Sets of which everybody knows the size, without one person if he is ill. Who knows them need ask nothing to compare.

*All but the ill of a month* in which one known person came is everybody, or everybody but him. As long as a set that left out a few was
refused, that was an answer about any person by one question: all of 100 were right (majority 62 %) at 1,000 persons under ``10-5``, and of
persons told by place, race, sex and year of birth as many. At k persons the refusal ended: so a set that left out one fewer was a scale
(180 of 180). And the number of a known group of 48 turns from 50 to 45 without him: 148 of 148 at 3,000 persons (majority 64 %), none
withheld, with an account; of exact counts any group will do.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from .attacker import Attacker
from .events import Events, events
from .result import Result
from .setting import Setting, learnt
from .site import BORN, PLACES, Known

COUNT = "select count(distinct p.person_id) n from visit v join person p on v.person_id = p.person_id where "
LEAST = 30
"""Persons of a known group, at least."""
Seen = tuple[object, ...]
Looks = Callable[[Attacker, pd.DataFrame, Events, np.random.Generator, int], Iterator[tuple[int, Seen]]]
"""Persons, and what was seen of each."""


def _all_but_one(
    attacker: Attacker, person: pd.DataFrame, visits: Events, random: np.random.Generator, base: int
) -> Iterator[tuple[int, Seen]]:
    """All but the ill who come in a month of one person."""
    for month, who in visits.alone(visits.visit):
        seen = attacker.ask(f"{COUNT}(p.ill = false or not ({visits.window(month, month + 1)}))")
        yield who, (seen.code, seen.marked, seen.first)


def _all_but_a_few(
    attacker: Attacker, person: pd.DataFrame, visits: Events, random: np.random.Generator, base: int
) -> Iterator[tuple[int, Seen]]:
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
            yield who, ask(int(months[tip - 1]) + 1, visits.window(month, month + 1))


def _group(attacker: Attacker, person: pd.DataFrame, visits: Events, random: np.random.Generator, base: int) -> Iterator[tuple[int, Seen]]:
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
                yield who, (seen.code, seen.marked, seen.first is not None and seen.first < size)
                break


AROUND: dict[str, Looks] = {
    "known: all but one": _all_but_one,
    "known: all but a few": _all_but_a_few,
    "known: a group": _group,
}


def around(setting: Setting, name: str) -> Iterator[Result]:
    """Ill or not? The persons who come in a month of their own."""
    person, random = setting.people, setting.random
    visits = events(person, random)
    seen, truths = [], []
    with setting.site(person=person, visit=visits.visit) as attacker:
        for who, looks in AROUND[name](attacker, person, visits, random, setting.rules.base):
            seen.append(looks)
            truths.append(bool(person.ill[who]))
            if attacker.asked >= setting.questions:
                break
        right, majority = learnt(seen, truths)
        yield setting.result(name, attacker, right, majority, len(truths))
