"""A pair of scales: a set that lacks one person to be answered otherwise. Whoever is added then, alone, is weighed by one question.

First a set grows by one known person at a time until its answer changes for the second time: the last person tipped it. Without that person
it is in balance. Any other known person can be put there instead.
"""

from collections.abc import Iterator

import numpy as np

from .attacker import Attacker, Seen, pattern
from .events import Events, events, ill_of
from .result import Result
from .setting import Setting, learnt

MOST = 200
"""Persons that are weighed, of one place."""


def scale(setting: Setting) -> Iterator[Result]:
    """Ill or not? The persons of a place whose visits are in months of their own."""
    person, random, k = setting.people, setting.random, setting.rules.threshold
    visits = events(person, random)
    ill, seen, truths = person.ill.to_numpy(), [], []
    with setting.site(person=person, visit=visits.visit) as attacker:
        for place in map(str, person.place.unique()):
            here = visits.here(person, place)
            months = np.sort(visits.month_of(here))
            first, last, balanced = _in_balance(attacker, visits, place, months, setting.questions // 4, k)
            if balanced is None:
                continue
            for month, who in visits.alone(here):
                if month <= last:
                    continue
                if len(truths) == MOST or attacker.asked >= setting.questions:
                    break
                answer = attacker.ask(_sql(visits, place, (first, last), (month, month + 1)))
                seen.append((place, pattern((balanced, answer))))
                truths.append(bool(ill[who]))
            if len(truths) >= MOST // 2 or attacker.asked >= setting.questions:
                break
        right, majority = learnt(seen, truths)
        yield setting.result("scale: any person by one question", attacker, right, majority, len(truths))


def _in_balance(
    attacker: Attacker, visits: Events, place: str, months: np.ndarray, most: int, threshold: int
) -> tuple[int, int, Seen | None]:
    """The first month of a window, the month before which it ends, and its answer, which one more person changes."""
    first = int(months[0])
    before, changes = None, 0
    for month in map(int, np.unique(months)[threshold - 1 :][:most]):
        now = attacker.ask(_sql(visits, place, (first, month + 1)))
        changes += before is not None and (now.shown, now.first) != (before.shown, before.first) and now.shown
        if changes == 2 and before is not None:
            return first, month, before
        before = now
    return first, first, None


def _sql(visits: Events, place: str, *windows: tuple[int, int]) -> str:
    return ill_of(place, " or ".join(f"({visits.window(*window)})" for window in windows))
