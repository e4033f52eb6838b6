"""Checks a cohort against the site's catalogue. Its events, days and codes are resolved in the same way as a plan's WHERE.

Every reason here is static: it depends on the definition, the catalogue and the vocabulary, never on rows.
"""

from collections.abc import Callable

from twinpane_broker.catalogue.catalogue import Catalogue, ColumnType, Role, Table
from twinpane_broker.errors import Refused
from twinpane_broker.question.cohort import Aged, Cohort, Criterion, Entry, Event, Happened, Indexed, Observation, Step
from twinpane_broker.question.predicates import Predicate

from .listed import listed_column, listed_date, listed_table, not_allowed

MIN_YEAR, MAX_YEAR = 1800, 2200
Settle = Callable[[Predicate, dict[str, Table]], Predicate]
"""How a predicate is checked and resolved: the same for WHERE and for events."""


def settled_cohort(cohort: Cohort, catalogue: Catalogue, settle: Settle) -> Cohort:
    """The cohort without names, with day columns named and code sets resolved. Raises Refused if the catalogue does not allow it."""
    entry = _entry(cohort.entry, catalogue, settle) if cohort.entry is not None else None
    steps = tuple(_at_step(number, step, catalogue, settle) for number, step in enumerate(cohort.steps, 1))
    # Not validated again: resolved code sets may be longer than a plan may list.
    return cohort.model_copy(update={"name": "", "entry": entry, "steps": steps})


def _entry(entry: Entry, catalogue: Catalogue, settle: Settle) -> Entry:
    events = tuple(settled_event(event, catalogue, settle, dated=True) for event in entry.events)
    if entry.observation is not None:
        _observation(entry.observation, catalogue)
    return entry.model_copy(update={"events": events})


def _at_step(number: int, step: Step, catalogue: Catalogue, settle: Settle) -> Step:
    try:
        return step.model_copy(update={"name": "", "criteria": tuple(_criterion(c, catalogue, settle) for c in step.criteria)})
    except Refused as refused:
        name = f" ({step.name})" if step.name else ""
        raise Refused(f"Step {number} of the cohort{name}: {refused.reason}", refused.code) from None


def _criterion(criterion: Criterion, catalogue: Catalogue, settle: Settle) -> Criterion:
    match criterion:
        case Happened():
            dated = criterion.start is not None or criterion.end is not None or criterion.observed or criterion.event.first
            if criterion.ending is not None:
                listed_date(listed_table(criterion.event.table, catalogue), criterion.ending.date)
                dated = True
            return criterion.model_copy(update={"event": settled_event(criterion.event, catalogue, settle, dated=dated)})
        case Aged():
            _birth(criterion.birth, catalogue)
            return criterion
        case Indexed():
            return _months(criterion)


def settled_event(event: Event, catalogue: Catalogue, settle: Settle, *, dated: bool) -> Event:
    """The event with its codes resolved; if it is ``dated``, with its day column named. Raises Refused if the catalogue lacks any."""
    table = listed_table(event.table, catalogue)
    date = event.date
    if date is not None:
        listed_date(table, date)
    elif dated:
        date = start_of(table)
    where = settle(event.where, {table.name: table}) if event.where is not None else None
    return event.model_copy(update={"date": date, "where": where})


def start_of(table: Table) -> str:
    """The date column in which a table's events begin: its only date, or the only one that follows no other date."""
    dates = [column for column in table.visible if column.role is Role.date]
    # OMOP stores most days twice: as a date, and with the time of day.
    dates = [column for column in dates if column.type is ColumnType.date] or dates
    for chosen in (dates, [c for c in dates if c.after is None], [c for c in dates if c.name.endswith("start_date")]):
        if len(chosen) == 1:
            return chosen[0].name
    if not dates:
        raise not_allowed(f"{table.name} has no date column in this site's catalogue, so its rows cannot be events with a day.")
    raise not_allowed(f"{table.name} has several dates ({', '.join(c.name for c in dates)}): say which one tells the day.")


def _observation(observation: Observation, catalogue: Catalogue) -> None:
    if catalogue.table(observation.table) is None:
        raise not_allowed(
            f"This site's catalogue has no table {observation.table}, so days of observation cannot be required: "
            "leave out prior_days and post_days, or ask the site's steward to approve the table."
        )
    table = listed_table(observation.table, catalogue)
    for name in (observation.start, observation.end):
        listed_date(table, name)


def _birth(reference: str, catalogue: Catalogue) -> None:
    table, _, name = reference.partition(".")
    column = listed_column(listed_table(table, catalogue), name)
    # Only a year of birth may be subtracted from the index date's year: any other number would be compared with a day.
    years = [code.value for code in column.codes] or list(column.bounds or ())
    known = column.role is Role.date or (
        column.role in (Role.measure, Role.dimension)
        and bool(years)
        and all(isinstance(year, int | float) and not isinstance(year, bool) and MIN_YEAR <= year <= MAX_YEAR for year in years)
    )
    if not known:
        raise not_allowed(f"An age needs a year or a date of birth, and {reference} is a {column.role} that is neither.")


def _months(criterion: Indexed) -> Indexed:
    for day in (criterion.start, criterion.end):
        if day is not None and day.day != 1:
            first = day.replace(day=1)
            raise not_allowed(f"A window of index dates begins and ends with months: {day} is not the first of one. Write {first}.")
    if criterion.start is not None and criterion.end is not None and criterion.start >= criterion.end:
        raise not_allowed("The window of index dates is empty.")
    return criterion
