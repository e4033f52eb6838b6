"""The sets of persons that a question describes, by its words and the catalogue alone: all of its persons, its cells, and its totals.

Each is told, whatever the data hold, and so each costs the account of what was released, for each attribute that it tells of.
"""

import json
from collections.abc import Iterable
from datetime import date
from itertools import combinations

from twinpane_broker.aggregates.aggregate import OfPair, OfValues
from twinpane_broker.aggregates.registry import Measure
from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.question.plan import Plan
from twinpane_broker.question.predicates import AllOf, conjuncts, leaves

from .resolve import ResolvedPlan, check
from .vocabulary import is_code_set

SAME = {"sum": "mean", "var": "sd"}
"""Measures that tell no more of the same values than another one."""
OF_VALUES = 2
"""A number about values costs as many as two sets: its digits tell more than a rounded count, and half of the persons are above the middle
of a measure, which is more easily guessed than what most of them are."""
Axes = tuple[int, ...]
"""Axes that a table keeps, or a category of each."""


def described_sets(bound: ResolvedPlan) -> tuple[tuple[Axes, Axes], ...]:
    """The axes of each set, and its category of each."""
    full = tuple(range(len(bound.axes)))
    tables = ((), full, *totals(bound, full))
    return tuple(dict.fromkeys((kept, tuple(cell[axis] for axis in kept)) for kept in tables for cell in bound.cells))


def totals(bound: ResolvedPlan, kept: Axes) -> list[Axes]:
    """The tables of totals that are asked for, or that shares need as denominators."""
    if bound.plan.margins:
        return [those for count in range(len(kept) - 1, -1, -1) for those in combinations(kept, count)]
    shares = [measure for measure in bound.plan.measures if measure.takes_within]
    return list(dict.fromkeys(within for m in shares if (within := within_axes(bound, m.within, kept)) != kept))


def within_axes(bound: ResolvedPlan, columns: tuple[str, ...], kept: Axes) -> Axes:
    """The axes of a share's denominator, in a table of these axes."""
    return tuple(place for place in kept if bound.axes[place].column in columns)


def value_kind(measure: Measure) -> tuple[str, ...]:
    """What a measure tells of values; two that tell the same have the same."""
    return SAME.get(measure.kind, measure.kind), str(measure.percent), str(measure.column), str(measure.other)


def most_cost(plan: Plan, catalogue: Catalogue, today: date | None = None) -> int:
    """Of how many sets an answer tells of one attribute at most. Which of them were asked before, the site alone knows.

    Codes that only the site's vocabulary finds are taken for any. Raises Refused if the catalogue does not allow the question.
    """
    plan = _with_any_first(plan)
    terms = tuple(term for term in conjuncts(plan.where) if not any(map(is_code_set, leaves(term))))
    plain = {"cohort": None, "where": AllOf(terms=terms) if len(terms) > 1 else next(iter(terms), None)}
    bound = check(plan.model_copy(update=plain), catalogue, None, today)
    return len(described_sets(bound)) * (1 + OF_VALUES * len(_value_kinds(plan.measures)))


def _with_any_first(plan: Plan) -> Plan:
    """The plan with first events of any code. Their tables are named by the events, so the names change with them."""
    firsts = [one.model_copy(update={"event": one.event.model_copy(update={"where": None})}) for one in plan.firsts]
    text = json.dumps({**plan.model_dump(mode="json"), "firsts": [one.model_dump(mode="json") for one in dict.fromkeys(firsts)]})
    for one, any_one in zip(plan.firsts, firsts, strict=True):
        text = text.replace(one.name, any_one.name)
    return Plan.model_validate_json(text) if firsts else plan


def _value_kinds(measures: Iterable[Measure]) -> set[tuple[str, ...]]:
    return {value_kind(measure) for measure in measures if isinstance(measure, OfValues | OfPair)}
