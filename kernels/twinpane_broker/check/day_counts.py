"""Differences of two dates as measures: how many days or years lie between them, on each row. Their bounds follow from the catalogue.

Where one date never precedes the other (the end of a stay), the catalogue says how many days lie between the two at most, but for a few
persons. Of any other two dates the bound is the span of all their quantiles, and half as much again, as the dates of some persons lie
beyond. Either is rounded up to one of a few numbers. One pair of dates has one bound, whoever asks. Otherwise
two means of the same rows, clipped in two ways, would tell the sum of the few differences beyond the narrower bounds.

Stays last days, follow-up lasts years, and the bounds of both may be the same: an even grid would be too coarse for short times. So
quantiles snap to days, weeks, months, quarters and years too. These are the same for all dates of all sites. Most differences are short, so
0 is their middle where noise is added (``aggregates.sums``). Ranges and named groups of a
stay cut there as well. Of other dates they cut at the ends of usual times alone, themselves in or out: days from a date that many share,
as the last day of the data, would tell the day of the other one.

Years are counted as ages are where only the year of birth is known: the year of the one date less that of the other.
"""

from collections.abc import Iterable

from twinpane_broker.catalogue.catalogue import Column, ColumnType, Role, Table
from twinpane_broker.catalogue.edges import DAY_BOUNDS
from twinpane_broker.question.firsts import is_first
from twinpane_broker.question.plan import Difference, Unit, split

from .listed import not_allowed

USUAL = (7, 14, 30, 60, 90, 120, 180, 365, 730, 1095, 1825, 3650)
EDGES = (
    *range(1, 31), *range(35, 183, 7), *(round(30.4375 * month) for month in range(7, 37)),
    *(round(91.3125 * quarter) for quarter in range(13, 41)), *(round(365.25 * year) for year in range(11, 110)),
    *(day for usual in USUAL for day in (usual, usual + 1)),
)  # fmt: skip
"""Days that quantiles may snap to: single days to a month, weeks to half a year, months to three years, quarters to ten, then years; and
the ends of usual times."""
CUTS = (1, *(day for usual in USUAL for day in (usual, usual + 1)))
"""Days at which ranges may cut that are not of a stay, beside 0 and the even grid."""
BEYOND = 1.5
"""How far two dates may lie apart, as a multiple of the span of their quantiles from the 5th to the 95th percentile."""
OLDEST = 120
"""Years that a difference of years may be clipped to."""
YEARS = (1800, 2200)


def day_count(difference: Difference, tables: dict[str, Table]) -> Column:
    """The measure that a difference of dates is. Raises Refused if one of the two is no date of the question's tables."""
    table, name = split(difference.name)
    if table in tables and tables[table].column(name) is not None:
        raise not_allowed(f"{difference.name} is a column already: give the difference of the two dates another name.")
    if difference.since == difference.until:
        raise not_allowed(f"{difference.name} is from {difference.since} to itself: name two dates.")
    return _day_count(difference, tables) if difference.unit is None else _year_count(difference, tables)


def counted(differences: Iterable[Difference], tables: dict[str, Table]) -> dict[str, Table]:
    """The tables with each difference of dates as a measure of its table, so that it is used as one. Raises Refused as ``day_count``."""
    found = dict(tables)
    for one in differences:
        made, table = day_count(one, tables), split(one.name)[0]
        if one.unit is None and not _follows(one, tables):
            low, high = made.known_bounds
            # Counted backwards, the same days are told apart.
            cuts = {float(day) for cut in CUTS for day in (cut, 1 - cut) if low < day < high}
            made = made.model_copy(update={"edges": tuple(sorted(cuts))})
        found[table] = found[table].model_copy(update={"columns": (*found[table].columns, made)})
    return found


def words(reference: str, column: Column) -> str:
    """How people know a column: a difference of dates has no name that anybody wrote."""
    told = f"{column.unit} from "
    return column.label if column.unit in ("days", "years") and column.label.startswith(told) else reference


def _year_count(difference: Difference, tables: dict[str, Table]) -> Column:
    aged = difference.unit is Unit.age
    since, until = (_year if aged else _date)(difference.since, tables), _date(difference.until, tables)
    # Nobody has events before the year of birth, but any other date may be the later one.
    first = 0.0 if aged else float(-OLDEST)
    return Column(
        name=split(difference.name)[1], type=ColumnType.integer, role=Role.measure, unit="years", bounds=(first, float(OLDEST)),
        missing=min(1.0, since.missing + until.missing), few_missing=since.may_lack or until.may_lack,
        edges=tuple(float(year) for year in range(int(first) + 1, OLDEST)),
        label=f"years from {split(difference.since)[1]} to {split(difference.until)[1]}",
    )  # fmt: skip


def _day_count(difference: Difference, tables: dict[str, Table]) -> Column:
    since, until = (_date(reference, tables) for reference in (difference.since, difference.until))
    name, follows = split(difference.name)[1], _follows(difference, tables)
    bound = _bound(since, until, (until.longest or since.longest) if follows else None)
    # A date that never precedes another is clipped at 0, whichever is taken from which.
    low = 0.0 if follows and until.after == since.name else -bound
    high = 0.0 if follows and since.after == until.name else bound
    missing, few_missing = min(1.0, since.missing + until.missing), since.may_lack or until.may_lack
    return Column(
        name=name, type=ColumnType.integer, role=Role.measure, unit="days", bounds=(low, high), missing=missing, few_missing=few_missing,
        knots=(0.0,),
        edges=tuple(sorted({float(sign * edge) for sign in (1, -1) for edge in EDGES if low < sign * edge < high})),
        label=f"days from {_words(difference.since, since, until)} to {_words(difference.until, until, since)}",
    )  # fmt: skip


def _follows(difference: Difference, tables: dict[str, Table]) -> bool:
    """Whether the one date never precedes the other, by the catalogue: the ends of a stay."""
    since, until = (_date(reference, tables) for reference in (difference.since, difference.until))
    same = split(difference.since)[0] == split(difference.until)[0]
    return same and (until.after == since.name or since.after == until.name)


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
    column = _column(reference, tables)
    if column is None or column.role is not Role.date:
        raise not_allowed(f"Days are counted between two dates of the question's tables, and {reference} is none.")
    return column


def _year(reference: str, tables: dict[str, Table]) -> Column:
    column = _column(reference, tables)
    if column is None or not _holds_years(column):
        raise not_allowed(f"The year of a date is taken less a year, as year(event_date) - year_of_birth, and {reference} holds none.")
    return column


def _column(reference: str, tables: dict[str, Table]) -> Column | None:
    table, name = split(reference)
    return tables[table].column(name) if table in tables else None


def _holds_years(column: Column) -> bool:
    """Whether all that the catalogue tells of a column of whole numbers are years."""
    if column.type is not ColumnType.integer or column.role not in (Role.measure, Role.dimension):
        return False
    told = [*(column.bounds or ()), *(code.value for code in column.codes)]
    return bool(told) and all(isinstance(year, int | float) and YEARS[0] <= year <= YEARS[1] for year in told)
