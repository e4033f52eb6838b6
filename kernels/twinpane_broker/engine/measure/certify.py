"""Bounds on one person's contribution to a cell. If they are clearly small, no contribution need be counted.

A cell is *certain* if the bound is at most one percent of its total. Then the cell meets every dominance rule that a policy can sensibly
set, and the bound serves as the largest and the second largest contribution.
"""

from collections.abc import Callable, Sequence
from math import prod

from twinpane_broker.engine.sql.category_keys import OTHER, numbers_of
from twinpane_broker.engine.sql.statement import Question
from twinpane_broker.engine.store.frozen import Store
from twinpane_broker.question.plan import split
from twinpane_broker.question.predicates import In, conjuncts

from .tallies import Cell, Tally, Values

CERTAIN = 100
"""A bound is plainly small where so many times it still fit."""


def certain(total: float, bound: float) -> bool:
    """Whether a contribution of at most ``bound`` is at most one percent of ``total``."""
    return bound * CERTAIN <= total


def is_certain(tally: Tally, most_rows: int, sampled: Sequence[float] | None = None) -> bool:
    """Whether no person can dominate any number of a cell, if each has at most so many rows in it.

    ``sampled``: per measure, the sum of some persons' absolute contributions, if it is known.
    """
    return (
        certain(tally.rows, most_rows)
        and all(
            _values_certain(values, most_rows, sampled[place] if sampled else 0.0)
            for place, values in enumerate(tally.values)
            if values.values
        )
        and all(certain(pairs.values, most_rows) for pairs in tally.pairs if pairs.values)
    )


def _values_certain(values: Values, most_rows: int, sampled: float) -> bool:
    absolute = absolute_at_least(values, sampled)
    return certain(values.values, most_rows) and certain(absolute, largest_at_most(values, most_rows))


def largest_at_most(values: Values, most_rows: int) -> float:
    """A bound on the absolute value of one person's contribution."""
    return most_rows * max(abs(values.low), abs(values.high))


def absolute_at_least(values: Values, sampled: float = 0.0) -> float:
    """A bound below the sum of all persons' absolute contributions; the sum itself where all values have one sign."""
    return max(abs(values.total), sampled)


def furthest_at_most(values: Values, most_rows: int) -> float:
    """A bound on how far what a person's values sum up to is from as many average ones."""
    return most_rows * (values.high - values.low)


def most_rows(question: Question, store: Store) -> Callable[[Cell], int]:
    """The most rows that one person can have in a cell, from the facts of the tables."""
    bound = question.bound
    fixed, by_category = 1, []
    for table in bound.plan.tables:
        facts = store.facts.table(table)
        most = facts.most_rows
        for condition in conjuncts(bound.plan.where):
            if isinstance(condition, In) and split(condition.column)[0] == table:
                dimension = facts.dimension(split(condition.column)[1])
                codes = {max(number, OTHER) for number in numbers_of(bound.column(condition.column), condition.codes)}
                most = min(most, sum(dimension.most_rows(code) for code in codes))
        axes = [(place, key) for place, key in enumerate(question.keys.axes) if key.by_code and split(key.axis.column)[0] == table]
        if not axes:
            fixed *= most
            continue
        limits = []
        for place, key in axes:
            dimension = facts.dimension(split(key.axis.column)[1])
            of: dict[int, int] = {}
            for code, category in key.categories.items():
                of[category] = of.get(category, 0) + dimension.most_rows(code)
            limits.append((place, of))
        by_category.append((most, limits))
    return lambda cell: fixed * prod(min([most, *(of[cell[place]] for place, of in limits)]) for most, limits in by_category)
