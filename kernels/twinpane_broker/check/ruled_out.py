"""Categories that the conditions of a question rule out by their words alone: no row can be in them, so they are no rows of the table.

A condition counts if it compares nothing but the dimension's own column, however it is put: with OR, with NOT, in brackets. The column's
values are tried one by one, or, of ranges and windows, one of each piece between their ends. So nothing of it depends on the data.
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from datetime import date
from itertools import pairwise

from twinpane_broker.catalogue.catalogue import Catalogue, Table
from twinpane_broker.errors import RefusalCode, Refused
from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.question.cohort import Happened, Times, is_undated
from twinpane_broker.question.normal_form import terms_of
from twinpane_broker.question.plan import Plan
from twinpane_broker.question.predicates import (
    AllOf,
    AnyOf,
    In,
    Leaf,
    Missing,
    Not,
    Predicate,
    Range,
    Window,
    code_order,
    conjuncts,
    leaves,
)

from .axes import Axis

Value = Hashable
"""A code with the name of its type, a number, a day as a number; None where there is none."""
UNNAMED = ("unnamed",)
"""Any code that the question does not name."""


def possible(axis: Axis, where: Predicate | None) -> Axis:
    """The dimension without the categories that the conditions rule out. Raises Refused if none is left.

    Bins stay, as each is told by its place; those beyond a single range or window are not there to begin with.
    """
    # Which codes a set of codes means, the site knows, and the words do not say.
    told = [leaf for leaf in leaves(where) if leaf.column == axis.column] + [leaf for leaf, _ in axis.arms]
    terms = [term for term in terms_of(where) if {leaf.column for leaf in leaves(term)} == {axis.column}]
    if terms and all(type(leaf) in (In, Missing, Range, Window) for leaf in told):
        axis = _cases(axis, terms, told) if axis.arms else _without(axis, terms)
    if not axis.categories:
        raise Refused(f"No category of {axis.column} is left by the WHERE.", RefusalCode.catalogue)
    return axis


def met_by_all(plan: Plan, catalogue: Catalogue) -> Predicate | None:
    """What holds for all rows of a question: its WHERE, and what its cohort requires of the one row that a person has among the persons."""
    steps = plan.cohort.steps if plan.cohort is not None else ()
    required = [step.criteria[0] for step in steps if len(step.criteria) == 1 and not step.exclude]
    found = [
        one.event.where for one in required
        if isinstance(one, Happened) and is_undated(one) and (one.times, one.count) == (Times.at_least, 1)
        and _has_one_row_each(catalogue.known_table(one.event.table), catalogue)
    ]  # fmt: skip
    terms = tuple(term for where in (plan.where, *found) for term in conjuncts(where))
    return AllOf.model_construct(terms=terms) if terms else None


def _has_one_row_each(table: Table, catalogue: Catalogue) -> bool:
    return catalogue.home(table) is None and len(table.rows_per_person) <= 2


def _without(axis: Axis, terms: list[Predicate]) -> Axis:
    binned = axis.bin is not None or axis.width is not None
    kept = [place for place, category in enumerate(axis.categories) if _may_be(category, terms, binned=binned)]
    values = tuple(value for place, value in enumerate(axis.values) if place in kept)
    return replace(axis, categories=tuple(axis.categories[place] for place in kept), values=values)


def _may_be(category: Category, terms: list[Predicate], *, binned: bool) -> bool:
    if category.kind is CategoryKind.missing:
        return _meets(None, terms)
    if binned:
        return True
    return _meets(UNNAMED if category.value is None else code_order(category.value), terms)


def _cases(axis: Axis, terms: list[Predicate], told: list[Leaf]) -> Axis:
    codes = {code_order(code) for leaf in told if isinstance(leaf, In) for code in leaf.codes}
    held = set()
    for value in (None, UNNAMED, *codes, *_pieces({end for leaf in told for end in _ends(leaf)})):
        if _meets(value, terms):
            held.add(next((category for leaf, category in axis.arms if _holds(leaf, value)), axis.rest))
    kept = sorted(held)
    at = {category: place for place, category in enumerate(kept)}
    outside = len(kept)
    arms = tuple((leaf, at.get(category, outside)) for leaf, category in axis.arms)
    return replace(axis, categories=tuple(axis.categories[place] for place in kept), arms=arms, rest=at.get(axis.rest, outside))


def _pieces(ends: Iterable[float]) -> list[float]:
    """Each end, and a number between each two, before the first and after the last."""
    found = sorted(ends)
    return [*found, *((one + other) / 2 for one, other in pairwise(found)), found[0] - 1, found[-1] + 1] if found else []


def _meets(value: Value, terms: Iterable[Predicate]) -> bool:
    return all(_holds(term, value) for term in terms)


def _ends(leaf: Leaf) -> Iterator[float]:
    if isinstance(leaf, Range | Window):
        yield from (end for end in _span(leaf) if end is not None)


def _span(leaf: Range | Window) -> tuple[float | None, float | None]:
    if isinstance(leaf, Range):
        return leaf.low, leaf.high
    return _day(leaf.start), _day(leaf.end)


def _day(day: date | None) -> float | None:
    return None if day is None else float(day.toordinal())


def _holds(predicate: Predicate, value: Value) -> bool | None:
    """Whether a condition holds for a value, as in SQL: None where that is not known, as for a missing one."""
    if isinstance(predicate, AllOf | AnyOf):
        found = [_holds(term, value) for term in predicate.terms]
        decides = isinstance(predicate, AnyOf)
        return decides if decides in found else None if None in found else not decides
    if isinstance(predicate, Not):
        inner = _holds(predicate.term, value)
        return None if inner is None else not inner
    if isinstance(predicate, Missing):
        return value is None
    if value is None:
        return None
    if isinstance(predicate, In):
        return value in {code_order(code) for code in predicate.codes}
    if isinstance(predicate, Range | Window) and isinstance(value, int | float):
        return _inside(predicate, value)
    return False


def _inside(leaf: Range | Window, value: float) -> bool:
    low, high = _span(leaf)
    left_out = leaf.above if isinstance(leaf, Range) else leaf.after
    begins = low is None or value > low or (value == low and not left_out)
    return begins and (high is None or value < high or (value == high and leaf.through))
