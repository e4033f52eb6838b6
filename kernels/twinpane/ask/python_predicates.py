"""Turn conditions, as people write them in Python, into predicates."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

from twinpane.errors import Refused
from twinpane_broker import MAX_TERMS, AllOf, AnyOf, In, Missing, Not, Predicate, Range, Window

from .plan_part import made


def mapping(conditions: Any) -> Mapping[str, Any]:
    """Conditions by their columns; raises Refused for anything else."""
    if conditions is not None and not isinstance(conditions, Mapping):
        raise Refused(f"conditions are named by their columns, as in sex=“F” or {{“person.sex”: “F”}}, not {conditions!r:.40}", "grammar")
    return conditions or {}


def all_of(terms: tuple[Predicate, ...]) -> Predicate | None:
    """All terms hold; None where there is none."""
    if len(terms) < 2:
        return terms[0] if terms else None
    return _together(AllOf, terms)


def any_of(terms: tuple[Predicate, ...]) -> Predicate:
    """At least one term holds."""
    return terms[0] if len(terms) == 1 else _together(AnyOf, terms)


def _together(kind: Callable[..., Predicate], terms: tuple[Predicate, ...]) -> Predicate:
    if len(terms) > MAX_TERMS:
        raise Refused(f"a question takes {MAX_TERMS} conditions at most; several codes of one column are one: sex=[“F”, “M”]", "grammar")
    return made(kind, terms=terms)


def negated(terms: tuple[Predicate, ...]) -> Predicate:
    """At least one term is known not to hold (a missing value is not known)."""
    return made(Not, term=all_of(terms))


def condition(column: str, value: Any) -> Predicate:
    """The predicate for one argument of ``Question.where``; raises Refused for a value that cannot be a condition."""
    if value is None:
        return made(Missing, column=column)
    if isinstance(value, tuple):
        if len(value) != 2 or value == (None, None):
            raise Refused(f"a tuple is an interval with two ends, as in (40, 64); write codes of {column} as a list", "grammar")
        return _interval(column, *value, through=True)
    if isinstance(value, slice):
        if value.step is not None or (value.start, value.stop) == (None, None):
            raise Refused(f"a slice is an interval from one end to below the other, as in slice(40, 65), for {column}", "grammar")
        return _interval(column, value.start, value.stop, through=False)
    if isinstance(value, str | bool | int | float) or hasattr(value, "item"):
        value = [value]
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise Refused(f"a condition on {column} is a code, a list of codes, a tuple of two ends, a slice, or None for missing", "grammar")
    return made(In, column=column, codes=tuple(_plain(code) for code in value))


def _interval(column: str, low: Any, high: Any, *, through: bool) -> Predicate:
    low, high = _plain(low), _plain(high)
    days = [_day(end) for end in (low, high)]
    if any(days):
        if any(end is not None and day is None for end, day in zip((low, high), days, strict=True)):
            raise Refused(f"both ends of the window on {column} are dates, as in (“2019-01-01”, “2019-12-31”)", "grammar")
        return made(Window, column=column, start=days[0], end=days[1], through=through and days[1] is not None)
    if any(isinstance(end, str | bool) for end in (low, high)):
        raise Refused(f"a tuple is an interval of numbers or dates; write codes of {column} as a list", "grammar")
    return made(Range, column=column, low=low, high=high, through=through and high is not None)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _day(end: Any) -> date | None:
    if isinstance(end, date):
        return date(end.year, end.month, end.day)
    if isinstance(end, str):
        try:
            return date.fromisoformat(end)
        except ValueError:
            return None
    return None
