"""What a SELECT says, before names are looked up: the small tree that both parsers read the text into.

Nothing here can hold more than a plan can say. Two readers fill it: one from sqlglot's tree (``glot``), one from DuckDB's own
(``duck``). ``compose`` turns it into the plan. A text is a question only if both readings give the same plan.
"""

from dataclasses import dataclass, field

from twinpane_broker.aggregates.registry import MeasureKind
from twinpane_broker.question.plan import Bin, Unit

WRITTEN = {"%Y": "year", "%Y-%m": "month"}
"""The formats that write a bin of dates as the release names it."""
Value = bool | int | float | str
"""A literal. Dates are text (``2020-01-31``) until the operator tells what is meant."""


@dataclass(frozen=True, slots=True)
class Name:
    """A column, with or without the table's name or alias before it, as written."""

    column: str
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A table of FROM or JOIN, and its alias. A schema before its name says nothing, and is left out."""

    table: str
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Derived:
    """A SELECT in brackets as a table of FROM or JOIN."""

    query: "Query"
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """A joined table: on a condition, on the one name of USING, or on nothing (a comma). ``outer``: LEFT JOIN."""

    source: Source | Derived
    on: "Condition | str | None"
    outer: bool = False


@dataclass(frozen=True, slots=True)
class Days:
    """The days from one date to another, or calendar years (``unit``), used like a measure."""

    since: Name
    until: Name
    unit: Unit | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """A term that splits the cells: a column, a date in its bin, or a measure in bins of a width."""

    column: Name | Days
    bin: Bin | None = None
    width: float | None = None


@dataclass(frozen=True, slots=True)
class Cases:
    """``CASE``: conditions with the value that each gives, and the value of all other rows."""

    arms: tuple[tuple["Condition", Value], ...]
    otherwise: Value | None = None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A measure; ``within`` are the groups that a share is a share of. ``present``: ``count(column)``, of rows with a value."""

    kind: MeasureKind
    column: Name | Days | None = None
    other: Name | None = None
    percent: int | None = None
    within: tuple[Split, ...] = ()
    present: bool = False
    of_rows: bool = False
    """Of a share: whether it counts rows, as it is written. They are persons where everybody has one."""
    only: "Condition | None" = None
    """The condition that its rows meet: FILTER, or a CASE of one arm inside it."""
    asked: str = field(default="", compare=False)
    """That condition as it can be pasted; for people alone."""


def share_of(part: Aggregate, whole: Aggregate, within: tuple[Split, ...]) -> Aggregate | None:
    """A share, by what is counted above and below the line; None if these are not the same, or no count."""
    if part != whole or part.kind not in (MeasureKind.persons, MeasureKind.count):
        return None
    return Aggregate(kind=MeasureKind.share, column=part.column, within=within, of_rows=part.kind is MeasureKind.count)


@dataclass(frozen=True, slots=True)
class Extreme:
    """``min(column)`` or ``max(column)``: no measure, but the first day of a person's events where these are grouped by person."""

    name: str
    column: Name


@dataclass(frozen=True, slots=True)
class Numbered:
    """``row_number() OVER (PARTITION BY … ORDER BY …)``: 1 is a person's first event where it is by person."""

    by: tuple[Name, ...]
    order: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal as a column: it tells nothing, and is left out of the plan."""

    value: Value | None


@dataclass(frozen=True, slots=True)
class Everything:
    """``*`` or ``alias.*``: only inside a SELECT in brackets, which a plan looks through."""

    table: str | None = None


What = Split | Cases | Aggregate | Extreme | Numbered | Constant | Everything


@dataclass(frozen=True, slots=True)
class Item:
    """One selected expression and its label."""

    what: What
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the SELECT list, from 1."""

    place: int


Term = What | Position


@dataclass(frozen=True, slots=True)
class Sorted:
    """One term of ORDER BY."""

    by: Term
    descending: bool


@dataclass(frozen=True, slots=True)
class YearOf:
    """The year of a day, in a comparison."""

    column: Name


@dataclass(frozen=True, slots=True)
class Shifted:
    """A date with so many days added, in a comparison: ``day + INTERVAL 30 DAY``."""

    column: Name
    days: int


Side = Name | Value | YearOf | Days | Shifted | Aggregate
"""A side of a comparison."""


@dataclass(frozen=True, slots=True)
class Compared:
    """``left op right`` with op one of = <> < <= > >=. Aggregates are compared in HAVING alone."""

    op: str
    left: Side
    right: Side


MIRRORED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}
"""Each comparison by size with its sides changed."""


def of_year(year: int, born: Name, op: str, age: int) -> Compared:
    """``2024 - year_of_birth >= 18`` as a comparison of the column: ``year_of_birth <= 2006``."""
    return Compared(op=MIRRORED.get(op, op), left=born, right=year - age)


@dataclass(frozen=True, slots=True)
class Among:
    """``column IN (codes)``."""

    column: Name | YearOf
    codes: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Belongs:
    """``column IN (SELECT …)``; without a column, ``EXISTS (SELECT …)``."""

    column: Name | None
    query: "Query"


@dataclass(frozen=True, slots=True)
class Between:
    """``column BETWEEN low AND high``, both ends in."""

    column: Name | YearOf | Days | Aggregate
    low: Value
    high: Value


@dataclass(frozen=True, slots=True)
class Like:
    """``column LIKE pattern``: no plan says it, but its refusal names the codes that match."""

    column: Name
    pattern: str
    any_case: bool
    negated: bool


@dataclass(frozen=True, slots=True)
class IsNull:
    """``column IS NULL``."""

    column: Name | Days


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


Condition = Name | Compared | Among | Belongs | Between | Like | IsNull | IsTruth | Negated | Every | Either


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT. ``groups`` is None for GROUP BY ALL; ``sets`` are the grouping sets as places in ``groups``, where any were written.

    ``named``: the SELECTs of its WITH, by name.
    """

    source: Source | Derived
    joins: tuple[Joined, ...]
    where: Condition | None
    items: tuple[Item, ...]
    groups: tuple[Term, ...] | None
    sets: tuple[frozenset[int], ...] | None
    order: tuple[Sorted, ...]
    limit: int | None
    having: Condition | None = None
    distinct: bool = False
    first: Numbered | Name | None = None
    """``QUALIFY … = 1``: of the rows that are numbered so, the first ones alone."""
    named: tuple[tuple[str, "Query"], ...] = ()
