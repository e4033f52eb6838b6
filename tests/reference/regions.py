"""The parts of a question's set of which another secret decides each, by what everybody knows of the rows."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import pandas as pd

from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.question.normal_form import literals, terms_of
from twinpane_broker.question.plan import Plan
from twinpane_broker.question.predicates import leaves
from twinpane_broker.rules.policy import Rules

from .known import is_secret
from .numbers import rounded
from .rows import PERSON, truth

Persons = frozenset
Ways = frozenset


@dataclass(frozen=True)
class Part:
    """What of a set lies in a region, and all of the region, if anybody may know these."""

    who: Persons
    region: Persons | None

    def numbers(self, rules: Rules, told: Callable[[Persons], Collection[int]]) -> set[int]:
        """What may be added for it; ``told``: the numbers that may be told of a set which a question describes."""
        most = 2 * rules.threshold - 1
        if self.region is not None and len(self.region - self.who) < most and len(self.who - self.region) < most:
            nearly = {len(self.region), *([0] if len(self.region) < most + rules.threshold else [])}
            if len(self.region - self.who) < rules.threshold:
                return nearly
            return nearly | {*told(self.who)}
        return {0} if len(self.who) < rules.threshold else {*told(self.who), *([0] if len(self.who) < most + rules.threshold else [])}


def are_several(plan: Plan, catalogue: Catalogue) -> bool:
    """Whether a condition is on something secret or something known."""
    every = ({is_secret(leaf.column, catalogue) for part in literals(term) for leaf in leaves(part)} for term in terms_of(plan.where))
    return any(len(kinds) > 1 for kinds in every)


def parts(who: Persons, plan: Plan, catalogue: Catalogue, rows: pd.DataFrame, cell_is_known: bool) -> list[Part]:
    """The parts of a set, by the regions of these rows."""
    ways: dict[object, set[Ways]] = {}
    for person, way in _ways(plan, catalogue, rows):
        ways.setdefault(person, set()).add(way)
    regions: dict[Ways, set] = {}
    for person, found in ways.items():
        regions.setdefault(Ways(one for one in found if not any(other < one for other in found)), set()).add(person)
    return [Part(who & frozenset(region), frozenset(region) if cell_is_known else None) for region in regions.values()]


def sums(of: Collection[Part], rules: Rules, told: Callable[[Persons], Collection[int]]) -> set[int]:
    """What numbers of the parts may add up to, as they are shown."""
    found = {0}
    for part in of:
        found = {one + more for one in found for more in part.numbers(rules, told)}
    return {rounded(each, rules.base) for each in found}


def _ways(plan: Plan, catalogue: Catalogue, rows: pd.DataFrame) -> Iterator[tuple[object, Ways]]:
    """Of each row that is in the question if something secret holds: whose it is, and which secrets must hold, one of each group."""
    holds = []
    for term in terms_of(plan.where):
        known = [part for part in literals(term) if not any(is_secret(leaf.column, catalogue) for leaf in leaves(part))]
        secret = Ways(literals(term)) - {*known}
        met = [truth(part, rows, catalogue).holds for part in known]
        holds.append((secret, [any(each) for each in zip(*met, strict=True)] if met else [False] * len(rows)))
    for place, person in enumerate(rows[PERSON]):
        if all(secret or met[place] for secret, met in holds):
            yield person, Ways(secret for secret, met in holds if not met[place])
