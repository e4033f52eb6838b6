"""A cohort in words: one line for the entry, one for each step."""

from collections.abc import Iterable

from twinpane_broker import (
    Aged,
    AllOf,
    AnyOf,
    Cohort,
    ConceptSet,
    Criterion,
    Entry,
    Event,
    Happened,
    In,
    Missing,
    Not,
    Predicate,
    Range,
    Step,
    Window,
)

CODES = 3
"""Codes of a list that are shown, at most."""


def described(cohort: Cohort) -> list[str]:
    """The lines: a heading, the entry, the steps with their numbers."""
    heading = f"Cohort {cohort.name!r}" if cohort.name else "A cohort"
    lines = [f"{heading}, not asked yet: .attrition() counts its steps; it goes into questions as cohort=…"]
    lines.append(f"  entry: {entry_words(cohort.entry) if cohort.entry is not None else 'everybody, without an index date'}")
    lines += [f"  {number}. {step_words(step)}" for number, step in enumerate(cohort.steps, 1)]
    return lines


def step_name(step: Step) -> str:
    """What an attrition table calls a step: its name, or else its condition in words."""
    if not step.name:
        return step_words(step)
    return f"without {step.name}" if step.exclude else step.name


def entry_words(entry: Entry) -> str:
    """What lets a person in."""
    words = f"{'first' if entry.first else 'any'} of {' or '.join(map(event_words, entry.events))}"
    watched = entry.observation
    if watched is not None:
        days = [f"{n} days {side}" for n, side in ((watched.prior_days, "before"), (watched.post_days, "after")) if n]
        words += ", under observation" + (f" for {' and '.join(days)}" if days else "")
    return words


def step_words(step: Step) -> str:
    """A step's condition, in words."""
    joined = ("; or " if step.any else "; and ").join(map(_criterion, step.criteria))
    words = f"{step.name}: " if step.name else ""
    return f"{words}{'leave out ' if step.exclude else ''}{joined}{'; then the earliest that is left' if step.first else ''}"


def _criterion(criterion: Criterion) -> str:
    if isinstance(criterion, Happened):
        often = str(criterion.times).replace("_", " ")
        window = _window(criterion.start, criterion.end)
        if criterion.ending is not None:
            window += f", that end{_window(criterion.ending.start, criterion.ending.end)}"
        return f"{often} {criterion.count} × {event_words(criterion.event)}{window}{', under observation' if criterion.observed else ''}"
    if isinstance(criterion, Aged):
        return f"age {_ends(criterion.low, criterion.high)} at the index date"
    return f"index date {_ends(criterion.start, criterion.end, before=True)}"


def _window(start: int | None, end: int | None) -> str:
    if start is None and end is None:
        return ", at any time"
    return f", from {_day(start, 'any time before')} to {_day(end, 'any time after')}"


def _day(day: int | None, otherwise: str) -> str:
    if day is None:
        return otherwise
    return "the index date" if day == 0 else f"{abs(day)} days {'before' if day < 0 else 'after'}"


def _ends(low: object, high: object, *, before: bool = False) -> str:
    if high is None:
        return f"from {low}"
    through = "to below" if before and isinstance(high, str) else "before" if before else "to"
    return f"{f'from {low} ' if low is not None else ''}{through} {high}"


def event_words(event: Event) -> str:
    """A table and what its rows hold."""
    words = event.table if event.where is None else f"{event.table} where {_predicate(event.where)}"
    return f"{'first ' if event.first else ''}{words}"


def _predicate(term: Predicate) -> str:
    match term:
        case AllOf() | AnyOf():
            return (" and " if isinstance(term, AllOf) else " or ").join(map(_predicate, term.terms))
        case Not():
            return f"not ({_predicate(term.term)})"
        case Missing():
            return f"{_name(term.column)} is missing"
        case In():
            return f"{_name(term.column)} in {_codes(term.codes)}{' and below' if term.descendants else ''}"
        case ConceptSet():
            kept = [item.code for item in term.items if not item.excluded]
            out = sum(item.excluded for item in term.items)
            return f"{_name(term.column)} in a concept set of {_codes(kept)}{f', {out} taken out' if out else ''}"
        case Range():
            low, high = (None if end is None else f"{end:g}" for end in (term.low, term.high))
            return f"{_name(term.column)} {_ends(low, high, before=not term.through)}"
        case Window():
            return f"{_name(term.column)} {_ends(term.start, term.end, before=not term.through)}"


def _codes(codes: Iterable[object]) -> str:
    listed = list(codes)
    return ", ".join(map(str, listed[:CODES])) + (f" and {len(listed) - CODES} more" if len(listed) > CODES else "")


def _name(column: str) -> str:
    return column.partition(".")[2]
