"""Differences of two dates as measures: how many days lie between them, on each row. Their bounds follow from the catalogue alone.

Where one date never precedes the other (the end of a stay), the catalogue says how many days lie between the two at most, but for a few
persons. Of any other two dates the bound is the span of all their quantiles, and half as much again, as the dates of some persons lie
beyond. Either is rounded up to one of a few numbers. One pair of dates has one bound, whoever asks. Otherwise
two means of the same rows, clipped in two ways, would tell the sum of the few differences beyond the narrower bounds.

Stays last days, follow-up lasts years, and the bounds of both may be the same: an even grid would be too coarse for short times. So
quantiles snap to days, weeks, months, quarters and years too. These are the same for all dates of all sites. Most differences are short, so
0 is their middle where noise is added (``aggregates.sums``).
"""

from twinpane_broker.catalogue.catalogue import Column, ColumnType, Role, Table
from twinpane_broker.catalogue.edges import DAY_BOUNDS
from twinpane_broker.question.firsts import is_first
from twinpane_broker.question.plan import Difference, split

from .listed import not_allowed

EDGES = (
    *range(1, 31), *range(35, 183, 7), *(round(30.4375 * month) for month in range(7, 37)),
    *(round(91.3125 * quarter) for quarter in range(13, 41)), *(round(365.25 * year) for year in range(11, 110)),
)  # fmt: skip
"""Days that quantiles may snap to: single days to a month, weeks to half a year, months to three years, quarters to ten, then years."""
BEYOND = 1.5
"""How far two dates may lie apart, as a multiple of the span of their quantiles from the 5th to the 95th percentile."""


def day_count(difference: Difference, tables: dict[str, Table]) -> Column:
    """The measure that a difference of dates is. Raises Refused if one of the two is no date of the question's tables."""
    since, until = (_date(reference, tables) for reference in (difference.since, difference.until))
    table, name = split(difference.name)
    if tables[table].column(name) is not None or difference.since == difference.until:
        raise not_allowed(f"{difference.name} is no name for a difference of two dates.")
    same = split(difference.since)[0] == split(difference.until)[0]
    follows = same and (until.after == since.name or since.after == until.name)
    bound = _bound(since, until, (until.longest or since.longest) if follows else None)
    # A date that never precedes another is clipped at 0, whichever is taken from which.
    low = 0.0 if follows and until.after == since.name else -bound
    high = 0.0 if follows and since.after == until.name else bound
    missing = min(1.0, since.missing + until.missing)
    return Column(
        name=name, type=ColumnType.integer, role=Role.measure, unit="days", bounds=(low, high), missing=missing, knots=(0.0,),
        edges=tuple(float(sign * edge) for sign in (1, -1) for edge in EDGES if low < sign * edge < high),
        label=f"days from {_words(difference.since, since, until)} to {_words(difference.until, until, since)}",
    )  # fmt: skip


def _bound(since: Column, until: Column, longest: int | None) -> float:
    if longest is not None:
        return _rounded(longest)
    if not since.days or not until.days:
        return float(DAY_BOUNDS[-1])
    return _rounded(BEYOND * (max(*since.days, *until.days) - min(*since.days, *until.days)).days)


def _rounded(days: float) -> float:
    return float(next((bound for bound in DAY_BOUNDS if bound >= days), DAY_BOUNDS[-1]))


def _words(reference: str, column: Column, other: Column) -> str:
    """A date in words, told apart from the ``other``. The day of a first event has no name of its own, but a label."""
    table, name = split(reference)
    if is_first(table):
        return column.label[:120]
    return reference if name == other.name else name


def _date(reference: str, tables: dict[str, Table]) -> Column:
    table, name = split(reference)
    column = tables[table].column(name) if table in tables else None
    if column is None or column.role is not Role.date:
        raise not_allowed(f"Days are counted between two dates of the question's tables, and {reference} is none.")
    return column
