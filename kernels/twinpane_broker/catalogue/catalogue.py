"""What a site publishes about its data: tables, columns, roles, code lists, units, and the twin's recipe.

The catalogue is public to the project, so everything in it has passed the disclosure rules. Shares are rounded. Codes that fewer persons
than the threshold hold are not listed. Knots are rounded quantiles and never extremes.
"""

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from twinpane_broker.model import Closed

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
SiteId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,29}$")]
Text = Annotated[str, StringConstraints(max_length=300)]
ColumnRef = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}\.[A-Za-z_][A-Za-z0-9_]{0,62}$")]
"""A column as ``table.column``."""
Share = Annotated[float, Field(ge=0, le=1)]
CodeValue = bool | int | float | Annotated[str, StringConstraints(max_length=200)]


class Role(StrEnum):
    """What a column may be used for; an unlisted column does not exist."""

    dimension = "dimension"  # approved codes or bins; may group and filter
    measure = "measure"  # a number with bounds; may be averaged
    date = "date"  # binned to month, quarter or year in results
    key = "key"  # joins tables; never shown
    text = "text"  # free text; never queried, in the notebook's files only where the steward says so
    image = "image"
    hidden = "hidden"  # not in the project's files, not in the twin, not queryable


class ColumnType(StrEnum):
    """Storage types, the same in the twin's and the site's Parquet files."""

    boolean = "boolean"
    integer = "integer"  # 64 bits
    double = "double"
    varchar = "varchar"
    date = "date"
    timestamp = "timestamp"  # microseconds, no zone


class Code(Closed):
    """One approved value of a dimension and the rounded share of persons' rows that hold it."""

    value: CodeValue
    label: Text = ""
    share: Share
    routine: bool = Field(default=False, exclude_if=lambda routine: not routine)
    """Of a test: whether so many persons have it that nearly all of a group may have it too, without disclosing a class. Who has it, and
    what came out, acquaintances still do not know."""


Cuts = Annotated[tuple[float, ...], Field(exclude_if=lambda cuts: not cuts)]
"""Left out where there are none, so that a catalogue without them has the bytes that it had."""


class Given(Closed):
    """A column's values in the rows where the column that it follows holds ``code``: one value, or numbers like these knots."""

    code: CodeValue
    value: CodeValue | None = None
    knots: tuple[float, ...] = ()
    precision: float | None = None
    """The step that numbers of this code are recorded in, where it is coarser than the column's."""
    cuts: Cuts = ()
    """Where ranges of numbers of this code may cut too."""


class Column(Closed):
    """A column, its role, and the recipe from which the twin draws similar values."""

    name: Identifier
    type: ColumnType
    role: Role
    label: Text = ""
    unit: Annotated[str, StringConstraints(max_length=40)] = ""
    missing: Share = 0.0
    """Share of rows without a value, rounded to 0.01."""
    few_missing: bool = Field(default=False, exclude_if=lambda few: not few)
    """Where ``missing`` is 0: whether a few persons may lack a value all the same, or none; which of the two is not published."""
    sensitive: bool = True
    """Whether to learn that nearly all of a group hold one code, or lie in one bin, would tell of its persons (class disclosure)."""
    codes: tuple[Code, ...] = ()
    """Of a dimension: the approved codes. Rarer ones are one remainder that is not listed."""
    others: Share = 0.0
    """Of a dimension: the rounded share of rows that hold other codes; 0 where fewer persons than the threshold have such a row."""
    bounds: tuple[float, float] | None = None
    """Of a measure: contributions are clipped to these before any sum. A dimension of numbers that has bounds is a measure too."""
    precision: float | None = None
    """Of a measure: the smallest step of a published number, in its unit."""
    edges: tuple[float, ...] = ()
    """Of a measure: further values at which a query's ranges may cut, beside bounds, knots and an even grid of steps."""
    cuts: Cuts = ()
    """Of a measure: further ones to which quantiles do not snap: clinical cut points, single years of age."""
    knots: tuple[float, ...] = ()
    """Of a measure: rounded quantiles at equal steps of probability, from the 5th to the 95th percentile."""
    days: tuple[date, ...] = ()
    """Of a date: quantiles like knots, rounded to the first of a month."""
    after: Identifier | None = None
    """Of a date: the column of the same table that it never precedes."""
    longest: Annotated[int, Field(gt=0)] | None = Field(default=None, exclude_if=lambda days: days is None)
    """Of a date that is ``after`` another: so many days lie between the two at most, but for fewer persons than the threshold."""
    references: Annotated[str, StringConstraints(pattern=r"^\w+\.\w+$")] | None = None
    """Of a key: ``table.column`` of the key it joins to."""
    follows: Identifier | None = None
    """The dimension of the same table that this column depends on: a name follows its code, a lab value its lab."""
    given: tuple[Given, ...] = ()
    """Of a column that follows another: what it holds for each of that column's codes."""

    @property
    def may_lack(self) -> bool:
        """Whether a row may have no value."""
        return self.missing > 0 or self.few_missing

    @property
    def known_bounds(self) -> tuple[float, float]:
        """The bounds of a measure; raises ValueError if a column of another role has none."""
        if self.bounds is None:
            raise ValueError(f"{self.name} is no measure and has no bounds")
        return self.bounds

    def are_routine(self, codes: Iterable[CodeValue]) -> bool:
        """Whether each of these codes is a routine test."""
        return {code.value for code in self.codes if code.routine}.issuperset(codes)

    @property
    def measured(self) -> bool:
        """Whether it may be averaged: a measure, or a dimension that is one too."""
        return self.bounds is not None and self.role in (Role.measure, Role.dimension)

    @property
    def unlisted(self) -> float:
        """The share of rows that hold other codes than the listed ones; 0 if these are all that may be told.

        A catalogue that does not say it, as one written by hand, says it by what its other shares leave, beyond what rounding explains.
        """
        rest = 1 - sum(code.share for code in self.codes) - self.missing
        return max(self.others, rest if rest >= 0.01 + 0.0005 * len(self.codes) else 0.0)

    @model_validator(mode="after")
    def _role_has_what_it_needs(self) -> Self:
        if self.role is Role.measure and self.bounds is None:
            raise ValueError(f"measure {self.name} needs bounds")
        if self.role is Role.dimension and self.bounds is not None and self.type not in (ColumnType.integer, ColumnType.double):
            raise ValueError(f"{self.name} has bounds, and only numbers have")
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise ValueError(f"bounds of {self.name} must rise")
        return self


class Table(Closed):
    """A table of events or persons; every table names the key of its unit of privacy, the person."""

    name: Identifier
    label: Text = ""
    person_key: Identifier
    columns: tuple[Column, ...]
    rows_per_person: tuple[Share, ...] = (0.0, 1.0)
    """Rounded share of persons with 0, 1, 2, … rows; the last entry stands for that many or more."""

    @model_validator(mode="after")
    def _person_key_exists(self) -> Self:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError(f"table {self.name} lists a column twice")
        if self.person_key not in names:
            raise ValueError(f"table {self.name} has no column {self.person_key}, its person key")
        return self

    def column(self, name: str) -> Column | None:
        """The column of that name, None where there is none or it is hidden."""
        return next((c for c in self.columns if c.name == name and c.role is not Role.hidden), None)

    def known_column(self, name: str) -> Column:
        """A column that is known to be there; raises KeyError where it is not."""
        column = self.column(name)
        if column is None:
            raise KeyError(f"table {self.name} has no column {name}")
        return column

    @property
    def visible(self) -> tuple[Column, ...]:
        """The columns that exist for the project: all but the hidden ones, and without recipes that tell of hidden columns or codes."""
        listed = {c.name: frozenset(code.value for code in c.codes) for c in self.columns if c.role is not Role.hidden}
        return tuple(_told_apart(c, listed) for c in self.columns if c.role is not Role.hidden)


def _told_apart(column: Column, listed: dict[str, frozenset[CodeValue]]) -> Column:
    """The column, its recipe stripped of columns and codes that are not ``listed``."""
    given = tuple(
        g for g in column.given if g.code in listed.get(column.follows or "", ()) and (g.value is None or g.value in listed[column.name])
    )
    follows = column.follows if column.follows in listed else None
    after = column.after if column.after in listed else None
    if (follows, given, after) == (column.follows, column.given, column.after):
        return column  # always so in a published catalogue: copies are expensive, and every name of every question is looked up here
    longest = column.longest if after is not None else None
    return column.model_copy(update={"follows": follows, "given": given, "after": after, "longest": longest})


class Catalogue(Closed):
    """All a project may know of a site's data before it asks anything."""

    version: int = 1
    site: SiteId
    title: Text = ""
    snapshot: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    """The name of the frozen state of the data that answers come from."""
    persons: int = Field(ge=0)
    """Number of persons, rounded down to the policy's base."""
    tables: tuple[Table, ...]

    @model_validator(mode="after")
    def _one_table_of_a_name(self) -> Self:
        names = [table.name for table in self.tables]
        if len(set(names)) != len(names):
            raise ValueError("a table is listed twice")
        return self

    def table(self, name: str) -> Table | None:
        """The table of that name, None where there is none."""
        return next((t for t in self.tables if t.name == name), None)

    def known_table(self, name: str) -> Table:
        """A table that is known to be there; raises KeyError where it is not."""
        table = self.table(name)
        if table is None:
            raise KeyError(f"there is no table {name}")
        return table

    def home(self, table: Table) -> Table | None:
        """The table of persons that a table's person key references; None where it references none."""
        key = table.column(table.person_key)
        owner, _, name = (key.references or "").partition(".") if key is not None else ("", "", "")
        found = self.table(owner) if owner != table.name else None
        return found if found is not None and found.person_key == name else None

    @property
    def published(self) -> "Catalogue":
        """The catalogue as the project sees it: hidden columns left out altogether."""
        return self.model_copy(update={"tables": tuple(t.model_copy(update={"columns": t.visible}) for t in self.tables)})
