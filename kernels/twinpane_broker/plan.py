"""The plan: everything a query can say. SQL and the ``tp.table`` builder become one; the broker writes its own SQL from it.

A plan is closed and small: what it cannot say cannot be asked. It names tables and columns as ``table.column``; whether they
exist and may be used so is judged by the site against its own catalogue (``check``).
"""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from .catalogue import Identifier
from .closed import Closed
from .predicates import (
    MAX_CODES,
    MAX_DEPTH,
    MAX_TERMS,
    AllOf,
    AnyOf,
    CodeValue,
    ColumnRef,
    In,
    Missing,
    Not,
    Predicate,
    Range,
    Window,
    refuse_monsters,
)

__all__ = [
    "MAX_CODES", "MAX_DEPTH", "MAX_DIMENSIONS", "MAX_JOINS", "MAX_MEASURES", "MAX_TERMS", "AllOf", "AnyOf", "Bin", "CodeValue", "ColumnRef",
    "Group", "In", "Join", "Measure", "MeasureKind", "Missing", "Not", "Order", "Plan", "Predicate", "Range", "Window", "split",
]

MAX_JOINS = 3
MAX_DIMENSIONS = 4
MAX_MEASURES = 8
MAX_ROWS = 10_000


def split(column: str) -> tuple[str, str]:
    """Table and column of a ``table.column``."""
    table, _, name = column.partition(".")
    return table, name


class Bin(StrEnum):
    """How a date groups; a day itself never does."""

    month = "month"
    quarter = "quarter"
    year = "year"


class Join(Closed):
    """An inner join of one more table on a pair of keys that the catalogue declares. Rows join within one person only."""

    table: Identifier
    left: ColumnRef
    """Key of a table already in the plan."""
    right: ColumnRef
    """Key of the joined table."""

    @model_validator(mode="after")
    def _brings_in_its_table(self) -> Self:
        if split(self.right)[0] != self.table or split(self.left)[0] == self.table:
            raise ValueError("a join pairs a key of an earlier table (left) with a key of the joined table (right)")
        return self


class Group(Closed):
    """A dimension, or a date with its bin, that the cells are split by."""

    column: ColumnRef
    bin: Bin | None = None
    label: Identifier | None = None


class MeasureKind(StrEnum):
    """What is computed in each cell."""

    count = "count"      # rows
    persons = "persons"  # distinct persons
    mean = "mean"        # mean of a measure over the rows that have a value, clipped to the catalogue's bounds


class Measure(Closed):
    """One number per cell, over a plain column: a sum of an expression can pack many people's bits into one number."""

    kind: MeasureKind
    column: ColumnRef | None = None
    """The measure column of a mean. For persons, the person key or None. For counts, None."""
    label: Identifier | None = None

    @model_validator(mode="after")
    def _column_where_needed(self) -> Self:
        if self.kind is MeasureKind.mean and self.column is None:
            raise ValueError("a mean needs a column")
        if self.kind is MeasureKind.count and self.column is not None:
            raise ValueError("a count counts rows and takes no column")
        return self


class Order(Closed):
    """Sort the released table by one of its columns, named as ``Plan.names`` names it; suppressed values come last."""

    by: Identifier
    descending: bool = False


class Plan(Closed):
    """A question: one table with declared joins, a predicate, up to four dimensions, and measures.

    ``order_by`` and ``limit`` are post-processing: they work on the released table, never on what was computed.
    Raises ``pydantic.ValidationError`` for anything that is not a plan, or one that is too large.
    """

    table: Identifier
    joins: Annotated[tuple[Join, ...], Field(max_length=MAX_JOINS)] = ()
    where: Predicate | None = None
    group_by: Annotated[tuple[Group, ...], Field(max_length=MAX_DIMENSIONS)] = ()
    measures: Annotated[tuple[Measure, ...], Field(min_length=1, max_length=MAX_MEASURES)]
    order_by: Annotated[tuple[Order, ...], Field(max_length=MAX_DIMENSIONS + MAX_MEASURES)] = ()
    limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] | None = None

    @field_validator("where", mode="before")
    @classmethod
    def _not_a_monster(cls, raw: Any) -> Any:
        if raw is not None:
            refuse_monsters(raw)
        return raw

    @model_validator(mode="after")
    def _names_are_one_each(self) -> Self:
        tables = [self.table, *(join.table for join in self.joins)]
        if len(set(tables)) != len(tables):
            raise ValueError("a plan uses a table once")
        for place, join in enumerate(self.joins):
            if split(join.left)[0] not in tables[: place + 1]:
                raise ValueError("a join starts from a table that is already in the plan")
        if len({(group.column, group.bin) for group in self.group_by}) != len(self.group_by):
            raise ValueError("a plan groups by a column once")
        labels = [part.label for part in (*self.group_by, *self.measures) if part.label]
        if len(set(labels)) != len(labels):
            raise ValueError("two columns of the result have the same label")
        if unknown := {order.by for order in self.order_by} - set(self.names):
            raise ValueError(f"the result has no column {sorted(unknown)[0]} to order by")
        return self

    @property
    def tables(self) -> tuple[str, ...]:
        """The table and the joined ones, in order."""
        return (self.table, *(join.table for join in self.joins))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the result's columns: the groups', then the measures'; labels where given, otherwise made from the columns."""
        taken = {part.label for part in (*self.group_by, *self.measures) if part.label}
        names = []
        for part in (*self.group_by, *self.measures):
            name = part.label
            if name is None:
                plain = _plain_name(part)
                name = next(n for n in (plain, *(f"{plain}_{i}" for i in range(2, 100))) if n not in taken)
                taken.add(name)
            names.append(name)
        return tuple(names)

    @property
    def hash(self) -> str:
        """SHA-256 of the whole plan."""
        return self.digest()

    @property
    def question(self) -> "Plan":
        """The plan without labels and post-processing: plans with the same question have the same released cells."""
        return Plan(
            table=self.table,
            joins=self.joins,
            where=self.where,
            group_by=tuple(group.model_copy(update={"label": None}) for group in self.group_by),
            measures=tuple(
                measure.model_copy(update={"label": None, **({"column": None} if measure.kind is MeasureKind.persons else {})})
                for measure in self.measures
            ),
        )


def _plain_name(part: Group | Measure) -> str:
    if isinstance(part, Group):
        name = split(part.column)[1]
        return f"{name}_{part.bin}"[:63] if part.bin else name
    return f"{part.kind}_{split(part.column)[1]}"[:63] if part.kind is MeasureKind.mean else str(part.kind)
