"""Turns the numbers that a store holds for a grouped column into the categories of its axis."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TypeVar

from twinpane_broker.catalogue.catalogue import CodeValue, Column, ColumnType, Role
from twinpane_broker.check.axes import BIN_MONTHS, Axis
from twinpane_broker.model import Same
from twinpane_broker.question.predicates import In, Leaf, Missing, Range, Window, code_order

from .dialect import Dialect, numbers
from .layout import FIRST_UNLISTED, unlisted_number

OTHER = -1
"""What a dimension of the store holds for a code that is not approved. A missing value is NULL."""
NUDGE = 1e-9
"""Share of a bin's width by which a value may fall short of an edge and still lie on it: 0.3 / 0.1 is not quite 3 in doubles."""


def month_of(day: date) -> int:
    """The store's number of a month: 12 for each year, plus the months of the year."""
    return day.year * 12 + day.month - 1


def code_numbers(column: Column) -> Mapping[tuple[str, object], int]:
    """The store's number of every approved code, by ``code_order``. Equal codes have the number of the first."""
    return _numbers(Same(column.codes))


@lru_cache(maxsize=64)
def _numbers(codes: Same) -> Mapping[tuple[str, object], int]:
    found: dict[tuple[str, object], int] = {}
    for index, code in enumerate(codes.value):
        found.setdefault(code_order(code.value), index)
    return MappingProxyType(found)


def numbers_of(column: Column, codes: Iterable[CodeValue]) -> list[int]:
    """The store's number of each code, approved or, in a resolved code set, not."""
    known = code_numbers(column)
    return [unlisted_number(code) if (number := known.get(code_order(code))) is None else number for code in codes]


_Value = TypeVar("_Value", date, float)


def _of_type(kind: type[_Value], value: object) -> _Value:
    if not isinstance(value, kind):
        raise TypeError(f"an axis of bins has values of the type {kind.__name__}")
    return value


@dataclass(frozen=True)
class AxisKey:
    """One axis over the numbers of its column: indexes of codes, numbers of bins of months, or numbers of bins of a width.

    A row's *digit* is a whole number, ``0 <= digit < size``, that encodes its category. Below ``shown`` it is the category itself.
    If a code's index differs from its category, the digit is ``shown`` plus the index.
    """

    axis: Axis
    column: Column
    only_listed: bool = False
    """Whether nobody is known to hold a code that is not approved."""

    @property
    def by_code(self) -> bool:
        """Whether the axis is over a dimension's codes."""
        return self.column.role is Role.dimension and self.axis.width is None

    @cached_property
    def listed(self) -> tuple[int, ...]:
        """The store's number of every category that is a code or a bin, in the axis's order."""
        if self.axis.bin is not None:
            return tuple(month_of(_of_type(date, day)) // BIN_MONTHS[self.axis.bin] for day in self.axis.values)
        if self.axis.width is not None:
            return tuple(round(_of_type(float, value) / self.axis.width) for value in self.axis.values)
        known = code_numbers(self.column)
        return tuple(known[code_order(value)] for value in self.axis.values if not isinstance(value, date))

    @cached_property
    def categories(self) -> dict[int | None, int]:
        """The category of every number that the store may hold for a code, ``OTHER`` and None among them. For dimensions."""
        if self.axis.arms:
            return self._cases
        found: dict[int | None, int] = dict.fromkeys(range(len(self.column.codes)), self.axis.outside)
        found.update((number, category) for category, number in enumerate(self.listed))
        return {**found, OTHER: self.axis.other, None: self.axis.missing}

    def category_of(self, number: int | None) -> int:
        """The category of a stored number, also of a code that is not approved."""
        return self.categories.get(number, self.categories[OTHER])

    @property
    def names_unlisted(self) -> bool:
        """Whether named cases tell codes apart that are not approved."""
        return any(number is not None and number < OTHER for number in self.categories)

    @property
    def _cases(self) -> dict[int | None, int]:
        """The category of every number of a dimension in named cases."""
        known, rest = code_numbers(self.column).values(), self.axis.rest
        found: dict[int | None, int] = {}
        for leaf, category in self.axis.arms:
            numbers_ = numbers_of(self.column, leaf.codes) if isinstance(leaf, In) else [None]
            for number in numbers_:
                found.setdefault(number, category)
        return dict.fromkeys([*known, OTHER, None], rest) | found

    @property
    def shown(self) -> int:
        """One more than the largest category, *outside*."""
        return self.axis.outside + 1

    @cached_property
    def in_a_row(self) -> bool:
        """Whether the listed numbers are consecutive, so that a category is its number minus the first."""
        return bool(self.listed) and self.listed == tuple(range(self.listed[0], self.listed[0] + len(self.listed)))

    @property
    def size(self) -> int:
        """How many digits there are."""
        return self.shown if self.in_a_row or not self.listed else self.shown + len(self.column.codes)

    def raw(self, column: str, dialect: Dialect) -> str:
        """The row's own number; ``column`` is the SQL of the stored column: code, month or value."""
        if self.axis.bin is not None:
            return dialect.divided(column, BIN_MONTHS[self.axis.bin])
        if self.axis.width is not None:
            return dialect.bigint(f"floor({column} / {self.axis.width!r} + {NUDGE!r})")
        if self.column.type is ColumnType.integer and not self.axis.arms and not self.only_listed:
            return f"CASE WHEN {column} <= {FIRST_UNLISTED} THEN {OTHER} ELSE {column} END"
        return column

    def digit(self, column: str, dialect: Dialect) -> str:
        """The row's digit; never NULL."""
        if self.axis.arms:
            whens = " ".join(f"WHEN {_holds(leaf, column, self.column)} THEN {category}" for leaf, category in self.axis.arms)
            return f"CASE {whens} ELSE {self.axis.rest} END"
        elsewhere = f"WHEN {column} IS NULL THEN {self.axis.missing} ELSE {self.axis.other} END"
        if not self.listed:
            return f"CASE {elsewhere}"
        raw, first, last = self.raw(column, dialect), self.listed[0], self.listed[-1]
        if not self.in_a_row:
            return f"CASE WHEN {raw} IN ({numbers(self.listed)}) THEN {raw} + {self.shown} {elsewhere}"
        listed = f"WHEN {raw} BETWEEN {first} AND {last} THEN {raw} - {first}"
        if self.axis.width is not None:
            # The upper end belongs to the last bin. If the grid is narrower than the bounds, the end bins hold the values beyond it.
            listed += f" WHEN {raw} > {last} THEN {len(self.listed) - 1} WHEN {raw} < {first} THEN 0"
        return f"CASE {listed} {elsewhere}"

    def category(self, digit: int) -> int:
        """The category that a digit stands for."""
        return digit if digit < self.shown else self.categories[digit - self.shown]

    def digit_of(self, category: int) -> int:
        """The digit of the rows of a category."""
        far = category < len(self.listed) and not self.in_a_row
        return self.shown + self.listed[category] if far else category


def _holds(leaf: Leaf, column: str, meaning: Column) -> str:
    """A checked comparison of a stored column: code, month or value. All its numbers are the broker's own."""
    match leaf:
        case In():
            return f"{column} IN ({numbers(sorted(numbers_of(meaning, leaf.codes)))})"
        case Missing():
            return f"{column} IS NULL"
        case Range():
            low, high = leaf.low, leaf.high
            ends = [f"{column} >= {float(low)!r}"] if low is not None else []
            ends += [f"{column} < {float(high)!r}"] if high is not None else []
        case Window():
            ends = [f"{column} >= {month_of(leaf.start)}"] if leaf.start is not None else []
            ends += [f"{column} < {month_of(leaf.end)}"] if leaf.end is not None else []
        case _:
            raise TypeError("the check of a plan resolves its concept sets")
    return " AND ".join(ends)


@dataclass(frozen=True)
class Keys:
    """All axes of a question as one whole number per row, made of the axes' digits. The first axis has the most significant digit."""

    axes: tuple[AxisKey, ...]

    def packed(self, columns: list[str], dialect: Dialect) -> str:
        """The row's key; ``columns`` are the SQL of the axes' stored columns."""
        key = "0"
        for place, (axis, column) in enumerate(zip(self.axes, columns, strict=True)):
            digit = dialect.bigint(axis.digit(column, dialect))
            key = f"({key} * {axis.size} + {digit})" if place else digit
        return dialect.bigint(key) if not self.axes else key

    def cell(self, key: int) -> tuple[int, ...]:
        """The cell of a key: a category per axis."""
        digits = []
        for axis in reversed(self.axes):
            key, digit = divmod(key, axis.size)
            digits.append(axis.category(digit))
        return tuple(reversed(digits))

    def key(self, cell: tuple[int, ...]) -> int:
        """The key of the rows of a cell."""
        key = 0
        for axis, category in zip(self.axes, cell, strict=True):
            key = key * axis.size + axis.digit_of(category)
        return key
