"""Two released sets, one a little larger than the other, and a third that is near both: which of the two stands for it?

Under the first rule of stand-ins a set that equalled a released one bore that one's number, and one that was only near got the oldest's
that was within its drawn distance. So whoever had both could add any known person to the smaller set, or take him out, and read from the
number shown whether the set had changed: 97 % right of 203 persons by three questions each, majority 61 %, none of them refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd

from .attacker import Attacker, Seen
from .events import Events, events, ill_of
from .result import Result
from .setting import Setting, learnt
from .site import PLACES

WORDINGS = 3
"""In so many words a person's set is asked for."""
TRIED = 4
"""Words that are tried for each window, before the smaller set has a number of its own."""
EVERYBODY = ("p.born >= 1940", "p.born < 1990", "p.sex in ('F', 'M')", "p.race in ('a', 'b', 'c', 'd')")


@dataclass(frozen=True)
class Pair:
    """The ill of a place, and those of them who come before a month: two sets that have numbers of their own."""

    place: str
    whole: Seen
    part: Seen
    month: int
    window: str

    def changed(self, month: int, visits: Events) -> str:
        """The smaller set's term with the persons of another month, or without those of one of its own."""
        alone = visits.window(month, month + 1)
        return f"{self.window} and not ({alone})" if month < self.month else f"({self.window}) or ({alone})"

    def is_whole(self, seen: Seen) -> bool:
        """Whether an answer is the larger set's number."""
        return seen.shown and seen.first == self.whole.first


def balance(setting: Setting) -> Iterator[Result]:
    """Ill or not? The persons of a place who come in a month of their own."""
    person, random = setting.people, setting.random
    visits = events(person, random)
    ill, seen, truths = person.ill.to_numpy(), [], []
    with setting.site(person=person, visit=visits.visit) as attacker:
        for pair in pairs(attacker, person, visits, random, setting):
            for month, who in visits.alone(visits.here(person, pair.place)):
                asks = [ill_of(pair.place, *words, pair.changed(month, visits)) for words in islice(wordings(pair.place, random), WORDINGS)]
                if attacker.asked + len(asks) > setting.questions:
                    break
                seen.append((month < pair.month, sum(pair.is_whole(attacker.ask(sql)) for sql in asks)))
                truths.append(bool(ill[who]))
        right, majority = learnt(seen, truths)
        yield setting.result("balance: any person by three questions", attacker, right, majority, len(truths))


def pairs(attacker: Attacker, person: pd.DataFrame, visits: Events, random: np.random.Generator, setting: Setting) -> Iterator[Pair]:
    """One of each place where there is one to be had: with the smaller set's words tried until it has a number of its own."""
    k = setting.rules.threshold
    for place in PLACES:
        whole = attacker.ask(ill_of(place))
        months = np.unique(visits.month_of(visits.here(person, place)))
        if whole.shown and not whole.marked and (pair := _smaller(attacker, whole, place, months, visits, random, k)) is not None:
            yield pair
        if attacker.asked + 2 * TRIED * WORDINGS > setting.questions:
            return


def _smaller(
    attacker: Attacker, whole: Seen, place: str, months: np.ndarray, visits: Events, random: np.random.Generator, k: int
) -> Pair | None:
    for cut in range(k + 2, min(2 * k + 4, len(months))):
        month = int(months[-cut])
        window = visits.window(0, month)
        for words in islice(wordings(place, random), TRIED):
            part = attacker.ask(ill_of(place, *words, window))
            if part.shown and not part.marked:
                return Pair(place, whole, part, month, window) if part.first != whole.first else None
    return None


def wordings(place: str, random: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Terms that hold for all of a place: one set in ever other words."""
    others = [other for other in PLACES if other != place]
    while True:
        some = (place, *map(str, random.choice(others, random.integers(1, len(others)), replace=False)))
        yield f"p.place in ({', '.join(map(repr, sorted(some)))})", str(random.choice(EVERYBODY))
