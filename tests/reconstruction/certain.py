"""Sets of which a part is known, though no condition says so: the secret is certain for some.

No man is pregnant. So *who is not pregnant, and is a woman of five places or a man who came in these years* has all of the men in it. An
attacker who knows how many came adds men until the number of the women turns in rounding, and one more woman whom he wants to know. Where
everybody knows at which count a number turns, he reads from each answer whether she is among them: 98 % of 60 were right under ``10-5``
(majority 65 %). Asked many times, each time with other men, a drawn rounding tells it on average too; how often it takes is what is tried.
"""

from collections.abc import Iterator

import numpy as np

from .events import Events, events
from .result import Result
from .setting import Setting, learnt
from .site import PLACES

COUNT = "select count(distinct p.person_id) n from visit v join person p on v.person_id = p.person_id where p.ill = false and "
CERTAIN = {"certain: of one sex": 1, "certain: asked nine times": 9}
"""How many questions are asked about each person."""
STRETCH = (10, 50)
"""Months of the men."""


def certain(setting: Setting, name: str) -> Iterator[Result]:
    """Ill or not? Women who come in a month of their own, beside the healthy women of five places and men who come in some years."""
    person, random = setting.people, setting.random
    men = (person.sex == "M").to_numpy()
    person["ill"] = person.ill & ~men
    visits = events(person, random)
    here = person.place.isin(PLACES[:5]).to_numpy() & ~men
    unknown = int((here & ~person.ill.to_numpy() & np.isin(person.person_id, visits.visit.person_id)).sum())
    women = "p.sex = 'F' and p.place in (" + ", ".join(f"'{place}'" for place in PLACES[:5]) + ")"
    of_women = visits.visit[~men[visits.visit.person_id.to_numpy()]]
    alone = [(month, who) for month, who in visits.alone(of_women) if not here[who]]
    random.shuffle(alone)
    seen, truths = [], []
    used: list[np.ndarray] = []
    with setting.site(person=person, visit=visits.visit) as attacker:
        for month, who in alone:
            found = []
            for _ in range(CERTAIN[name]):
                chosen = _chosen(setting, visits, random, month, men, unknown, used)
                if chosen is None:
                    break
                added, window = chosen
                once = visits.window(month, month + 1)
                answer = attacker.ask(f"{COUNT}(({women}) or (p.sex = 'M' and {window}) or ({once}))")
                used.append(added)
                if answer.code == "spent" or attacker.asked > setting.questions:
                    break
                if answer.first is not None and not answer.marked:
                    found.append(answer.first - unknown - int(added.sum()))
            if answer.code == "spent" or attacker.asked > setting.questions:
                break
            seen.append(2 * sum(found) > len(found))
            truths.append(bool(person.ill[who]))
        right, majority = learnt(seen, truths)
        yield setting.result(name, attacker, right, majority, len(truths))


def _chosen(
    setting: Setting, visits: Events, random: np.random.Generator, month: int, men: np.ndarray, unknown: int, used: list[np.ndarray]
) -> tuple[np.ndarray, str] | None:
    """Men who come in some years, and those of a month, with whom the number turns to the nearest if one woman is missing."""
    base, far = setting.rules.base, 2 * setting.rules.threshold
    when, who = visits.month_of(visits.visit), visits.visit.person_id.to_numpy()
    for _ in range(200):
        low = int(random.integers(0, max(1, visits.months - STRETCH[1])))
        high = low + int(random.integers(*STRETCH))
        added = np.isin(np.arange(len(men)), who[((when >= low) & (when < high)) | (when == month)]) & men
        turns = (unknown + int(added.sum()) + 1) % base == (base + 1) // 2 % base
        if turns and added.sum() > far and all((added ^ other).sum() >= far for other in used):
            return added, visits.window(low, high)
    return None
