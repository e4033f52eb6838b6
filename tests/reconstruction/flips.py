"""A set that grows by one known person at a time, until what is answered changes. Then that person is in the set.

Every rule that looks at an exact set tells this somewhere: where a threshold is reached, where a set is no longer that of a released
number, or no longer near it. It is no matter whether the answer turns from withheld to shown, or from the number of a near set to its own.
"""

from collections.abc import Iterator

import numpy as np

from .attacker import Seen
from .events import events, ill_of
from .result import Result
from .setting import Setting

LINES = 60


def flips(setting: Setting) -> Iterator[Result]:
    """The ill of a place with visits from one month until another, month by month; the attacker knows who comes when."""
    person, random, k = setting.people, setting.random, setting.rules.threshold
    visits = events(person, random)
    ill, guesses, truths = person.ill.to_numpy(), [], []
    with setting.site(person=person, visit=visits.visit) as attacker:
        for _ in range(LINES):
            place = str(random.choice(person.place.unique()))
            here = visits.here(person, place)
            months = np.sort(visits.month_of(here))
            start = int(months[int(random.integers(0, max(1, len(months) - 5 * k)))])
            before: Seen | None = None
            inside: set[int] = set()
            for month in np.unique(months[months >= start]):
                grown = inside | set(here.person_id[visits.month_of(here) == month])
                if attacker.asked >= setting.questions or len(grown) > 5 * k:
                    break
                if len(grown) >= k:
                    now = attacker.ask(ill_of(place, visits.window(start, int(month) + 1)))
                    if before is not None and len(grown - inside) == 1 and (said := told(before, now)) is not None:
                        guesses.append(said)
                        truths.append(bool(ill[(grown - inside).pop()]))
                    before = now
                inside = grown
        right = float(np.mean(np.array(guesses) == truths)) if truths else 0.0
        note = f"{sum(guesses)} said to be ill"
        yield setting.result("flips: one person more", attacker, right, max(ill.mean(), 1 - ill.mean()), len(truths), note)


def told(before: Seen, now: Seen) -> bool | None:
    """Whether the person added is in the set, as far as the answers tell; None where they do not.

    The same set never looks different but for the mark of one that was asked before. Where a near set looks otherwise than an equal one,
    what looks the same is the same.
    """
    if (before.shown, before.first) != (now.shown, now.first):
        return True
    return False if now.shown and not now.marked else None
