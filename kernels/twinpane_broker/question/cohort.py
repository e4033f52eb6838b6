"""A cohort: the persons with an entry event, an index date, and what must or must not have happened around it.

It is closed, frozen and bounded, like the plan that carries it. Day arithmetic stays within a person, and no day leaves. A cohort
chooses persons; the rules and the memory judge that set like any other. It follows the model of OHDSI's cohort definitions. It leaves
out where a cohort ends, since that does not change who is in it.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from twinpane_broker.catalogue.catalogue import ColumnRef, Identifier
from twinpane_broker.model import Closed, Grown

from .predicates import MAX_CODES, Predicate, leaves, refuse_monsters

MAX_ENTRIES = 8
"""Kinds of event that may let a person in."""
MAX_CRITERIA = 8
"""Criteria of a cohort, over all its steps: every further one makes singling out a person cheaper."""
MAX_COMPARISONS = 24
"""Comparisons of all events together."""
MAX_DAYS = 3650
"""Days that a window may lie away from the index date."""
MAX_TIMES = 100
MAX_AGE = 130

Name = Annotated[str, StringConstraints(max_length=120)]
Offset = Annotated[int, Field(ge=-MAX_DAYS, le=MAX_DAYS)]
Length = Annotated[int, Field(ge=0, le=MAX_DAYS)]
Age = Annotated[int, Field(ge=0, le=MAX_AGE)]
Day = Annotated[date, Field(ge=date(1800, 1, 1), le=date(2200, 1, 1))]


class Event(Closed):
    """Rows of a table as events: the rows that ``where`` holds for, on the day of ``date``."""

    table: Identifier
    where: Predicate | None = None
    """Over the table's own columns, under the same checks as a plan's WHERE."""
    date: Identifier | None = None
    """The date column that tells the day; None: the one in which the table's events begin."""
    first: bool = False
    """Only the earliest such event of a person's history counts."""

    @field_validator("where", mode="before")
    @classmethod
    def _not_a_monster(cls, raw: Any) -> Any:
        if raw is not None:
            refuse_monsters(raw)
        return raw

    @model_validator(mode="after")
    def _its_own_columns(self) -> Self:
        for leaf in leaves(self.where):
            if leaf.column.partition(".")[0] != self.table:
                raise ValueError(f"an event in {self.table} is told by columns of {self.table}, not by {leaf.column}")
        return self


class Observation(Closed):
    """A period of observation that the index date lies in, so many days after its first day and before its last."""

    table: Identifier = "observation_period"
    start: Identifier = "observation_period_start_date"
    end: Identifier = "observation_period_end_date"
    prior_days: Length = 0
    post_days: Length = 0


class Entry(Closed):
    """The entry event, which lets a person in. Its day is the index date."""

    events: Annotated[tuple[Event, ...], Field(min_length=1, max_length=MAX_ENTRIES)]
    """Any of these."""
    observation: Observation | None = None
    first: bool = True
    """Only a person's earliest such day (under observation as asked) counts; else the earliest that also meets every step."""


class Times(StrEnum):
    """How the number of events is compared."""

    at_least = "at_least"
    at_most = "at_most"
    exactly = "exactly"


class Ending(Closed):
    """The last day of an event lies in a window of days around the index date too. Without a last day it is the day after the first."""

    date: Identifier
    """The event's table has it."""
    start: Offset | None = None
    end: Offset | None = None

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.start is None and self.end is None:
            raise ValueError("a window of last days needs a start or an end")
        if self.start is not None and self.end is not None and self.start > self.end:
            raise ValueError("a window of days begins before it ends")
        return self


class Happened(Grown):
    """So many events in a window of days around the index date; without a window, at any time, known or not."""

    newer: ClassVar[tuple[str, ...]] = ("ending",)

    kind: Literal["happened"] = "happened"
    event: Event
    start: Offset | None = None
    """First day of the window, relative to the index date (negative: before it); None: open."""
    end: Offset | None = None
    """Last day of the window, itself in it; None: open."""
    times: Times = Times.at_least
    count: Annotated[int, Field(ge=0, le=MAX_TIMES)] = 1
    observed: bool = False
    """Only events within the period of observation of the index date count."""
    ending: Ending | None = None
    """Only events that also end in a window count."""

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.start is not None and self.end is not None and self.start > self.end:
            raise ValueError("a window of days begins before it ends")
        if self.times is Times.at_least and self.count == 0:
            raise ValueError("at least 0 times holds for everybody: leave the criterion out")
        if self.ending is not None and self.event.first:
            raise ValueError("the last day of a first event is not part of a cohort")
        return self


class Aged(Closed):
    """The age in the year of the index date: that year minus the year of birth."""

    kind: Literal["aged"] = "aged"
    low: Age | None = None
    high: Age | None = None
    """Itself in the range."""
    birth: ColumnRef = "person.year_of_birth"
    """The year of birth, or a date of birth."""

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError("an age needs a low or a high end")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("an age range rises")
        return self


class Indexed(Closed):
    """The index date lies in ``start <= day < end``; either end may be open. The ends are first days of months."""

    kind: Literal["indexed"] = "indexed"
    start: Day | None = None
    end: Day | None = None

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.start is None and self.end is None:
            raise ValueError("a window needs a start or an end")
        return self


Criterion = Annotated[Happened | Aged | Indexed, Field(discriminator="kind")]


class Step(Closed):
    """One step of inclusion: all its criteria hold, or one of them does. With ``exclude`` it leaves out the persons for whom this is so."""

    name: Name = ""
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1, max_length=MAX_CRITERIA)]
    any: bool = False
    exclude: bool = False
    first: bool = False
    """After this step only the earliest index date that is left counts."""


def is_undated(criterion: Criterion) -> bool:
    """Whether a criterion counts events at any time, and so needs no index date."""
    if not isinstance(criterion, Happened) or criterion.observed or criterion.event.first or criterion.ending:
        return False
    return (criterion.start, criterion.end, criterion.event.date) == (None, None, None)


class Cohort(Closed):
    """A definition: the entry, then steps that are applied in order.

    A person is in once, at the earliest index date that meets every step. An unknown value (no year of birth, no day) meets no
    criterion. Raises ``pydantic.ValidationError`` if the definition is no cohort, or too large.
    """

    name: Name = ""
    entry: Entry | None
    """None: everybody in the question's table, without an index date. The steps then count events at any time."""
    steps: Annotated[tuple[Step, ...], Field(max_length=MAX_CRITERIA)] = ()

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if sum(len(step.criteria) for step in self.steps) > MAX_CRITERIA:
            raise ValueError(f"a cohort has at most {MAX_CRITERIA} criteria, over all its steps")
        compared = [leaf for event in self.events for leaf in leaves(event.where)]
        if len(compared) > MAX_COMPARISONS:
            raise ValueError(f"a cohort has at most {MAX_COMPARISONS} comparisons, over all its events")
        if sum(len(getattr(leaf, "codes", getattr(leaf, "items", ()))) for leaf in compared) > MAX_CODES:
            raise ValueError(f"a cohort lists at most {MAX_CODES} codes")
        if self.entry is None:
            self._undated()
        elif self.entry.observation is None and any(isinstance(c, Happened) and c.observed for c in self.criteria):
            raise ValueError("events within the period of observation need a period of observation in the entry")
        return self

    def _undated(self) -> None:
        for criterion in self.criteria:
            if not isinstance(criterion, Happened):
                raise ValueError("an age or a date is one at the index date: give the cohort an entry event")
            if not is_undated(criterion):
                raise ValueError("days are counted from the index date: give the cohort an entry event, or leave the days out")
        if any(step.first for step in self.steps):
            raise ValueError("the earliest index date needs an entry event")

    @property
    def criteria(self) -> tuple["Happened | Aged | Indexed", ...]:
        """The criteria of all steps, in order."""
        return tuple(criterion for step in self.steps for criterion in step.criteria)

    @property
    def events(self) -> tuple[Event, ...]:
        """The events of the entry and of all criteria, in order."""
        entered = self.entry.events if self.entry is not None else ()
        return (*entered, *(criterion.event for criterion in self.criteria if isinstance(criterion, Happened)))

    @property
    def question(self) -> "Cohort":
        """The cohort without names: equal questions choose the same persons."""
        steps = tuple(step.model_copy(update={"name": ""}) for step in self.steps)
        return self.model_copy(update={"name": "", "steps": steps})

    def until(self, step: int) -> "Cohort":
        """The cohort with only its first so many steps, as an attrition table counts it."""
        return self.model_copy(update={"steps": self.steps[:step]})
