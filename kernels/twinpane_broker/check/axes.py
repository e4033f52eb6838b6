"""The cells of a table. They follow from the plan and the catalogue alone, so the presence of a row tells nothing.

Each dimension has one category per approved code (or bin of dates). It has one for missing values if the catalogue lists some, and one
for all other codes together if the catalogue's shares leave room for them. Rows in no shown category are counted *outside*: they protect
the cells, and are never shown.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import product
from math import prod
from typing import TypeVar

from twinpane_broker.catalogue.catalogue import Column, ColumnType
from twinpane_broker.catalogue.edges import cuts_below
from twinpane_broker.errors import RefusalCode, Refused
from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.question.plan import MAX_ROWS, Bin, Group
from twinpane_broker.question.predicates import CodeSet, CodeValue, In, Leaf, Missing, Not, Predicate, Range, Window, code_order, conjuncts

MAX_BINS = 400
"""Bins of one date column; 33 years of months."""
STRETCH = 0.25
"""How far the bins reach beyond the catalogue's 5th and 95th percentile of days, as a share of the span between."""
Start = TypeVar("Start", int, date)
WIDER = (2, 3, 4, 5, 10, 20)
"""So many times as wide are bins that are often asked for before finer ones."""
BIN_MONTHS = {Bin.month: 1, Bin.quarter: 3, Bin.year: 12}


@dataclass(frozen=True)
class Axis:
    """The categories of one dimension. ``values[i]`` is the engine's value of ``categories[i]``, for codes and bins only."""

    column: str
    bin: Bin | None
    categories: tuple[Category, ...]
    values: tuple[CodeValue | date, ...]
    end: date | None = None
    """Of bins of dates: the first day after the last bin."""
    width: float | None = None
    """Of bins of a measure: bin i holds ``values[i] <= value < values[i] + width``, the last one its upper end too."""
    arms: tuple[tuple[Leaf, int], ...] = ()
    """Of named cases: comparisons, checked, each with the index of its category. The first that holds for a row decides."""
    rest: int = 0
    """Of named cases: the index of the category of all other rows."""

    @property
    def missing(self) -> int:
        """Index of the category of missing values. If it is not shown, the index of *outside*."""
        return self._find(CategoryKind.missing, self.other)

    @property
    def other(self) -> int:
        """Index of the category of codes that are not approved. If it is not shown, the index of *outside*."""
        return self._find(CategoryKind.other, self.outside)

    @property
    def outside(self) -> int:
        """Index of *outside*: rows in no shown category."""
        return len(self.categories)

    def _find(self, kind: CategoryKind, otherwise: int) -> int:
        return next((i for i, category in enumerate(self.categories) if category.kind is kind), otherwise)


def axis_of_cases(group: Group, arms: tuple[Leaf, ...]) -> Axis:
    """The named categories of a column, and the one of all other rows. ``arms`` are the comparisons of its cases, checked."""
    if group.case is None:
        raise ValueError(f"{group.column} is grouped by no cases")
    categories: dict[object, Category] = {}
    for arm in group.case.arms:
        categories.setdefault(code_order(arm.category), Category(value=arm.category))
    otherwise = group.case.otherwise
    rest = Category(kind=CategoryKind.missing) if otherwise is None else Category(value=otherwise)
    categories.setdefault(None if otherwise is None else code_order(otherwise), rest)
    places = {key: place for place, key in enumerate(categories)}
    made = tuple((leaf, places[code_order(arm.category)]) for leaf, arm in zip(arms, group.case.arms, strict=True))
    return Axis(
        column=group.column, bin=None, categories=tuple(categories.values()), values=(), arms=made,
        rest=places[None if otherwise is None else code_order(otherwise)],
    )  # fmt: skip


def axis_of(group: Group, column: Column, where: Predicate | None, whole: Column | None = None, today: date | None = None) -> Axis:
    """The categories of one dimension, without those that a comparison of the predicate excludes from the table; see ``ruled_out``.

    ``whole`` is the measure before ``column`` narrowed its grid. Its values beyond the grid fall into the first or the last bin.
    Bins of dates end with ``today``, if that is given.
    Raises Refused if the catalogue gives no codes or days to make categories of.
    """
    parts = conjuncts(where)
    if group.width is not None:
        axis = _widths(group, group.width, column, parts, whole or column)
    elif group.bin is not None:
        axis = _bins(group, group.bin, column, parts, today)
    else:
        axis = _codes(group, column, parts)
    if any(isinstance(part, Not) and part.term == Missing(column=group.column) for part in parts):
        axis = _without(axis, CategoryKind.missing)
    if any(part == Missing(column=group.column) for part in parts):
        missing = (Category(kind=CategoryKind.missing),)
        axis = Axis(column=group.column, bin=group.bin, categories=missing, values=())
    return axis


def wider_axes(axis: Axis) -> Iterator[tuple[Axis, tuple[tuple[int, ...], ...]]]:
    """The same dimension in wider bins, and of each wider bin the places of the bins of ``axis`` that make it up; none if some are missing.

    Bins of a measure reach over all its values. Those of dates do not: a year may have begun before the first month, or go on.
    """
    if axis.width is not None:
        for times in WIDER:
            width = float(f"{axis.width * times:.12g}")
            held = _places([math.floor(start / width + 1e-9) for start in axis.values if isinstance(start, int | float)])
            starts = tuple(float(f"{first * width:.12g}") for first in held)
            yield Axis(axis.column, None, tuple(Category(value=_plain(each)) for each in starts), starts, width=width), tuple(held.values())
    elif axis.bin is not None:
        for bin_, months in BIN_MONTHS.items():
            if months > BIN_MONTHS[axis.bin]:
                days = _places([_starts(bin_, day, _plus(day, 1))[0] for day in axis.values if isinstance(day, date)])
                whole = tuple(places if len(places) * BIN_MONTHS[axis.bin] == months else () for places in days.values())
                yield Axis(axis.column, bin_, tuple(Category(value=_bin_name(bin_, day)) for day in days), tuple(days)), whole


def days_of_bin(axis: Axis, place: int) -> tuple[date, date] | None:
    """The first day of a bin of dates, and the day after its last; None for other categories."""
    if axis.bin is None or place >= len(axis.values):
        return None
    start = axis.values[place]
    return (start, _plus(start, BIN_MONTHS[axis.bin])) if isinstance(start, date) else None


def _places(begins: Iterable[Start]) -> dict[Start, tuple[int, ...]]:
    """By wider bin, the places of the bins that begin in it."""
    found: dict[Start, list[int]] = {}
    for place, start in enumerate(begins):
        found.setdefault(start, []).append(place)
    return {start: tuple(places) for start, places in found.items()}


def cells_of(axes: tuple[Axis, ...], totals: bool = False) -> list[tuple[int, ...]]:
    """Every shown cell as its category index per axis, in the order of the table; one empty tuple if nothing is grouped.

    Raises Refused if the table would have more than ``MAX_ROWS`` cells, counting a row per total if there are ``totals``.
    """
    size = prod(len(axis.categories) + totals for axis in axes)
    if size > MAX_ROWS:
        raise Refused(
            f"The table would have {size:,} cells, more than {MAX_ROWS:,}: group by fewer dimensions, or name the codes you need in WHERE.",
            RefusalCode.catalogue,
        )
    return list(product(*(range(len(axis.categories)) for axis in axes)))


def _codes(group: Group, column: Column, parts: tuple[Predicate, ...]) -> Axis:
    if not column.codes:
        raise Refused(f"{group.column} has no approved codes to group by.", RefusalCode.catalogue)
    wanted = [part for part in parts if isinstance(part, In) and part.column == group.column]
    unwanted = {code for part in parts if isinstance(part, Not) and isinstance(part.term, In) and part.term.column == group.column
                for code in part.term.codes}  # fmt: skip
    held = [frozenset(part.codes) for part in wanted]
    codes = [code for code in column.codes if all(code.value in those for those in held) and code.value not in unwanted]
    categories = [Category(value=code.value, label=code.label) for code in codes]
    values = tuple(code.value for code in codes)
    # A resolved code set may hold codes that are not approved; whether it does here is for the row to say.
    if column.unlisted > 0 and all(isinstance(part, CodeSet) for part in wanted):
        categories.append(Category(kind=CategoryKind.other))
    if column.missing > 0 and not wanted and not unwanted:
        categories.append(Category(kind=CategoryKind.missing))
    return Axis(column=group.column, bin=None, categories=tuple(categories), values=values)


def _bins(group: Group, bin_: Bin, column: Column, parts: tuple[Predicate, ...], today: date | None) -> Axis:
    windows = [part for part in parts if isinstance(part, Window) and part.column == group.column]
    first = max((window.start for window in windows if window.start), default=None)
    end = min((window.end for window in windows if window.end), default=None)
    bounded = first is not None and end is not None
    if first is None or end is None:
        if len(column.days) < 2:
            raise Refused(
                f"The catalogue gives no span of days for {group.column}: add WHERE {group.column} >= 'YYYY-MM-01' AND … < 'YYYY-MM-01'.",
                RefusalCode.catalogue,
            )
        first, end = _open_ends(first, end, column, timedelta(days=MAX_BINS * 28 * BIN_MONTHS[bin_]), today)
    starts = _starts(bin_, first, end)
    if len(starts) > MAX_BINS:
        raise Refused(
            f"{group.column} by {bin_} has more than {MAX_BINS} bins: use a coarser bin or a shorter window.",
            RefusalCode.catalogue,
        )
    # Nothing has happened in the future: a bin of it is left out, as it would look like one of few persons.
    starts = [day for day in starts if today is None or day <= today] or starts
    categories = [Category(value=_bin_name(bin_, day)) for day in starts]
    if not bounded:
        categories.append(Category(kind=CategoryKind.other, label="earlier or later"))
    if not windows and column.missing > 0:
        categories.append(Category(kind=CategoryKind.missing))
    last = starts[-1] if starts else first
    return Axis(group.column, bin_, tuple(categories), tuple(starts), _plus(last, BIN_MONTHS[bin_]))


def _open_ends(first: date | None, end: date | None, column: Column, most: timedelta, today: date | None) -> tuple[date, date]:
    """The first day of the bins and the day after the last, where the question leaves one or both open.

    They reach a little beyond the catalogue's days. From a first day that the question gives they reach on until today, as the last days
    of the data are not published; so far at least as the catalogue's days span, but not beyond ``most``. Before an end likewise.
    """
    span = column.days[-1] - column.days[0]
    usual = column.days[0] - span * STRETCH, column.days[-1] + span * STRETCH
    if first is not None:
        return first, max(usual[1], min(_later(first, most), today or _later(first, span)), _later(first, timedelta(days=1)))
    if end is not None:
        return (usual[0] if usual[0] < end else _later(end, -min(span, most))), end
    return usual


def _later(day: date, span: timedelta) -> date:
    try:
        return day + span
    except OverflowError:
        return date.max if span.days > 0 else date.min


def _widths(group: Group, width: float, column: Column, parts: tuple[Predicate, ...], whole: Column) -> Axis:
    least, most = column.known_bounds
    ranges = [part for part in parts if isinstance(part, Range) and part.column == group.column]
    low = max([least, *(part.low for part in ranges if part.low is not None)])
    high = min([most, *(part.high for part in ranges if part.high is not None)])
    first, last = math.floor(low / width + 1e-9), math.ceil(high / width - 1e-9)
    if last - first > MAX_BINS:
        raise Refused(f"{group.column} by {width:g} has more than {MAX_BINS} bins: use wider bins.", RefusalCode.catalogue)
    values = tuple(float(f"{i * width:.12g}") for i in range(first, max(last, first + 1)))
    labels = [_span(start, width, column) for start in values]
    # Values beyond the bounds lie in the end bins.
    if high == most and all(part.high is None or part.high > high for part in ranges):
        labels[-1] = f"{values[-1]:.12g} or more"
    if low == least and cuts_below(column, whole):
        labels[0] = f"under {values[0] + width:.12g}" if len(values) > 1 else ""
    categories = [Category(value=_plain(start), label=label) for start, label in zip(values, labels, strict=True)]
    if not ranges and column.missing > 0:
        categories.append(Category(kind=CategoryKind.missing))
    return Axis(column=group.column, bin=None, categories=tuple(categories), values=values, width=width)


def _plain(number: float) -> int | float:
    return int(number) if number == int(number) else number


def _span(start: float, width: float, column: Column) -> str:
    """A bin in words: for whole numbers from first to last, for others from its start to below the next."""
    if column.type is ColumnType.integer:
        return f"{start:.12g}" if width == 1 else f"{start:.12g}–{start + width - 1:.12g}"
    return f"{start:.12g} to under {start + width:.12g}"


def _starts(bin_: Bin, start: date, end: date) -> list[date]:
    step = BIN_MONTHS[bin_]
    day = date(start.year, (start.month - 1) // step * step + 1, 1)
    days: list[date] = []
    while day < end and len(days) <= MAX_BINS:
        days.append(day)
        day = _plus(day, step)
    return days


def _plus(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, 1)


def _bin_name(bin_: Bin, day: date) -> str:
    return {Bin.year: f"{day:%Y}", Bin.quarter: f"{day:%Y}-Q{(day.month + 2) // 3}", Bin.month: f"{day:%Y-%m}"}[bin_]


def _without(axis: Axis, kind: CategoryKind) -> Axis:
    return replace(axis, categories=tuple(category for category in axis.categories if category.kind is not kind))
