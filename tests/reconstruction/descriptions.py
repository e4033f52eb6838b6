"""One set in very many words: how near a set must be is drawn for each description, so the share of answers is a scale.

Of two released sets the older stands for a third where the drawn distance is beyond what the third lacks of it. In how many of a hundred
descriptions it does tells exactly how many that are, and with another person added or taken out, whether he is one of them. Before there
was an account of what was released, a hundred questions a person were right about 83 % of 24 persons, majority 60 %, none refused. The
account leaves this attacker one person of a site of 1,000.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from .balance import pairs, wordings
from .events import events, ill_of
from .result import Result
from .setting import Setting
from .site import ILL

EACH = 100
"""Descriptions of one person's set, at most."""
SURE = 0.005
"""No share is expected to be nearer to none or all."""


def descriptions(setting: Setting) -> Iterator[Result]:
    """Ill or not? The persons of a place who come in a month of their own, as many as there are questions for."""
    person, random = setting.people, setting.random
    visits = events(person, random)
    ill, guesses, truths = person.ill.to_numpy(), [], []
    with setting.site(person=person, visit=visits.visit) as attacker:
        for pair in pairs(attacker, person, visits, random, setting):
            weighed: list[tuple[int, int, int]] = []
            for month, who in visits.alone(visits.here(person, pair.place)):
                if attacker.asked + EACH // 2 > setting.questions or attacker.refused:
                    break
                asks = (ill_of(pair.place, *words, pair.changed(month, visits)) for words in wordings(pair.place, random))
                answers = [attacker.ask(sql) for sql in islice(asks, min(EACH, setting.questions - attacker.asked))]
                shown = [answer for answer in answers if answer.shown]
                weighed.append((1 if month < pair.month else -1, sum(map(pair.is_whole, shown)), len(shown)))
                truths.append(bool(ill[who]))
            guesses += likeliest(weighed, setting.rules.threshold)
        right = float(np.mean(np.array(guesses) == truths)) if truths else 0.0
        yield setting.result("descriptions: a hundred for a person", attacker, right, max(ill.mean(), 1 - ill.mean()), len(truths))


def likeliest(weighed: list[tuple[int, int, int]], threshold: int) -> list[bool]:
    """Who is ill, by how often the larger set's number was shown.

    Of each person: whether his set lacks more if he is ill (1) or fewer (-1), how often, and of how many answers.

    What the smaller set lacks is the same for all of a pair: the likeliest number explains all of them best.
    """
    found = []
    for lacks in range(threshold, 2 * threshold):
        both = []
        for is_ill, usual in ((0, 1 - ILL), (1, ILL)):
            share = np.array([(2 * threshold - 1 - lacks - step * is_ill) / threshold for step, _, _ in weighed]).clip(SURE, 1 - SURE)
            times, of = np.array([[times, of] for _, times, of in weighed], dtype=float).reshape(-1, 2).T
            both.append(times * np.log(share) + (of - times) * np.log(1 - share) + np.log(usual))
        found.append((float(np.logaddexp(*both).sum()), (both[1] > both[0]).tolist()))
    return max(found)[1]
