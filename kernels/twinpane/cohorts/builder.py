"""Building cohorts: ``tp.cohort(…)``, ``tp.event(…)``."""

import os
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from twinpane.ask.plan_part import made
from twinpane.ask.python_predicates import all_of, condition
from twinpane.ask.question import Question
from twinpane.ask.result import Result
from twinpane.errors import Refused, TwinpaneError
from twinpane_broker import Aged, Cohort, Criterion, Entry, Event, Happened, In, Indexed, Observation, Predicate, Step, Times

from .attrition import Attrition, count_steps
from .cohort_words import described

Days = tuple[int | None, int | None]
ANY_TIME: Days = (None, None)


def event(
    table: str, conditions: Mapping[str, Any] | None = None, /, *, date: str | None = None, first: bool = False, descendants: bool = False,
    **more: Any,
) -> Event:  # fmt: skip
    """See ``twinpane.event``."""
    terms = []
    for name, value in {**(conditions or {}), **more}.items():
        column = name if "." in name else f"{table}.{name}"
        terms.append(_below(condition(column, value)) if descendants else condition(column, value))
    if descendants and not any(isinstance(term, In) and term.descendants for term in terms):
        raise Refused("descendants goes with codes that are numbers, as in drug_concept_id=[1503297]", "grammar")
    return made(Event, table=str(table), where=all_of(tuple(terms)), date=date, first=first)


def _below(term: Predicate) -> Predicate:
    whole = isinstance(term, In) and all(isinstance(code, int) and not isinstance(code, bool) for code in term.codes)
    return term.model_copy(update={"descendants": True}) if whole else term


class CohortBuilder:
    """A cohort: each step returns a new one and leaves this one unchanged. ``definition`` is what the sites receive.

    Every question takes it: ``tp.table("person", cohort=c)``, ``tp.crosstab(…, cohort=c)``. ``attrition()`` counts its steps.
    """

    def __init__(self, definition: Cohort, notes: tuple[str, ...] = ()) -> None:
        """Keep a definition, and notes on how it was read; use ``tp.cohort`` to make a cohort."""
        self.definition = definition
        self.notes = notes

    @property
    def name(self) -> str:
        """The cohort's name; empty where it has none."""
        return self.definition.name

    # ------------------------------------------------------------ steps

    def require(
        self, name: str, *events: Event | Iterable[Event], days: Days = ANY_TIME, observed: bool = False, **times: int
    ) -> "CohortBuilder":
        """Keep persons with such an event in a window of days around the index date.

        ``days=(-365, 0)`` is the year before the index date and that date itself; None leaves an end open. ``at_least=2`` requires two
        events of any one of the kinds, ``at_most=3`` or ``exactly=0`` so many of each kind. The default is ``at_least=1``.
        ``observed=True`` counts only events within the observation period of the index date. An event in a table without dates, like
        ``tp.event("person", gender_concept_id=8532)``, takes no window.
        """
        return self._step(name, _happened(events, days, observed, times))

    def exclude(
        self, name: str, *events: Event | Iterable[Event], days: Days = ANY_TIME, observed: bool = False, **times: int
    ) -> "CohortBuilder":
        """Leave out persons with such an event: ``exclude("insulin before", insulin, days=(None, -1))``. Arguments as in ``require``."""
        return self._step(name, _happened(events, days, observed, times), exclude=True)

    def aged(
        self, low: int | None = None, high: int | None = None, *, birth: str = "person.year_of_birth", name: str = ""
    ) -> "CohortBuilder":
        """Keep persons of these ages, both included, in the year of the index date: ``aged(40, 64)``. ``birth``: year or date of birth."""
        return self._step(name, [made(Aged, low=_whole(low), high=_whole(high), birth=birth)])

    def indexed(self, start: str | date | None = None, end: str | date | None = None, *, name: str = "") -> "CohortBuilder":
        """Keep index dates from ``start`` to ``end``, both included, in whole months: ``indexed("2015-01-01", "2019-12-31")``."""
        last = _date(end)
        return self._step(name, [made(Indexed, start=_date(start), end=None if last is None else last + timedelta(days=1))])

    def earliest(self) -> "CohortBuilder":
        """Keep only a person's earliest index date that passed the steps so far (for ``tp.cohort(…, first=False)``)."""
        entry, steps = self.definition.entry, self.definition.steps
        if not steps and entry is not None:
            return self._with(entry=entry.model_copy(update={"first": True}))
        if not steps:
            raise Refused("the earliest index date needs an entry event: tp.cohort(…, entry=tp.event(…))", "grammar")
        return self._with(steps=(*steps[:-1], steps[-1].model_copy(update={"first": True})))

    def renamed(self, name: str) -> "CohortBuilder":
        """The same cohort under another name."""
        return self._with(name=name)

    def _step(self, name: str, criteria: list[Criterion], exclude: bool = False) -> "CohortBuilder":
        several = len(criteria) > 1 and isinstance(criteria[0], Happened) and criteria[0].times is Times.at_least
        step = made(Step, name=name, criteria=tuple(criteria), any=several, exclude=exclude)
        return self._with(steps=(*self.definition.steps, step))

    def _with(self, **parts: Any) -> "CohortBuilder":
        definition = self.definition
        given = {"name": definition.name, "entry": definition.entry, "steps": definition.steps, **parts}
        return CohortBuilder(made(Cohort, **given), self.notes)

    # ------------------------------------------------------------ asking

    def persons(self, table: str = "person") -> Result:
        """How many persons are in the cohort, per site and pooled; ``table`` must have a row for everybody."""
        return Question(table).cohort(self).persons()

    def attrition(self, table: str = "person") -> Attrition:
        """How many persons each step leaves, per site and pooled, as a table and (``.plot()``) a funnel.

        Asks one question per step. A step that leaves out very few persons is withheld; the other steps are still shown.
        """
        return count_steps(self.definition, table)

    # ------------------------------------------------------------ keeping

    def to_json(self) -> str:
        """The definition as canonical JSON: equal cohorts give equal text."""
        return self.definition.canonical().decode()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the definition to a file of the project, for ``tp.load_cohort``; returns its path."""
        file = Path(path)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.to_json() + "\n", encoding="utf-8")
        except OSError as error:
            raise TwinpaneError(f"{file} cannot be written: {error.strerror or error}. Choose a path under /project.", "files") from None
        return file

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CohortBuilder) and other.definition == self.definition

    def __hash__(self) -> int:
        return hash(self.definition.digest())

    def __repr__(self) -> str:
        """The definition in words, step by step."""
        return "\n".join([*described(self.definition), *(f"Note: {note}" for note in self.notes)])


def cohort(
    name: str = "", *, entry: Event | Iterable[Event] | None = None, prior_days: int | None = None, post_days: int | None = None,
    first: bool = True, observation: tuple[str, str, str] | None = None,
) -> CohortBuilder:  # fmt: skip
    """See ``twinpane.cohort``."""
    if entry is None:
        if (prior_days, post_days, observation) != (None, None, None):
            raise Refused("days of observation are counted from the index date: give the cohort an entry event", "grammar")
        return CohortBuilder(made(Cohort, name=name, entry=None))
    events = (entry,) if isinstance(entry, Event) else tuple(entry)
    watched = None
    if prior_days is not None or post_days is not None or observation is not None:
        names = dict(zip(("table", "start", "end"), observation, strict=True)) if observation is not None else {}
        watched = made(Observation, prior_days=prior_days or 0, post_days=post_days or 0, **names)
    entered = made(Entry, events=events, observation=watched, first=first)
    return CohortBuilder(made(Cohort, name=name, entry=entered))


def _happened(events: tuple[Event | Iterable[Event], ...], days: Days, observed: bool, times: dict[str, int]) -> list[Criterion]:
    chosen = [one for given in events for one in ((given,) if isinstance(given, Event) else given)]
    if not chosen or not all(isinstance(one, Event) for one in chosen):
        raise Refused("a step needs an event: tp.event(“condition_occurrence”, condition_concept_id=[201826])", "grammar")
    if len(times) > 1 or (unknown := set(times) - {"at_least", "at_most", "exactly"}):
        wrong = f"there is no {sorted(unknown)[0]}" if len(times) == 1 else "only one of these can be"
        raise Refused(f"how often is said by at_least, at_most or exactly: {wrong}", "grammar")
    if not isinstance(days, tuple) or len(days) != 2:
        raise Refused("days is a window around the index date with two ends, as in days=(-365, 0) or days=(None, 0)", "grammar")
    kind, count = next(iter(times.items()), ("at_least", 1))
    start, end = (_whole(day) for day in days)
    return [made(Happened, event=one, start=start, end=end, times=kind, count=_whole(count), observed=observed) for one in chosen]


def _whole(number: Any) -> Any:
    return number.item() if hasattr(number, "item") else number


def _date(day: Any) -> date | None:
    if day is None:
        return None
    try:
        return date(day.year, day.month, day.day) if isinstance(day, date) else date.fromisoformat(str(day))
    except ValueError:
        raise Refused(f"{day!r} is no date: write “2019-01-01”", "grammar") from None
