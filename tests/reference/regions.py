"""The parts of a question's set of which another secret decides each, by what everybody knows of the rows."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import product

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
    """What of a set lies in a region, whom anybody may know."""

    who: Persons
    region: Persons
    is_sure: bool
    """Whether all of the region are in the set, whatever is secret."""

    def ways(self, rules: Rules) -> set[int | None]:
        """What may be added for it as a known region; None: it is told with the others, or has nobody."""
        most, lacking = 2 * rules.threshold - 1, len(self.region - self.who)
        if self.is_sure:
            return {len(self.region)}
        if lacking >= most:
            return {None}
        full = {len(self.region), *([0] if len(self.region) < most + rules.threshold else [])}
        return full if lacking < rules.threshold else full | {None}


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
    return [Part(who & frozenset(of), frozenset(of), cell_is_known and Ways() in key) for key, of in regions.items()]


def others(who: Persons, of: Collection[Part], rules: Rules) -> Iterator[tuple[int | None, Persons]]:
    """In each way, what the known regions of a set add, and who is in none of these; nothing is added where there is none."""
    for ways in product(*(part.ways(rules) for part in of)):
        full = [(part, way) for part, way in zip(of, ways, strict=True) if way is not None]
        yield sum(way for _, way in full) if full else None, who.difference(*(part.who for part, _ in full))


def sums(who: Persons, of: Collection[Part], rules: Rules, told: Callable[[Persons], Collection[int]]) -> set[int]:
    """What may be told of a set, as it is shown; ``told``: the numbers that may be told of a set which a question describes."""
    found: set[int] = set()
    for known, left in others(who, of, rules):
        if known is None:
            found |= {*told(who)}
        else:
            more = {0, *told(left)} if len(left) < 2 * rules.threshold - 1 else told(left)
            found |= set().union(*(rounded(known + each, rules.base) for each in more))
    return found


def must_be_marked(of: Collection[Part], rules: Rules) -> bool:
    """Whether some region is known, at whatever distance."""
    return any(None not in part.ways(rules) for part in of)


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
