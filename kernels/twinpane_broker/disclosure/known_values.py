"""Means of what everybody knows of everybody (age, year of birth): whether one person would show in them.

A mean of secret values tells little of who is in a group. A mean of known ones does: of persons who were all born in one year, and one
other person, the mean year of birth says whether that person is ill. So such a mean is suppressed where one person weighs much. This is
judged on all whom the question would be about if it did not ask for anything secret. An attacker knows as much, so that a suppressed mean
tells nothing; the group itself would tell who is in it.

How much a person weighs is his leverage in a regression on the mean (Hoaglin and Welsch 1978): the square of his distance from it, by the
sum of all squares.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from twinpane_broker.aggregates.sd import Sd
from twinpane_broker.cells.cell_evidence import Spread
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.check.secret_conditions import is_secret_column
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.evidence.table import Index, Table, table_of
from twinpane_broker.question.normal_form import terms_of
from twinpane_broker.question.plan import split
from twinpane_broker.question.predicates import AllOf, Predicate, leaves

MOST_WEIGHT = 0.25
"""The largest leverage. Of persons of whom every other one is in the group, who has this much moves the mean by as much as all others'
chance does: so nobody is seen in it."""


@dataclass(frozen=True)
class KnownValues:
    """The known values that a question tells of."""

    bound: ResolvedPlan
    measured: Callable[[ResolvedPlan], Evidence]

    def one_shows(self, column: str, kept: tuple[int, ...], cell: Index) -> bool:
        """Whether one person would show in a mean of a column, in a cell of some of the question's axes. Raises EngineError."""
        if column not in self._columns or not self._asks_for_secrets:
            return False
        known = tuple(axis for axis in kept if axis in self._axes)
        at = dict(zip(kept, cell, strict=True))
        found = self._table.over(tuple(map(self._axes.index, known))).cell(tuple(at[axis] for axis in known))
        spread = found.spreads[self._columns.index(column)] if found.spreads else None
        return spread is not None and weight(spread, self.bound.column(column).known_bounds) > MOST_WEIGHT

    @cached_property
    def _columns(self) -> tuple[str, ...]:
        asked = (*self.bound.value_columns, *(column for pair in self.bound.value_pairs for column in pair))
        return tuple(column for column in dict.fromkeys(asked) if self._is_known(column))

    @cached_property
    def _axes(self) -> tuple[int, ...]:
        return tuple(place for place, axis in enumerate(self.bound.axes) if not is_secret_column(axis.column, self.bound))

    @cached_property
    def _terms(self) -> tuple[Predicate, ...]:
        every = terms_of(self.bound.plan.where)
        return tuple(term for term in every if not any(is_secret_column(leaf.column, self.bound) for leaf in leaves(term)))

    @property
    def _asks_for_secrets(self) -> bool:
        """Whether anything but what everybody knows decides who is in a cell: a condition, a group, or whether there is an event."""
        plan = self.bound.plan
        events = any(map(self._is_of_events, plan.tables))
        fewer = len(self._terms) < len(terms_of(plan.where)) or len(self._axes) < len(self.bound.axes)
        return events or fewer or plan.cohort is not None

    def _is_known(self, column: str) -> bool:
        """Whether everybody knows it of everybody: a column of the table of persons that is not sensitive."""
        if self.bound.difference(column) is not None or self._is_of_events(split(column)[0]):
            return False
        return not self.bound.column(column).sensitive

    def _is_of_events(self, table: str) -> bool:
        return self.bound.catalogue.home(self.bound.table(table)) is not None

    @cached_property
    def _table(self) -> Table:
        """The same question without anything secret."""
        axes = tuple(self.bound.axes[place] for place in self._axes)
        plan = self.bound.plan.model_copy(
            update={
                "where": AllOf(terms=self._terms) if len(self._terms) > 1 else next(iter(self._terms), None),
                "cohort": None,
                "group_by": tuple(self.bound.plan.group_by[place] for place in self._axes),
                "margins": False,
                "measures": tuple(Sd(column=column) for column in self._columns),
            }
        )
        cells = tuple(product(*(range(len(axis.categories)) for axis in axes)))
        wider = replace(self.bound, plan=plan, axes=axes, cells=cells)
        return table_of(wider, self.measured(wider))


def weight(spread: Spread, bounds: tuple[float, float]) -> float:
    """The largest leverage that a person's values may have; 0 where all are equal. Raises ValueError if no squares were summed."""
    if spread.squares is None:
        raise ValueError("no squares were asked for")
    mean, middle = spread.total / spread.values, sum(bounds) / 2
    squares = spread.squares - spread.values * (mean - middle) ** 2
    furthest = max(spread.high - mean, mean - spread.low) * spread.most_values
    # Persons have as many rows as the average, but for the one who weighs most.
    of_persons = squares * spread.values / spread.persons
    return furthest**2 / of_persons if spread.high > spread.low and squares > 0 else 0.0
