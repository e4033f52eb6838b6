"""Persons chosen by a SELECT: a formula of events, and the cohort that says the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain, product

from twinpane_broker.errors import Refused
from twinpane_broker.question.cohort import MAX_CRITERIA, Cohort, Criterion, Entry, Event, Happened, Indexed, Step, Times
from twinpane_broker.question.firsts import First
from twinpane_broker.question.predicates import Window

from .refusals import FIRST, FIRST_VALUE


@dataclass(frozen=True)
class Happens:
    """Persons with at least so many such events; ``times``: at most, or exactly."""

    event: Event
    count: int = 1
    times: Times = Times.at_least


@dataclass(frozen=True)
class NotSo:
    """All others."""

    of: "Formula"


@dataclass(frozen=True)
class Both:
    """Persons of all of these."""

    of: tuple["Formula", ...]


@dataclass(frozen=True)
class OneOf:
    """Persons of any of these."""

    of: tuple["Formula", ...]


Formula = Happens | NotSo | Both | OneOf
Literal = tuple[bool, Happens]


@dataclass(eq=False)
class Members:
    """A SELECT that gives each person once: by which formula, under which name their key, and the day of their first event."""

    formula: Formula
    key: str
    first: Event | None = None
    day: str = ""
    """The name of the day of the first event."""
    rank: str = ""
    """The name of its number: the SELECT is one row per person only where that is 1."""
    windows: list[Window] = field(default_factory=list)
    """What is asked of that day, as of the column that tells it."""
    chosen: bool = False
    """Whether the number is asked to be 1."""
    counted: bool = False
    """Whether that day groups, or days are counted from or to it: the SELECT is then a table of the plan."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Its other columns by name: they hold the values on the day of the first event."""
    ties: tuple[str, ...] = ()
    """What decides which of several events on one day is the first."""
    value: str | None = None
    """The one of these columns that is asked about."""
    kinds: str = ""
    """The name of the number of different codes that a person has."""
    of_kinds: str = ""
    """The column that these are codes of."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables of events that every one of these persons has a row in."""
        return tuple(_surely(self.formula))

    @property
    def as_table(self) -> First:
        """The first event as a table of the plan; raises Refused where it is not that of one table."""
        if self.first is None:
            raise Refused(FIRST)
        return First(event=self.first.model_copy(update={"first": False}), value=self.value, kinds=self.of_kinds or None)

    def use(self, name: str) -> str:
        """``table.column`` of one of its columns but the key; the SELECT is then a table of the plan."""
        self.counted = True
        if name == self.day:
            return self.as_table.day
        if name == self.kinds:
            return f"{self.as_table.name}.{self.as_table.number}"
        column = self.values[name]
        if self.value not in (None, column) or any(tie != column for tie in self.ties):
            raise Refused(FIRST_VALUE)
        self.value = column
        return f"{self.as_table.name}.{column}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns, casefolded."""
        return tuple(name for name in (self.key, self.day, self.rank, self.kinds, *self.values) if name)


def _surely(formula: Formula) -> Iterator[str]:
    match formula:
        case Happens(times=Times.at_least | Times.exactly):
            yield formula.event.table
        case Both():
            for part in formula.of:
                yield from _surely(part)


def cohort_of(formulas: list[Formula], dated: list[Members]) -> Cohort | None:
    """The cohort of the persons of all formulas, and of a first event whose day is asked about. None where nothing is asked."""
    if len(dated) > 1:
        raise Refused("A cohort has one index date: compare the day of one first event only.")
    steps: list[Step] = []
    entry = None
    if dated:
        event = dated[0].first
        if event is None:
            raise Refused("This SELECT of persons has no day.")
        entry = Entry(events=(event,))
        steps += [Step(criteria=(_indexed(window),)) for window in dated[0].windows]
    # That a first event happened is said by the entry; how many there were is not.
    entered = [one.formula for one in dated if isinstance(one.formula, Happens) and one.formula.count == 1]
    asked = [formula for formula in formulas if not any(formula is one for one in entered)]
    clauses = list(dict.fromkeys(chain.from_iterable(_clauses(formula, True) for formula in asked)))
    for clause in clauses:
        if len(clause) == 1 and not clause[0][0]:
            steps.append(Step(criteria=(_criterion((True, clause[0][1])),), exclude=True))
        else:
            steps.append(Step(criteria=tuple(map(_criterion, clause)), any=len(clause) > 1))
    return Cohort(entry=entry, steps=tuple(steps)) if entry is not None or steps else None


def _indexed(window: Window) -> Indexed:
    """A window of the index date."""
    one = timedelta(days=1)
    start = window.start + one if window.start is not None and window.after else window.start
    end = window.end + one if window.end is not None and window.through else window.end
    return Indexed(start=start, end=end)


def _clauses(formula: Formula, truth: bool) -> list[tuple[Literal, ...]]:
    """A formula as an AND of ORs."""
    match formula:
        case Happens():
            return [((truth, formula),)]
        case NotSo():
            return _clauses(formula.of, not truth)
    parts = [_clauses(part, truth) for part in formula.of]
    if isinstance(formula, Both) is truth:
        return [clause for part in parts for clause in part]
    if len(parts) > MAX_CRITERIA or any(len(part) > MAX_CRITERIA for part in parts):
        raise Refused(f"A cohort has at most {MAX_CRITERIA} criteria: ask about fewer events at once.")
    made = []
    for choice in product(*parts):
        made.append(tuple(dict.fromkeys(chain.from_iterable(choice))))
        if len(made) > MAX_CRITERIA:
            raise Refused(f"A cohort has at most {MAX_CRITERIA} criteria: ask about fewer events at once.")
    return made


def _criterion(literal: Literal) -> Criterion:
    holds, happens = literal
    times, count = happens.times, happens.count
    if not holds:
        if times is Times.exactly:
            raise Refused("NOT of an exact number of events is not part of a plan: write fewer or more.")
        times, count = (Times.at_most, count - 1) if times is Times.at_least else (Times.at_least, count + 1)
    return Happened(event=happens.event, times=times, count=count)
