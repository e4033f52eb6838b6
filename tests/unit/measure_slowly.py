"""The evidence of a question once more, row by row in plain Python: slow, simple, and written apart from the engines."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pandas as pd

from twinpane_broker.aggregates.registry import MeasureKind
from twinpane_broker.catalogue.catalogue import Role
from twinpane_broker.check.axes import Axis
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.question.predicates import AllOf, AnyOf, In, Missing, Not, Predicate, Range

Row = dict[str, Any]
BIN_LENGTH = {"month": 1, "quarter": 3, "year": 12}


@dataclass
class Slow:
    """What ``Evidence`` says, with person keys in place of numbers and rows in place of sums."""

    population: set
    who: set
    cells: dict[tuple[int, ...], list[Row]] = field(default_factory=lambda: defaultdict(list))

    def persons(self, cell: tuple[int, ...]) -> dict[Any, list[Row]]:
        """The rows of a cell by person."""
        return by_person(self.cells[cell])


def by_person(rows: list[Row]) -> dict[Any, list[Row]]:
    """Rows by person."""
    found = defaultdict(list)
    for row in rows:
        found[row["person"]].append(row)
    return dict(found)


def measure_slowly(bound: ResolvedPlan, tables: Mapping[str, pd.DataFrame], cohort: set | None = None) -> Slow:
    """Every row of the joined tables, looked at one by one."""
    joined = rows_of(bound, tables)
    chosen = [row for row in joined if cohort is None or row["person"] in cohort]
    if bound.plan.where is not None:
        chosen = [row for row in chosen if holds(bound.plan.where, row) is True]
    slow = Slow({row["person"] for row in joined}, {row["person"] for row in chosen})
    for row in chosen:
        slow.cells[tuple(category_of(axis, row[axis.column]) for axis in bound.axes)].append(row)
    return slow


def rows_of(bound: ResolvedPlan, tables: Mapping[str, pd.DataFrame]) -> list[Row]:
    """The rows of the tables, joined within persons, with clipped measures and None for what is missing."""
    named = {name: table_rows(bound, name, tables[name]) for name in bound.plan.tables}
    rows = named[bound.plan.table]
    for join in bound.plan.joins:
        own = by_person(named[join.table])
        rows = [
            {**left, **right}
            for left in rows
            for right in own.get(left["person"], [])
            if left[join.left] is not None and left[join.left] == right[join.right]
        ]
    return rows


def table_rows(bound: ResolvedPlan, name: str, frame: pd.DataFrame) -> list[Row]:
    """The rows of one table that have a person."""
    table = bound.table(name)
    rows = []
    for values in frame.to_dict("records"):
        row = {f"{name}.{column.name}": plain(values[column.name]) for column in table.columns}
        row["person"] = row[f"{name}.{table.person_key}"]
        for column in table.columns:
            if column.role is Role.measure and row[f"{name}.{column.name}"] is not None:
                low, high = column.bounds
                row[f"{name}.{column.name}"] = min(max(float(row[f"{name}.{column.name}"]), low), high)
        if row["person"] is not None:
            rows.append(row)
    return rows


def plain(value: Any) -> Any:
    """A value of pandas as Python's own; None where it is missing."""
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, pd.Timestamp):
        return value.date()
    return value.item() if hasattr(value, "item") else value


def same(one: Any, other: Any) -> bool:
    """Whether two codes are one; true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def holds(predicate: Predicate, row: Row) -> bool | None:
    """Whether a predicate is true of a row; None where that is not known."""
    if isinstance(predicate, Not):
        held = holds(predicate.term, row)
        return None if held is None else not held
    if isinstance(predicate, AllOf | AnyOf):
        parts = [holds(term, row) for term in predicate.terms]
        decisive = isinstance(predicate, AnyOf)
        return decisive if decisive in parts else None if None in parts else not decisive
    value = row[predicate.column]
    if isinstance(predicate, Missing):
        return value is None
    if value is None:
        return None
    if isinstance(predicate, In):
        return any(same(value, code) for code in predicate.codes)
    low, high = (predicate.low, predicate.high) if isinstance(predicate, Range) else (predicate.start, predicate.end)
    return (low is None or value >= low) and (high is None or value < high)


def category_of(axis: Axis, value: Any) -> int:
    """The category of a value on an axis."""
    if value is None:
        return axis.missing
    for place, start in enumerate(axis.values):
        if axis.bin is not None:
            found = start <= value < later(start, BIN_LENGTH[axis.bin])
        elif axis.width is not None:
            end = start + axis.width
            found = (start <= value or place == 0) and (value < end or place == len(axis.values) - 1)
        else:
            found = same(value, start)
        if found:
            return place
    return axis.other


def later(day: date, months: int) -> date:
    """The first day of a month so many months later."""
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, 1)


def contributions(rows: list[Row], name: str) -> dict[Any, list[float]]:
    """The values of a measure by person."""
    return {person: values for person, own in by_person(rows).items() if (values := [row[name] for row in own if row[name] is not None])}


def bins_of(bound: ResolvedPlan, name: str, values: list[float]) -> list[int]:
    """How many values lie in each fine bin."""
    borders = bound.borders(name)
    counts = [0] * (len(borders) + 1)
    for value in values:
        counts[sum(border <= value for border in borders)] += 1
    return counts


def wants(bound: ResolvedPlan, name: str, *kinds: str) -> bool:
    """Whether a measure of one of these kinds is asked of a column."""
    return any(measure.column == name and measure.kind in [MeasureKind(kind) for kind in kinds] for measure in bound.plan.measures)
