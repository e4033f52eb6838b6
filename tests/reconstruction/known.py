"""A mean of what everybody knows, over persons who are all alike in it, and one other person: is he in the group?

Of the ill who were born in one year or come in another person's month the mean year of birth is that year, or it is not. By one question
each the attacker was right about all of 82 persons, majority 61 %, at 3,000 persons under ``10-5``, and nothing was withheld.
"""

from collections.abc import Iterator

from .events import events
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
