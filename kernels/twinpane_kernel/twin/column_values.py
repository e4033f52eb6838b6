"""One column's values from its recipe and uniform numbers. Arrays have one entry per row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from twinpane_broker import CodeValue, Column, ColumnType, Role

from .stream import Bools, Floats, Ints

ARROW_TYPES = {
    ColumnType.boolean: pa.bool_(),
    ColumnType.integer: pa.int64(),
    ColumnType.double: pa.float64(),
    ColumnType.varchar: pa.string(),
    ColumnType.date: pa.date32(),
    ColumnType.timestamp: pa.timestamp("us"),
}
_EPOCH = date(1970, 1, 1).toordinal()
_ANY_DAYS = (date(2000, 1, 1), date(2020, 1, 1))
_FIRST, _SPAN = 0.05, 0.9  # knots stand at equal steps from the 5th to the 95th percentile


@dataclass(frozen=True)
class Choices:
    """A dimension's drawn values: an index into the codes per row, -1 where missing."""

    codes: tuple[CodeValue, ...]
    index: Ints

    def arrow(self, kind: ColumnType) -> pa.Array:
        """The values as a column of the catalogue's type."""
        target = ARROW_TYPES[kind]
        values = pa.array([_typed(code, kind) for code in self.codes], target)
        return values.take(pa.array(self.index, mask=self.index < 0))

    def without(self, mask: Bools) -> "Choices":
        """The same with the masked rows missing."""
        return Choices(self.codes, np.where(mask, -1, self.index))


@dataclass(frozen=True)
class Numbers:
    """Drawn numbers or days since 1970, and which of them are missing."""

    data: Floats
    missing: Bools

    def arrow(self, kind: ColumnType) -> pa.Array:
        """The values as a column of the catalogue's type."""
        if kind is ColumnType.date:
            return pa.array(self.data.astype(np.int32), pa.int32(), mask=self.missing).cast(pa.date32())
        if kind is ColumnType.timestamp:
            return pa.array(self.data.astype(np.int64) * 86_400_000_000, pa.int64(), mask=self.missing).cast(pa.timestamp("us"))
        if kind is ColumnType.integer:
            return pa.array(self.data.astype(np.int64), mask=self.missing)
        return pa.array(self.data.astype(np.float64), mask=self.missing).cast(ARROW_TYPES[kind])


def _typed(code: CodeValue, kind: ColumnType) -> CodeValue:
    match kind:
        case ColumnType.varchar:
            return str(code)
        case ColumnType.boolean:
            return bool(code)
        case ColumnType.integer:
            return int(code)
        case ColumnType.double:
            return float(code)
    return code


def missing_mask(u: Floats, share: float) -> Bools:
    """Which rows lack a value: at least one where the share is above 0, none where it is 0, never all where it is below 1.

    This matters for types: pandas reads an integer column with missing values as floats.
    """
    mask = u < share
    if share > 0 and not mask.any() and len(u):
        mask[u.argmin()] = True
    if share < 1 and mask.all() and len(u) > 1:
        mask[u.argmax()] = False
    return mask


def pick(u: Floats, shares: Sequence[float]) -> Ints:
    """An index per row with the given shares; what they lack to 1 is spread over all alike."""
    weights = np.asarray(shares, dtype=np.float64)
    if not weights.sum() > 0:
        weights = np.ones(len(weights))
    cumulated = np.cumsum(weights)
    index: Ints = np.minimum(np.searchsorted(cumulated, u * cumulated[-1], side="right"), len(weights) - 1)
    return index


def draw_codes(column: Column, u: Floats) -> Choices:
    """A dimension's values by the codes' shares; all missing where no code is listed."""
    codes = tuple(code.value for code in column.codes)
    index = pick(u, [code.share for code in column.codes]) if codes else np.full(len(u), -1)
    return Choices(codes, index.astype(np.int64))


def follow_codes(column: Column, root: Choices, own: Choices) -> Choices:
    """A dimension's values where the column it follows decides them; elsewhere missing, if any may be, or drawn on their own."""
    place: dict[CodeValue | None, int] = {code: i for i, code in enumerate(own.codes)}
    decided = {given.code: place.get(given.value, -1) for given in column.given}
    by_root = np.array([*(decided.get(code, -1) for code in root.codes), -1], dtype=np.int64)  # the last entry serves -1
    index = by_root[root.index]
    return Choices(own.codes, index if column.missing > 0 else np.where(index < 0, own.index, index))


def draw_measure(column: Column, u: Floats, root: Choices | None = None) -> Floats:
    """Numbers between the column's knots, or between those given for the code that the row's ``root`` holds."""
    low, high = column.bounds or (0.0, 1.0)
    values = between(u, column.knots, spread=True) if column.knots else low + (high - low) * u
    if root is not None:
        place = {code: i for i, code in enumerate(root.codes)}
        for given in column.given:
            rows = root.index == place.get(given.code, -2)
            if given.knots and rows.any():
                values[rows] = snap(between(u[rows], given.knots, spread=True), given.precision, column.type)
    return np.clip(snap(values, column.precision, column.type), low, high)


def draw_days(column: Column, u: Floats) -> Floats:
    """Days since 1970 between the column's quantiles, never outside them."""
    days = column.days or _ANY_DAYS
    return np.floor(between(u, [day.toordinal() - _EPOCH for day in days], spread=False))


def between(u: Floats, knots: Sequence[float], spread: bool) -> Floats:
    """Values of the quantile function through the knots.

    With ``spread`` the first and last piece go on to probabilities 0 and 1; without it all values lie within the knots.
    """
    points = np.asarray(knots, dtype=np.float64)
    if len(points) == 1:
        return np.full(len(u), points[0])
    last = len(points) - 1
    position = (u - _FIRST) / _SPAN * last if spread else u * last
    piece = np.clip(np.floor(position), 0, last - 1).astype(np.int64)
    # Two steps on purpose: a fused multiply-add would differ in the last bit between machines.
    rise = (points[piece + 1] - points[piece]) * (position - piece)
    return points[piece] + rise


def snap(values: Floats, precision: float | None, kind: ColumnType) -> Floats:
    """Values on the grid of the column's precision; whole numbers in an integer column."""
    if precision and precision < 1 and abs(1 / precision - round(1 / precision)) < 1e-6:
        values = np.rint(values * round(1 / precision)) / round(1 / precision)
    elif precision:
        values = np.rint(values / precision) * precision
    return np.rint(values) if kind is ColumnType.integer else values


def placeholder(column: Column, rows: int) -> Choices:
    """What stands in a text or image column that the steward has opened."""
    says = f"synthetic {'image' if column.role is Role.image else 'text'}"
    return Choices((says,), np.full(rows, 0 if column.type is ColumnType.varchar else -1, dtype=np.int64))
