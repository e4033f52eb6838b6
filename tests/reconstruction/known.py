"""A number of what everybody knows, over persons who are all alike in it, and one other person: is he in the group?

Of the ill who were born in one year or come in another person's month the mean year of birth is that year, or it is not. By one question
each the attacker was right about all of 82 persons, majority 61 %, at 3,000 persons under ``10-5``, and nothing was withheld. So he was
about all of 51 who came eight times among others who came once, by numbers of rows, and, by mean stays, about 88 % of 52 who stayed for
nine days among others who stayed for one, majorities 59 and 65 %.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd

from .events import FIRST, Events, events
from .result import Result
from .setting import Setting, learnt
from .site import BORN

APART = 12
"""Years, at least, between the group's year of birth and the other person's."""
EACH = 4
"""Persons who are weighed beside one year; none after a mean was shown, as no further one is."""


def known_values(setting: Setting) -> Iterator[Result]:
    """Ill or not? The persons who come in a month of their own."""
    person, random = setting.people, setting.random
    visits = events(person, random)
    ill, born, seen, truths = person.ill.to_numpy(), person.born.to_numpy(), [], []
    with setting.site(person=person, visit=visits.visit) as attacker:
        alone = list(visits.alone(visits.visit))
        random.shuffle(alone)
        for year in range(*BORN):
            there = [one for one in alone if abs(born[one[1]] - year) >= APART][:EACH]
            for month, who in there:
                if attacker.asked >= setting.questions:
                    break
                alone.remove((month, who))
                either = f"((p.born >= {year} and p.born < {year + 1}) or ({visits.window(month, month + 1)}))"
                answer = attacker.ask(
                    f"select avg(p.born) m from visit v join person p on v.person_id = p.person_id where p.ill = true and {either}"
                )
                seen.append((answer.code, answer.shown))
                truths.append(bool(ill[who]))
                if answer.shown:
                    break
        right, majority = learnt(seen, truths)
        yield setting.result("known values: any person by one question", attacker, right, majority, len(truths))


OFTEN = 8
"""Rows of one person, where all others of a group have one."""
LONG = 9
"""Days of one person's stay, where all others of a group stay for a day or not at all."""
BESIDE = 60
"""Persons who come once, of whom a group is made."""


def known_rows(setting: Setting) -> Iterator[Result]:
    """Ill or not? Persons who come often, in a month after everybody else's; beside each, the few months of some who come once."""
    person, random = setting.people, setting.random
    visits = events(person, random)
    often = [int(who) for who in random.choice(setting.persons, setting.questions, replace=False)]
    own = {who: visits.months + 1 + place for place, who in enumerate(often)}
    more = [
        pd.DataFrame({"person_id": who, "day": (FIRST + month).astype("datetime64[D]") + np.arange(OFTEN) % 28})
        for who, month in own.items()
    ]
    seen, truths = [], []
    with setting.site(person=person, visit=pd.concat([visits.visit, *more], ignore_index=True)) as attacker:
        for who, (first, beyond) in zip(often, pairwise(_stretches(visits)), strict=False):
            either = f"(({visits.window(first, beyond)}) or ({visits.window(own[who], own[who] + 1)}))"
            answer = attacker.ask(
                "select count(*) r, count(distinct p.person_id) n from visit v join person p on v.person_id = p.person_id "
                f"where p.ill = true and {either}"
            )
            rows, persons = answer.cells.get((), (None, None))
            seen.append((answer.code, None if rows is None or persons is None else rows - persons))
            truths.append(bool(person.ill[who]))
        right, majority = learnt(seen, truths)
        yield setting.result("known rows: any person by one question", attacker, right, majority, len(truths))


def _stretches(visits: Events) -> list[int]:
    """Months that part the time into stretches in which as many come as a group needs."""
    months, found = np.sort(visits.month_of(visits.visit)), [0]
    while (beyond := int(np.searchsorted(months, found[-1])) + BESIDE) < len(months):
        found.append(int(months[beyond]) + 1)
    return found


def known_days(setting: Setting) -> Iterator[Result]:
    """Ill or not? Persons who stay long, in months of their own; beside each, those who stay for a day in a hundred other months."""
    person, random = setting.people, setting.random
    visits = events(person, random)
    days = random.choice([0, 1, LONG], len(visits.visit), p=[0.4, 0.4, 0.2])
    stay = visits.visit.assign(out=visits.visit.day + pd.to_timedelta(days, "D"))
    month, seen, truths = visits.month_of(stay), [], []
    alone = [(at, who) for at, who in visits.alone(stay) if days[np.flatnonzero(month == at)[0]] == LONG]
    random.shuffle(alone)
    with setting.site(person=person, stay=stay) as attacker:
        for at, who in alone[: setting.questions]:
            first = (at + visits.months // 2) % (visits.months - 100)
            if first <= at < first + 100:
                continue
            length = "datediff('day', v.day, v.out)"
            either = f"(({visits.window(first, first + 100)} and {length} >= 1 and {length} < 7) or ({visits.window(at, at + 1)}))"
            answer = attacker.ask(
                f"select avg({length}) d from stay v join person p on v.person_id = p.person_id where p.ill = true and {either}"
            )
            seen.append((answer.code, answer.shown))
            truths.append(bool(person.ill[who]))
        right, majority = learnt(seen, truths)
        yield setting.result("known days: any person by one question", attacker, right, majority, len(truths))
