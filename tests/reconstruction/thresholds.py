"""The threshold as a scale: a set that lacks one person to be shown. Any other known person can be put there instead.

A set grows by one known person at a time until it is first shown: so it holds exactly as many as the threshold. Without the last of them
it lacks one. Under the first rule of stand-ins few persons near a released set were withheld, and enough of them got its number. So one
question a person told whether he has the attribute: 93 % right of 300 persons, majority 67 %. As a cell of a table of all places, where
nothing is refused and no cap is reached, it told nothing, then or now.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .attacker import Attacker, Seen
from .events import Events, events, ill_of
from .result import Result
from .setting import Setting, learnt
from .site import PLACES

PLACED = {"threshold: a question": False, "threshold: a cell": True}
"""Whether the set is a cell of a table of all places, or all that a question asks for."""
EACH = 15
"""Persons of a place who are weighed."""
Window = tuple[int, int]


def thresholds(setting: Setting, name: str) -> Iterator[Result]:
    """Ill or not? The persons of a place who come in a month of their own."""
    person, random = setting.people, setting.random
    visits = events(person, random)
    ill, seen, truths = person.ill.to_numpy(), [], []
    with setting.site(person=person, visit=visits.visit) as attacker:
        for place in PLACES:
            here = visits.here(person, place)
            scale = _Scale(attacker, visits, place, PLACED[name])
            months = np.unique(visits.month_of(here))
            tip = scale.tip(months, setting.questions)
            for month, who in [one for one in visits.alone(here) if tip and one[0] > months[tip]][:EACH]:
                if attacker.asked >= setting.questions:
                    break
                answer = scale.asked((int(months[0]), int(months[tip - 1]) + 1), (month, month + 1))
                seen.append(scale.looks(answer))
                truths.append(bool(ill[who]))
        right, majority = learnt(seen, truths)
        yield setting.result(name, attacker, right, majority, len(truths))


@dataclass(frozen=True)
class _Scale:
    attacker: Attacker
    visits: Events
    place: str
    cell: bool

    def asked(self, *windows: Window) -> Seen:
        """The ill of the place with events in some windows."""
        either = " or ".join(f"({self.visits.window(*window)})" for window in windows)
        if not self.cell:
            return self.attacker.ask(ill_of(self.place, either))
        others = ", ".join(repr(place) for place in PLACES if place != self.place)
        return self.attacker.ask(
            "select p.place, count(distinct p.person_id) n from visit v join person p on v.person_id = p.person_id "
            f"where p.ill = true and (p.place in ({others}) or {either}) group by p.place"
        )

    def tip(self, months: np.ndarray, most: int) -> int:
        """The place of the month with which the number is first shown; 0 where it is not to be found."""
        for at in range(8, min(40, len(months))):
            if self.attacker.asked < most and self.shows(months[: at + 1]):
                return at
        return 0

    def shows(self, months: np.ndarray) -> bool:
        """Whether the place's number from the first of some months to the last is shown."""
        return self.looks(self.asked((int(months[0]), int(months[-1]) + 1)))[0]

    def looks(self, seen: Seen) -> tuple[bool, bool]:
        """Whether there is a number of the place, and whether it bears the mark."""
        key = (self.place,) if self.cell else ()
        return seen.cells.get(key, (None,))[0] is not None, key in seen.marks if self.cell else seen.marked
