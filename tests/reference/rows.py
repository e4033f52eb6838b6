"""The rows that a question is about, in pandas: tables joined within persons, values clipped, conditions with three truth values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from twinpane_broker.catalogue.catalogue import Catalogue, Column, Role
from twinpane_broker.question.plan import Plan, split
from twinpane_broker.question.predicates import AllOf, AnyOf, In, Missing, Not, Predicate, Range, Window

PERSON = "person"


@dataclass(frozen=True)
class Truth:
    """Of every row: whether a condition holds, and whether that is unknown because a value is missing."""

    holds: np.ndarray
    unknown: np.ndarray

    def negated(self) -> "Truth":
        """NOT."""
        return Truth(~self.holds & ~self.unknown, self.unknown)


def is_missing(values: pd.Series) -> np.ndarray:
    """Where there is no value; NaN is none."""
    return values.isna().to_numpy()


def kind_and_value(value: Any) -> tuple[str, Any]:
    """What codes are compared by: true is not 1, 1 is 1.0."""
    if isinstance(value, bool | np.bool_):
        return ("boolean", bool(value))
    if isinstance(value, int | float | np.integer | np.floating):
        return ("number", float(value))
    return ("text", str(value))


def holds_code(values: pd.Series, codes: tuple[Any, ...]) -> np.ndarray:
    """Where the value is one of the codes."""
    wanted = {kind_and_value(code) for code in codes}
    return np.array([not gone and kind_and_value(v) in wanted for v, gone in zip(values, values.isna(), strict=True)], dtype=bool)


def column_of(reference: str, catalogue: Catalogue) -> Column:
    """The catalogue's column of ``table.column``."""
    table, name = split(reference)
    return catalogue.table(table).column(name)


def joined(plan: Plan, catalogue: Catalogue, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """All rows of the question's tables before its condition: a column per ``table.column``, and ``person``; clipped measures.

    Beside each measure a column says where its value was clipped (``beyond``).
    """
    rows = _named(plan.table, catalogue, tables)
    for join in plan.joins:
        other = _named(join.table, catalogue, tables).dropna(subset=[join.right])
        left = rows.dropna(subset=[join.left])
        rows = left.merge(other, left_on=[PERSON, join.left], right_on=[PERSON, join.right], how="inner")
    return rows.reset_index(drop=True)


def beyond(reference: str) -> str:
    """The name of the column that says where a measure's value was clipped."""
    return f"{reference} beyond"


def _named(name: str, catalogue: Catalogue, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    table, frame = catalogue.table(name), tables[name]
    made = {PERSON: frame[table.person_key]}
    for column in table.columns:
        if column.role in (Role.text, Role.image, Role.hidden):
            continue
        values = frame[column.name]
        if column.role is Role.measure:
            values = values.astype("float64")
            low, high = column.bounds
            made[beyond(f"{name}.{column.name}")] = (values < low) | (values > high)
            values = values.clip(low, high)
        made[f"{name}.{column.name}"] = values
    return pd.DataFrame(made).dropna(subset=[PERSON])


def truth(predicate: Predicate, rows: pd.DataFrame, catalogue: Catalogue) -> Truth:
    """A condition on every row, as SQL has it."""
    match predicate:
        case AllOf():
            parts = [truth(term, rows, catalogue) for term in predicate.terms]
            wrong = np.logical_or.reduce([~part.holds & ~part.unknown for part in parts])
            holds = np.logical_and.reduce([part.holds for part in parts])
            return Truth(holds, ~holds & ~wrong)
        case AnyOf():
            parts = [truth(term, rows, catalogue) for term in predicate.terms]
            holds = np.logical_or.reduce([part.holds for part in parts])
            return Truth(holds, ~holds & np.logical_or.reduce([part.unknown for part in parts]))
        case Not():
            return truth(predicate.term, rows, catalogue).negated()
    values = rows[predicate.column]
    gone = is_missing(values)
    nowhere = np.zeros(len(rows), dtype=bool)
    match predicate:
        case Missing():
            return Truth(gone, nowhere)
        case In():
            return Truth(holds_code(values, predicate.codes), gone)
        case Range():
            column = column_of(predicate.column, catalogue)
            if column.role is Role.dimension:
                inside = tuple(code.value for code in column.codes if _within(predicate, float(code.value)))
                return Truth(holds_code(values, inside), gone)
            return Truth(np.array([not g and _within(predicate, v) for v, g in zip(values, gone, strict=True)], dtype=bool), gone)
        case Window():
            days = pd.to_datetime(values)
            holds = ~gone
            if predicate.start is not None:
                start = pd.Timestamp(predicate.start)
                holds &= (days > start).to_numpy() if predicate.after else (days >= start).to_numpy()
            if predicate.end is not None:
                end = pd.Timestamp(predicate.end)
                holds &= (days <= end).to_numpy() if predicate.through else (days < end).to_numpy()
            return Truth(holds, gone)
    raise TypeError(f"no such condition: {predicate!r}")


def _within(part: Range, value: float) -> bool:
    low = part.low is None or value > part.low or (value == part.low and not part.above)
    return low and (part.high is None or value < part.high or (value == part.high and part.through))
