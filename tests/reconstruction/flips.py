"""The threshold as a scale: a set grows by one known person at a time, until what is answered flips. That person is in the set.

A rule that compares an exact number with a threshold tells, at the flip, on which side the number was before and is now. This is so
whether the answer turns from withheld to shown, or from the number of a near set to its own.
"""

from collections.abc import Iterator

import numpy as np

from .attacker import Seen
from .events import events
from .result import Result
from .setting import Setting

LINES = 40


def flips(setting: Setting) -> Iterator[Result]:
    """The ill of a place with visits from one month until another, month by month; the attacker knows who comes when."""
    person, random, k = setting.people, setting.random, setting.rules.threshold
    visits = events(person, random)
    ill, claimed, persons = person.ill.to_numpy(), [], 0
    with setting.site(person=person, visit=visits.visit) as attacker:
        for _ in range(LINES):
            place = str(random.choice(person.place.unique()))
            line = np.flatnonzero((person.place == place).to_numpy() & ~visits.again)
            line = line[np.argsort(visits.month[line], kind="stable")]
            start = int(random.integers(0, max(1, len(line) - 4 * k)))
            before: Seen | None = None
            for end in range(start + k - 1, min(len(line), start + 5 * k)):
                if attacker.asked >= setting.questions:
                    break
                if end + 1 < len(line) and visits.month[line[end + 1]] == visits.month[line[end]]:
                    continue
                window = visits.window(visits.month[line[start]], visits.month[line[end]] + 1)
                seen = attacker.ask(
                    "select count(distinct p.person_id) n from visit v join person p on v.person_id = p.person_id "
                    f"where p.place = '{place}' and p.ill = true and {window}"
                )
                added = visits.month[line[end - 1]] < visits.month[line[end]]
                if before is not None and added and _flipped(before, seen):
                    claimed.append(bool(ill[line[end]]))
                before = seen
                persons += 1
        usual = max(ill.mean(), 1 - ill.mean())
        note = f"of {persons} steps"
        yield setting.result("flips at the threshold", attacker, float(np.mean(claimed)) if claimed else 0.0, usual, len(claimed), note)


def _flipped(before: Seen, now: Seen) -> bool:
    """Whether a number of its own is shown now, and was not for one person less."""
    return now.shown and not now.marked and (not before.shown or before.marked)
