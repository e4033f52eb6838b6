"""Numbers of what everybody knows of everybody (age, days, numbers of rows): whether one person would show in them.

A mean of secret values tells little of who is in a group. A number of known ones does: of persons who were all born in one year, and one
other person, the mean year of birth says whether that person is ill. Of persons who came once, and one who came eight times, the number
of rows does, and of persons who stayed for a day, and one for nine, the mean stay. So such a number is suppressed where one person weighs
much. This is judged on all whom the question would be about if it did not ask for anything secret (``known_plans``). An attacker knows as
much, so that a suppressed number tells nothing; the group itself would tell who is in it.

How much a person weighs is his leverage in a regression on the mean (Hoaglin and Welsch 1978): the square of his distance from it, by the
sum of all squares. His distance is that of all his rows together: of their number from the average person's, or of what his values sum up
to from as many average ones. So many rows of one person show in no mean of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from twinpane_broker.aggregates.count import Count
from twinpane_broker.aggregates.registry import Measure
from twinpane_broker.aggregates.sd import Sd
from twinpane_broker.cells.cell_evidence import CellEvidence
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.evidence.table import Index
from twinpane_broker.rules.policy import Rules

from .known_plans import asks_for_secrets, grouped, home_of, is_kept_secret, is_of_persons, known_axes, known_plans
from .row_base import NOBODY_OFTEN, Often

MOST_WEIGHT = 0.25
"""The largest leverage. Of persons of whom every other one is in the group, who has this much moves the mean by as much as all others'
chance does: so nobody is seen in it."""
ROWS = ""
"""In place of a column: numbers of rows, and of values."""


@dataclass(frozen=True)
class KnownValues:
    """The known values and rows that a question tells of."""

    bound: ResolvedPlan
    measured: Callable[[ResolvedPlan], Evidence]
    rules: Rules
    """The threshold says of how many persons it is looked at how much they weigh, so that fewer are taken out."""

    def one_shows(self, column: str, kept: tuple[int, ...], cell: Index) -> bool:
        """Whether one person would show in a number of a column's values, or of ``ROWS``, in a cell of some of the question's axes.

        Raises EngineError.
        """
        if column and is_kept_secret(column, self.bound):
            return False
        known = known_axes(self.bound, kept)
        if known == kept and not self._asks_for_secrets(column):
            return False
        at = dict(zip(kept, cell, strict=True))
        place = tuple(at[axis] for axis in known)
        return any(_weight(evidence.cell(place), column) > MOST_WEIGHT for evidence in self._around(column, known))

    @property
    def often(self) -> Often:
        """How often the persons of the known groups come, where the question asks for something secret. Raises EngineError."""
        axes = tuple(range(len(self.bound.axes)))
        if known_axes(self.bound, axes) == axes and not self._asks_for_secrets(ROWS):
            return NOBODY_OFTEN
        groups = [evidence.cell(()) for evidence in self._around(ROWS, ())]
        return Often(max((group.often for group in groups), default=0), any(group.weight > 0 for group in groups))

    def _asks_for_secrets(self, column: str) -> bool:
        """Whether anything but what everybody knows decides who is in a cell: a condition; or, for age, whether there is an event."""
        of_persons = bool(column) and is_of_persons(column, self.bound)
        return asks_for_secrets(self.bound) or (of_persons and self.bound.plan.tables != (home_of(self.bound),))

    def _around(self, column: str, kept: tuple[int, ...]) -> tuple[Evidence, ...]:
        """The same question without anything secret, in each way that has the column."""
        if (column, kept) not in self._found:
            measure: Measure = Sd(column=column) if column else Count()
            asked = (grouped(known, self.bound, kept, (measure,)) for known in self._plans)
            self._found[column, kept] = tuple(self.measured(replace(one, weighed=self.rules.threshold)) for one in asked if one is not None)
        return self._found[column, kept]

    @cached_property
    def _plans(self) -> tuple[ResolvedPlan, ...]:
        return known_plans(self.bound) or ()

    @cached_property
    def _found(self) -> dict[tuple[str, tuple[int, ...]], tuple[Evidence, ...]]:
        return {}


def _weight(cell: CellEvidence, column: str) -> float:
    if not column:
        return cell.weight
    spread = cell.spreads[0] if cell.spreads else None
    return spread.weight if spread is not None else 0.0
