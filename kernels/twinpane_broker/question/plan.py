"""The plan: everything a query can say. SQL and the ``tp.table`` builder become one; the broker writes its own SQL from it.

A plan is closed and small: a question that it cannot express cannot be asked. It names tables and columns as ``table.column``. The site
checks against its own catalogue whether they exist and may be used so (``check``).
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from twinpane_broker.aggregates.aggregate import MAX_DIMENSIONS
from twinpane_broker.aggregates.registry import Measure
from twinpane_broker.catalogue.catalogue import ColumnRef, Identifier
from twinpane_broker.model import Closed, Grown

from .cases import Case
from .cohort import Cohort, Event
from .firsts import First
from .predicates import MAX_CODES, MAX_TERMS, Predicate, leaves, refuse_monsters

MAX_JOINS = 3
MAX_MEASURES = 12
MAX_ROWS = 10_000
MAX_DIFFERENCES = 4
MAX_FIRSTS = 2
"""Kinds of first event."""
MAX_HAVING = 8
"""Conditions on the released table."""
MAX_PARTS = 6 * MAX_CODES
"""Fields and list entries of a plan's JSON, all counted: room for every code with what is said of it."""


def split(column: str) -> tuple[str, str]:
    """Table and column of a ``table.column``."""
    table, _, name = column.partition(".")
    return table, name


def refuse_swarms(raw: Any) -> None:
    """Raise ValueError for raw JSON with more parts than a plan can have, before any of them is looked at.

    Every wrong entry of a list is a separate error, so a small message could otherwise cause millions of errors.
    """
    pending, parts = [raw], 0
    while pending:
        node = pending.pop()
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list | tuple) else ()
        parts += len(children)
        if parts > MAX_PARTS:
            raise ValueError(f"a plan has at most {MAX_PARTS} parts, however deep they lie")
        pending.extend(child for child in children if isinstance(child, dict | list | tuple))


class Bin(StrEnum):
    """The bins that a date can group by; never by day."""

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


class Group(Grown):
    """A term that splits the cells: a dimension, a date with its bin, a measure in bins of equal width, or a column in named cases."""

    newer: ClassVar[tuple[str, ...]] = ("case",)

    column: ColumnRef
    bin: Bin | None = None
    width: Annotated[float, Field(gt=0)] | None = None
    """Of a measure: the bins' width, a multiple of the step at which its ranges may cut; bins start at multiples of it."""
    label: Identifier | None = None
    case: Case | None = None
    """The column's values put into categories by name."""

    @model_validator(mode="after")
    def _one_way_to_bin(self) -> Self:
        if self.bin is not None and self.width is not None:
            raise ValueError("a date groups by its bin, a measure by its width")
        if self.case is not None and (self.bin is not None or self.width is not None):
            raise ValueError("a column groups by its bins or by its cases")
        if self.case is not None and any(arm.where.column != self.column for arm in self.case.arms):
            raise ValueError(f"the cases of {self.column} are told by {self.column} alone")
        return self


class Unit(StrEnum):
    """What differences are counted in, other than days."""

    years = "years"
    """The year of the one date less that of the other."""
    age = "age"
    """The year of a date less the year that a column holds, as a year of birth."""


class Difference(Grown):
    """A measure by the name ``name``: on each row the days from one date to another, clipped to bounds that follow from the catalogue.

    Measures, groups and ranges name it as a column.
    """

    newer: ClassVar[tuple[str, ...]] = ("unit",)

    name: ColumnRef
    """In the table of ``until``. The catalogue has no column of that name."""
    since: ColumnRef
    """A date; of an age a column that holds years."""
    until: ColumnRef
    unit: Unit | None = None
    """None: days."""

    @model_validator(mode="after")
    def _beside_its_date(self) -> Self:
        if split(self.name)[0] != split(self.until)[0]:
            raise ValueError("a difference of dates is named in the table of the later one")
        return self


class Order(Closed):
    """Sort the released table by one of its columns, named as ``Plan.names`` names it; suppressed values come last."""

    by: Identifier
    descending: bool = False


class Having(Closed):
    """Keep the rows of the released table for which a measure compares so; named as ``Plan.names`` names it. Suppressed values do not."""

    by: Identifier
    op: Literal["=", "<>", "<", "<=", ">", ">="]
    value: float


class Plan(Grown):
    """A question: one table with declared joins, a predicate, up to four dimensions, and measures.

    ``having``, ``order_by`` and ``limit`` are post-processing: they work on the released table, never on what was computed.
    Raises ``pydantic.ValidationError`` if the value is no plan, or too large.
    """

    newer: ClassVar[tuple[str, ...]] = ("having", "differences", "firsts")

    table: Identifier
    joins: Annotated[tuple[Join, ...], Field(max_length=MAX_JOINS)] = ()
    cohort: Cohort | None = None
    """Whose rows the question is about: those of the persons of a cohort; None: of all persons."""
    where: Predicate | None = None
    group_by: Annotated[tuple[Group, ...], Field(max_length=MAX_DIMENSIONS)] = ()
    measures: Annotated[tuple[Measure, ...], Field(min_length=1, max_length=MAX_MEASURES)]
    margins: bool = False
    """Whether totals over every dimension are asked for, as rows of their own (``CategoryKind.total``)."""
    order_by: Annotated[tuple[Order, ...], Field(max_length=MAX_DIMENSIONS + MAX_MEASURES)] = ()
    limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] | None = None
    differences: Annotated[tuple[Difference, ...], Field(max_length=MAX_DIFFERENCES)] = ()
    """Measures that are differences of dates; each is named by a measure, a group or a condition of the plan."""
    firsts: Annotated[tuple[First, ...], Field(max_length=MAX_FIRSTS)] = ()
    """First events. Each is a table of the plan by its own name, after all tables of the catalogue."""
    having: Annotated[tuple[Having, ...], Field(max_length=MAX_HAVING)] = ()
    """Conditions that rows of the released table must all meet."""

    @model_validator(mode="before")
    @classmethod
    def _not_too_long(cls, raw: Any) -> Any:
        refuse_swarms(raw)
        fields = raw if isinstance(raw, dict) else {}
        for name, most in (("joins", MAX_JOINS), ("group_by", MAX_DIMENSIONS), ("measures", MAX_MEASURES)):
            if isinstance(fields.get(name), list | tuple) and len(fields[name]) > most:
                raise ValueError(f"a plan has at most {most} {name}")
        return raw

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
        named_firsts = [first.name for first in self.firsts]
        if list(dict.fromkeys(named_firsts)) != tables[len(tables) - len(named_firsts) :]:
            raise ValueError("the last tables of a plan are its first events, each once, in their order")
        if len([leaf for first in self.firsts for leaf in leaves(first.event.where)]) > MAX_TERMS:
            raise ValueError(f"the first events of a plan have at most {MAX_TERMS} comparisons together")
        if len({(group.column, group.bin, group.width, group.case) for group in self.group_by}) != len(self.group_by):
            raise ValueError("a plan groups by a column once")
        grouped = {group.column for group in self.group_by}
        if outside := {column for measure in self.measures for column in measure.within} - grouped:
            raise ValueError(f"a share can be within grouped columns only, not {sorted(outside)[0]}")
        if self.margins and not self.group_by:
            raise ValueError("totals need groups to add up")
        labels = [part.label for part in self.parts if part.label]
        if len(set(labels)) != len(labels):
            raise ValueError("two columns of the result have the same label")
        if self.order_by and (unknown := {order.by for order in self.order_by} - set(self.names)):
            raise ValueError(f"the result has no column {sorted(unknown)[0]} to order by")
        if self.having and (unknown := {having.by for having in self.having} - set(self.names[len(self.group_by) :])):
            raise ValueError(f"the result has no measure {sorted(unknown)[0]} to compare")
        named = [one.name for one in self.differences]
        if len(set(named)) != len(named) or set(named) - names_used(self.group_by, self.measures, self.where):
            raise ValueError("each difference of dates has a name of its own, and a measure, a group or a condition of it")
        if self.having and self.margins:
            raise ValueError("rows are chosen by their measures in a question without totals")
        return self

    @property
    def tables(self) -> tuple[str, ...]:
        """The table and the joined ones, in order."""
        return (self.table, *(join.table for join in self.joins))

    @property
    def events(self) -> tuple[Event, ...]:
        """All events that are looked for: the cohort's, and the first events."""
        return (*(self.cohort.events if self.cohort is not None else ()), *(first.event for first in self.firsts))

    @property
    def parts(self) -> "tuple[Group | Measure, ...]":
        """The parts of the plan behind the result's columns: the groups, then the measures."""
        return (*self.group_by, *self.measures)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the result's columns: the groups', then the measures'; labels where given, otherwise made from the columns."""
        taken = {part.label for part in self.parts if part.label}
        names = []
        for part in self.parts:
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
            cohort=self.cohort.question if self.cohort is not None else None,
            where=self.where,
            group_by=tuple(group.model_copy(update={"label": None}) for group in self.group_by),
            measures=tuple(
                measure.model_copy(update={"label": None, **({"column": None} if measure.of_persons else {})}) for measure in self.measures
            ),
            margins=self.margins,
            differences=self.differences,
            firsts=self.firsts,
        )


def names_used(groups: Iterable[Group], measures: Iterable[Measure], where: Predicate | None) -> set[str]:
    """The columns, and differences of dates, that a question's groups, measures and conditions name."""
    of_measures = {column for measure in measures for column in (measure.column, measure.other) if column is not None}
    return of_measures | {group.column for group in groups} | {leaf.column for leaf in leaves(where)}


def _plain_name(part: Group | Measure) -> str:
    if not isinstance(part, Group):
        return part.plain_name
    name = split(part.column)[1]
    return f"{name}_{part.bin}"[:63] if part.bin else name
