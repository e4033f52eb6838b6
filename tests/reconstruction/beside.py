"""Sets of which a part is known, and added to a part that is not.

*The healthy of five places, and everybody else who came in these years* is far from every set whose number is known. So its own number
was shown. An attacker who knows how many came in which years adds persons until the number turns in rounding. So he reads the number of
the healthy exactly, and then by one question whether one person is among those added: 92 % of 119 were right at 3,000 persons under
``10-5`` (majority 61 %), 97 % under ``cms-11``. Of exact counts two such questions tell by their difference. *Everybody else* may be
written as something that all of these have: who weighs no less than the lightest.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .events import Events, events
from .result import Result
from .setting import Setting, learnt
from .site import PLACES

COUNT = "select count(distinct p.person_id) n from visit v join person p on v.person_id = p.person_id where "
LIGHTEST = 45
"""Nobody weighs less."""
STRETCH = 45
"""Months on either side of a person's, at most."""


@dataclass(frozen=True)
class _Added:
    """Persons of other places who came within a stretch of months."""

    who: np.ndarray
    sql: str
    here: str

    def without(self, month: str, more: str = "") -> str:
        """The healthy of the places, and these; but not the ill who came in that month."""
        return f"{COUNT}({self.sql} or {self.here}) and (p.ill = false or (not ({self.here}) and not ({month}){more}))"


BESIDE = {
    "known beside: rounding": False,
    "known beside: what all have": True,
    "known beside: a difference": False,
}


def beside(setting: Setting, name: str) -> Iterator[Result]:
    """Ill or not? The persons who come in a month of their own, beside the healthy of five places."""
    person, random = setting.people, setting.random
    visits = events(person, random)
    places = PLACES[:5]
    of_places = person.place.isin(places).to_numpy()
    here = "p.place in (" + ", ".join(f"'{place}'" for place in places) + ")"
    came = np.isin(person.person_id, visits.visit.person_id)
    unknown = int((of_places & ~person.ill & came).sum())
    more = f" and p.weight >= {LIGHTEST}" if BESIDE[name] else ""
    alone = [(month, who) for month, who in visits.alone(visits.visit) if not of_places[who]]
    random.shuffle(alone)
    seen, truths = [], []
    with setting.site(person=person, visit=visits.visit) as attacker:
        told = attacker.ask(f"{COUNT}p.ill = false and {here}").first if name == "known beside: a difference" else unknown
        used: list[np.ndarray] = []
        for month, who in alone:
            added = _chosen(setting, person, visits, random, month, ~of_places, unknown, used, here)
            if added is None or told is None:
                continue
            answer = attacker.ask(added.without(visits.window(month, month + 1), more))
            if answer.code == "spent" or attacker.asked >= setting.questions:
                break
            used.append(added.who)
            expected = told + int(added.who.sum())
            seen.append((answer.code, answer.marked, answer.first is not None and answer.first < expected))
            truths.append(bool(person.ill[who]))
        right, majority = learnt(seen, truths)
        yield setting.result(name, attacker, right, majority, len(truths))


def _chosen(
    setting: Setting, person: pd.DataFrame, visits: Events, random: np.random.Generator, month: int, elsewhere: np.ndarray, unknown: int,
    used: list[np.ndarray], here: str,
) -> _Added | None:  # fmt: skip
    """A stretch around a month, so that the number turns if one person is missing; unlike those chosen before."""
    base, far = setting.rules.base, 2 * setting.rules.threshold
    turns = base // 2 + base % 2 * (base > 1)
    when = visits.month_of(visits.visit)
    for _ in range(60):
        low, high = max(0, month - int(random.integers(0, STRETCH))), month + int(random.integers(1, STRETCH))
        who = np.isin(person.person_id, visits.visit.person_id[(when >= low) & (when < high)]) & elsewhere
        if who.sum() > far and (who.sum() + unknown) % base == turns and all((who ^ other).sum() >= far for other in used):
            return _Added(who, f"({visits.window(low, high)})", here)
    return None
