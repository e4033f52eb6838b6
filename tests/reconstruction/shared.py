"""What two sets share: whether their numbers add up to a third was looked at by the threshold, or by whether they share anybody.

*Overlap.* Two released sets count as disjoint if they share a few. Their union then bears their sum, and otherwise its own number. Of a set
that shares one person fewer than the threshold with another, one question more told whether any one known person is in both: all of 50
right at 3,000 persons under ``10-5`` (majority 56 %), none withheld. *One in two cells*: cells of one answer counted as parts of a sum only
if they shared nobody. Of a person with two visits two questions told whether he is ill: 15 of 16 at 6,000 persons.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd

from .around import COUNT
from .attacker import Attacker
from .events import Events, events, ill_of
from .result import Result
from .setting import Setting, learnt
from .site import PLACES

FILLED = 50
"""Persons, about, by whom one pair of sets differs from the next."""
FEWEST = 9
"""Months of the window, before it is looked at."""
Window = tuple[int, int]


def overlap(setting: Setting) -> Iterator[Result]:
    """Ill or not? The persons of a place who come in a month of their own."""
    person, random = setting.people, setting.random
    visits = events(person, random)
    place, seen, truths = PLACES[0], [], []
    here = visits.here(person, place)
    months, fillers = np.unique(visits.month_of(here)), iter(_fillers(person, visits, random))
    with setting.site(person=person, visit=visits.visit) as attacker:
        attacker.ask(ill_of(place))

        def is_own(beyond: int, *more: str) -> bool | None:
            """Whether the union has a number of its own; None if that cannot be asked."""
            filler = next(fillers, None)
            if filler is None or attacker.asked + 2 > setting.questions:
                return None
            either = " or ".join(f"({window})" for window in (visits.window(0, beyond), *more))
            part = attacker.ask(f"{COUNT}p.ill = true and ((p.place = '{place}' and ({either})) or {filler})")
            both = attacker.ask(f"{COUNT}p.ill = true and (p.place = '{place}' or {filler})")
            return not both.marked if part.shown and not part.marked and both.shown else None

        tip = next((at for at in range(FEWEST, 60) if is_own(int(months[at]) + 1)), 0)
        for month, who in [one for one in visits.alone(here) if tip and one[0] > months[tip]]:
            own = is_own(int(months[tip - 1]) + 1, visits.window(month, month + 1))
            if own is not None:
                seen.append(own)
                truths.append(bool(person.ill[who]))
        right, majority = learnt(seen, truths)
        yield setting.result("overlap: any person by two questions", attacker, right, majority, len(truths))


def _fillers(person: pd.DataFrame, visits: Events, random: np.random.Generator) -> list[str]:
    """Windows of other places, of which no two share anybody."""
    found = []
    for place in PLACES[1:]:
        months = np.sort(visits.month_of(visits.here(person, place)))[::FILLED]
        found += [f"(p.place = '{place}' and {visits.window(int(first), int(beyond))})" for first, beyond in pairwise(months)]
    random.shuffle(found)
    return found


def one_in_two_cells(setting: Setting) -> Iterator[Result]:
    """Ill or not? Persons with a second visit: a table of four windows and the rest, then three of the windows together."""
    person, random = setting.people, setting.random
    visits = events(person, random)
    half, width = visits.months // 2, visits.months // 10
    seen, truths = [], []
    with setting.site(person=person, visit=visits.visit) as attacker:
        for who in random.permutation(np.flatnonzero(visits.again)):
            first = int(visits.month[who]) % half
            three = ((first - width + 1, first + 1), (first + half, first + half + width), (first - 2 * width + 1, first - width + 1))
            if three[2][0] < 0 or three[1][1] > visits.months:
                continue
            if attacker.asked + 2 > setting.questions:
                break
            looks = _looks(attacker, visits, str(person.place[who]), three, (first + 1, first + 1 + width))
            if looks is not None:
                seen.append(looks)
                truths.append(bool(person.ill[who]))
        right, majority = learnt(seen, truths)
        yield setting.result("one in two cells: any person by two questions", attacker, right, majority, len(truths))


def _looks(attacker: Attacker, visits: Events, place: str, three: tuple[Window, ...], other: Window) -> bool | None:
    """Whether the three have a number of their own; None if not all of them have one by themselves."""
    arms = " ".join(f"when {visits.window(*window)} then 'w{at}'" for at, window in enumerate((*three, other)))
    table = attacker.ask(
        f"select case {arms} else 'rest' end g, count(distinct p.person_id) n from visit v join person p on v.person_id = p.person_id "
        f"where p.ill = true and p.place = '{place}' group by 1"
    )
    together = attacker.ask(ill_of(place, " or ".join(f"({visits.window(*window)})" for window in three)))
    cells = [(f"w{at}",) for at in range(len(three))]
    if not together.shown or any(cell in table.marks or table.cells.get(cell, (None,))[0] is None for cell in cells):
        return None
    return not together.marked
