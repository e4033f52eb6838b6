"""What a spread needs, as a scale: thirty persons, and one less in a group whose number is known.

Where counts are exact a group is soon found that lacks one person. With any other known person added it is near that group, whose number
stands for it. Whether its standard deviation was shown beside that number was once decided by its own persons: so by one question each the
attacker was right about all of 7 persons, majority 57 %, and nothing was withheld.
"""

from collections.abc import Iterator

import numpy as np

from .attacker import Attacker
from .events import Events, events, ill_of
from .result import Result
from .setting import Setting, learnt
from .site import ILL, PLACES

PERSONS = "count(distinct p.person_id) n"
SPREAD = "stddev(p.weight) s"
APART = 45
"""Months between the windows that are tried: so their groups are not near each other."""
EACH = 10
"""Persons who are weighed beside one group; none after a spread was shown, as no further one is."""


def spreads(setting: Setting) -> Iterator[Result]:
    """Ill or not? The persons of a place who come in a month of their own."""
    person, random, lacking = setting.people, setting.random, setting.rules.spread_persons - 1
    visits = events(person, random)
    ill, seen, truths = person.ill.to_numpy(), [], []
    with setting.site(person=person, visit=visits.visit) as attacker:
        for place in PLACES:
            here = visits.here(person, place)
            for first, beyond in _lacking_one(attacker, visits, place, np.unique(visits.month_of(here)), lacking, setting.questions):
                for month, who in [one for one in visits.alone(here) if not first <= one[0] < beyond][:EACH]:
                    if attacker.asked >= setting.questions:
                        break
                    either = f"({visits.window(first, beyond)}) or ({visits.window(month, month + 1)})"
                    answer = attacker.ask(ill_of(place, either).replace(PERSONS, SPREAD))
                    seen.append(answer.shown)
                    truths.append(bool(ill[who]))
                    if answer.shown:
                        break
        right, majority = learnt(seen, truths)
        yield setting.result("spread: any person by one question", attacker, right, majority, len(truths))


def _lacking_one(attacker: Attacker, visits: Events, place: str, months: np.ndarray, lacking: int, most: int) -> Iterator[tuple[int, int]]:
    """Windows in which so many ill persons of a place come, by a number of their own."""
    for start in range(0, len(months), APART):
        end = start + round((lacking + 1) / ILL)
        if attacker.asked >= most or end >= len(months):
            return
        first, beyond = int(months[start]), int(months[end]) + 1
        seen = attacker.ask(ill_of(place, visits.window(first, beyond)))
        if seen.shown and not seen.marked and seen.first == lacking:
            yield first, beyond
