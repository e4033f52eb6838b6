"""What a SELECT says, before names are looked up: the small tree that both parsers read the text into.

Nothing here can hold more than a plan can say. Two readers fill it: one from sqlglot's tree (``glot``), one from DuckDB's own
(``duck``). ``compose`` turns it into the plan. A text is a question only if both readings give the same plan.
"""

from dataclasses import dataclass

from twinpane_broker.aggregates.registry import MeasureKind
from twinpane_broker.question.plan import Bin

Value = bool | int | float | str
"""A literal. Dates are text (``2020-01-31``) until the operator tells what is meant."""


@dataclass(frozen=True, slots=True)
class Name:
    """A column, with or without the table's name or alias before it, as written."""

    column: str
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A table of FROM or JOIN, and its alias."""

    table: str
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """A joined table: on two columns, or on the one name of USING."""

    source: Source
    on: tuple[Name, Name] | str


@dataclass(frozen=True, slots=True)
class Split:
    """A term that splits the cells: a column, a date in its bin, or a measure in bins of a width."""

    column: Name
    bin: Bin | None = None
    width: float | None = None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A measure; ``within`` are the groups that a share is a share of."""

    kind: MeasureKind
    column: Name | None = None
    other: Name | None = None
    percent: int | None = None
    within: tuple[Split, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One selected expression and its label."""

    what: Split | Aggregate
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the SELECT list, from 1."""

    place: int


Term = Split | Aggregate | Position


@dataclass(frozen=True, slots=True)
class Sorted:
    """One term of ORDER BY."""

    by: Term
    descending: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """``left op right`` with op one of = <> < <= > >=."""

    op: str
    left: "Name | Value"
    right: "Name | Value"


@dataclass(frozen=True, slots=True)
class Among:
    """``column IN (codes)``."""

    column: Name
    codes: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """``column BETWEEN low AND high``, both ends in."""

    column: Name
    low: Value
    high: Value


@dataclass(frozen=True, slots=True)
class IsNull:
    """``column IS NULL``."""

    column: Name


@dataclass(frozen=True, slots=True)
class IsTruth:
    """``column IS TRUE`` or ``IS FALSE``: never unknown, unlike ``column = true``."""

    column: Name
    truth: bool


@dataclass(frozen=True, slots=True)
class Negated:
    """``NOT term``."""

    term: "Condition"


@dataclass(frozen=True, slots=True)
class Every:
    """Terms joined by AND."""

    terms: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Terms joined by OR."""

    terms: tuple["Condition", ...]


Condition = Name | Compared | Among | Between | IsNull | IsTruth | Negated | Every | Either


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT. ``groups`` is None for GROUP BY ALL; ``sets`` are the grouping sets as places in ``groups``, where any were written."""

    source: Source
    joins: tuple[Joined, ...]
    where: Condition | None
    items: tuple[Item, ...]
    groups: tuple[Term, ...] | None
    sets: tuple[frozenset[int], ...] | None
    order: tuple[Sorted, ...]
    limit: int | None
