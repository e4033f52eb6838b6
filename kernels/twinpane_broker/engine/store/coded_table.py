"""Defines the tables of a store once for every engine: a SELECT over each table of the source, in sqlglot's expressions.

An engine renders them in its own dialect, and overrides the parts that differ from DuckDB. It provides the relations that they read:
the source's tables, ``NUMBERS``, and a code list for every dimension. Approved codes are rows of a code list, never part of a statement.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from twinpane_broker.catalogue.catalogue import Catalogue, CodeValue, Column, ColumnType, Role, Table
from twinpane_broker.engine.sql.dialect import PERSON
from twinpane_broker.engine.sql.layout import (
    FIRST_MONTH,
    FIRST_UNLISTED,
    LAST_MONTH,
    NUMBERLESS,
    clipped_name,
    code_indexes,
    code_type,
    dimensions,
    month_name,
    needed,
    person_column,
    stored,
    value_name,
)
from twinpane_broker.question.predicates import LARGEST_UNLISTED

SQL_TYPES = {
    ColumnType.boolean: "BOOLEAN",
    ColumnType.integer: "BIGINT",
    ColumnType.double: "DOUBLE",
    ColumnType.varchar: "TEXT",
    ColumnType.date: "DATE",
    ColumnType.timestamp: "TIMESTAMPNTZ",
}
"""By sqlglot's names."""
AS_TEXT = (ColumnType.date, ColumnType.timestamp)
"""Types whose codes are compared as text, because the catalogue writes them so."""
NUMBERS = "twinpane_numbers"
"""The relation with the register's persons: ``number``, and their key as ``integer`` or as ``text``."""
LISTS_AT_ONCE = 100
"""Code lists that one statement of ``steps`` joins, at most: engines plan and run very many joins badly."""
FAR = 1e15
"""Doubles from here on are no keys that anybody wrote as whole numbers."""


@dataclass(frozen=True)
class CodeList:
    """A relation that an engine provides for a dimension. ``value`` is an approved code, ``i`` its index; types are in its dialect."""

    name: str
    rows: tuple[tuple[CodeValue, int], ...]
    value_type: str
    index_type: str


class CodedTables:
    """The statements that make a store of a catalogue; without overrides, in DuckDB's SQL."""

    dialect: ClassVar[str] = "duckdb"
    """sqlglot's name for it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._tables = catalogue.tables
        places = [(table, column) for table in catalogue.tables for column in dimensions(table)]
        self._lists = {(table.name, column.name): f"twinpane_codes_{place}" for place, (table, column) in enumerate(places)}
        self._dimensions = tuple(column for _, column in places)

    def code_lists(self) -> Iterator[CodeList]:
        """One for every dimension of the catalogue."""
        for name, column in zip(self._lists.values(), self._dimensions, strict=True):
            value_type = exp.DataType.build("TEXT" if column.type in AS_TEXT else SQL_TYPES[column.type])
            yield CodeList(name, code_indexes(column), value_type.sql(self.dialect), code_type(column))

    def keys(self, table: Table) -> exp.Select:
        """The person key of every row that has one, as ``integer`` and ``text``. One of them is NULL, as ``Register.enrol`` expects.

        A whole number is one key however it is stored: 7, 7.0 and '7' name the same person; '07' names another.
        """
        integer, text = self._key(table)
        return self.rows(table).select(_as(integer, "integer"), _as(text, "text"))

    def everybody(self) -> str:
        """Every person of the catalogue's tables once, in the engine's SQL; see ``keys``."""
        return " UNION ".join(self.sql(self.keys(table)) for table in self._tables)

    def coded(self, table: Table) -> exp.Select:
        """The table of the store, in no order; see ``layout``."""
        found, number = self._numbered(table)
        return self._with_columns(found.select(_as(number, PERSON)), table, stored(table))

    def numbered(self, table: Table) -> exp.Select:
        """The rows that have a person, with the person's number and typed values that ``coded_part`` needs."""
        found, number = self._numbered(table)
        return found.select(_as(number, PERSON), *(_as(_column("s", column.name), column.name) for column in stored(table)))

    def coded_part(self, table: Table, columns: Sequence[Column], numbered: str) -> exp.Select:
        """Some columns of the store's table, from a relation that holds ``numbered``."""
        return self._with_columns(exp.select().from_(exp.table_(numbered, alias="s")), table, columns)

    def steps(self, table: Table, relation: Callable[[int], str]) -> list[exp.Select]:
        """The statements that make the table of the store, for an engine that cannot join all its code lists at once.

        The first makes ``relation(0)``, the second ``relation(1)`` from it, and so on; the last one's rows are the table. There is only one
        where the lists are few.
        """
        columns = stored(table)
        if sum(column.role is Role.dimension for column in columns) <= LISTS_AT_ONCE:
            return [self.coded(table)]
        made, done = [self.numbered(table)], [PERSON]
        for at in range(0, len(columns), LISTS_AT_ONCE):
            part, left = columns[at : at + LISTS_AT_ONCE], columns[at + LISTS_AT_ONCE :]
            kept = (_as(_column("s", name), name) for name in (*done, *(column.name for column in left)))
            rows = exp.select(*kept).from_(exp.table_(relation(len(made) - 1), alias="s"))
            made.append(self._with_columns(rows, table, part))
            done += [made_.alias for column in part for made_ in self._made(table, column)]
        return made

    def _numbered(self, table: Table) -> tuple[exp.Select, exp.Expr]:
        """The rows that have a person, with persons' numbers joined; and what gives the number."""
        integer, text = self._key(table)
        found = self.rows(table).join(_numbers("integer", "n"), on=_column("n", "key").eq(integer), join_type="left")
        number: exp.Expr = _column("n", "number")
        if person_column(table).type is not ColumnType.integer:
            found = found.join(_numbers("text", "m"), on=_column("m", "key").eq(text), join_type="left")
            number = exp.func("COALESCE", number, _column("m", "number"))
        return found, number

    def _with_columns(self, rows: exp.Select, table: Table, columns: Sequence[Column]) -> exp.Select:
        made = (expression for column in columns for expression in self._made(table, column))
        return self.with_codes(rows.select(*made), table, columns)

    def _made(self, table: Table, column: Column) -> Iterator[exp.Expr]:
        """The columns of the store that are made of one of the source."""
        value: exp.Expr = _column("s", column.name)
        if column.role is Role.dimension:
            value = self.code(table, column)
        elif column.role is Role.measure:
            value = _clipped(column)
        elif column.role is Role.date:
            value = self.day(value)
        yield _as(value, column.name)
        if column.role is Role.date:
            yield _as(_month(value), month_name(column.name))
        if column.role is Role.dimension and column.measured:
            yield _as(_clipped(column), value_name(column))
        if column.measured:
            yield _as(_is_clipped(column), clipped_name(column.name))

    def code(self, table: Table, column: Column) -> exp.Expr:
        """A dimension's code index, in a SELECT ``with_codes``."""
        value = _column("s", column.name)
        index = exp.func("COALESCE", _column(self._lists[table.name, column.name], "i"), _unlisted(column, value))
        return _unless_missing(value, index)

    def with_codes(self, select: exp.Select, table: Table, columns: Sequence[Column]) -> exp.Select:
        """A SELECT from the table, with the code lists of these of its columns that are dimensions joined to it."""
        for column in columns:
            if column.role is not Role.dimension:
                continue
            name = self._lists[table.name, column.name]
            # In place: sqlglot would copy the whole statement for every join.
            select = select.join(exp.table_(name), on=_column(name, "value").eq(_compared(column)), join_type="left", copy=False)
        return select

    def source(self, table: Table) -> exp.Table:
        """The table as it comes."""
        return exp.table_(f"source_{table.name}", quoted=True)

    def whole(self, text: exp.Expr) -> exp.Expr:
        """The number in a text that is exactly a whole number of 64 bits; NULL for any other text."""
        number = exp.TryCast(this=text.copy(), to=exp.DataType.build("BIGINT"), safe=True)
        return exp.case().when(exp.cast(number, "TEXT").eq(text), number)

    def day(self, value: exp.Expr) -> exp.Expr:
        """The day of a date or timestamp; NULL for infinity."""
        day = exp.cast(value, "DATE")
        return exp.case().when(exp.func("ISFINITE", day), day)

    def sql(self, statement: exp.Select) -> str:
        """A statement in the engine's SQL."""
        return statement.sql(self.dialect)

    def rows(self, table: Table) -> exp.Select:
        """A SELECT from the rows ``s`` that have a person, with typed columns; its select list is still empty."""
        typed = exp.select(*(_as(_typed(column), column.name) for column in needed(table))).from_(self.source(table))
        return exp.select().from_(typed.subquery("s")).where(_present(_column("s", table.person_key)))

    def _key(self, table: Table) -> tuple[exp.Expr, exp.Expr]:
        kind, value = person_column(table).type, _column("s", table.person_key)
        if kind is ColumnType.integer:
            return value, exp.cast(exp.null(), "TEXT")
        text: exp.Expr = exp.cast(value, "TEXT")
        if kind is ColumnType.double:
            whole = exp.and_(value.eq(exp.func("FLOOR", value)), exp.func("ABS", value) < _number(FAR))
            text = exp.case().when(whole, exp.cast(exp.cast(value, "BIGINT"), "TEXT")).else_(text)
        integer = self.whole(text)
        return integer, exp.case().when(integer.is_(exp.null()), text)


def _numbers(kind: str, alias: str) -> exp.Subquery:
    """The persons whose key is of a kind. The condition says that all of them have such a key, which helps the engine's planner."""
    key = exp.column(kind, quoted=True)
    return exp.select("number", _as(key, "key")).from_(NUMBERS).where(_present(key)).subquery(alias)


def _typed(column: Column) -> exp.Expr:
    value = exp.cast(exp.column(column.name, quoted=True), SQL_TYPES[column.type])
    # NaN compares as larger than every number, so it would lie in every range without an upper end.
    return exp.func("NULLIF", value, exp.cast(exp.Literal.string("NaN"), "DOUBLE")) if column.type is ColumnType.double else value


def _unlisted(column: Column, value: exp.Expr) -> exp.Expr:
    """The store's number of a value that is not approved."""
    if column.type is not ColumnType.integer:
        return exp.cast(_number(-1), code_type(column))
    own = exp.cast(exp.paren(_number(FIRST_UNLISTED) - value.copy()), code_type(column))
    return exp.case().when(value.copy().between(0, LARGEST_UNLISTED), own).else_(exp.cast(_number(NUMBERLESS), code_type(column)))


def _compared(column: Column) -> exp.Expr:
    value = _column("s", column.name)
    return exp.cast(value, "TEXT") if column.type in AS_TEXT else value


def _clipped(column: Column) -> exp.Expr:
    return _unless_missing(_column("s", column.name), _between(_double(column), *_ends(column)))


def _is_clipped(column: Column) -> exp.Expr:
    low, high = _ends(column)
    return exp.case().when(exp.or_(_double(column) < low, _double(column) > high), exp.cast(_number(1), "SMALLINT"))


def _ends(column: Column) -> tuple[exp.Expr, exp.Expr]:
    low, high = (exp.cast(_number(float(end)), "DOUBLE") for end in column.known_bounds)
    return low, high


def _double(column: Column) -> exp.Expr:
    value = _column("s", column.name)
    return exp.cast(exp.cast(value, "INT") if column.type is ColumnType.boolean else value, "DOUBLE")


def _month(day: exp.Expr) -> exp.Expr:
    year, month = (exp.cast(part(this=day.copy()), "BIGINT") for part in (exp.Year, exp.Month))
    return _unless_missing(day, exp.cast(_between(year * 12 + month - 1, _number(FIRST_MONTH), _number(LAST_MONTH)), "SMALLINT"))


def _between(value: exp.Expr, low: exp.Expr, high: exp.Expr) -> exp.Expr:
    """The value, clipped to the two ends. Not for a missing value, which would become an end."""
    raised = exp.Greatest(this=value, expressions=[low], ignore_nulls=True)
    return exp.Least(this=raised, expressions=[high], ignore_nulls=True)


def _unless_missing(value: exp.Expr, made: exp.Expr) -> exp.Expr:
    return exp.case().when(_present(value), made)


def _present(value: exp.Expr) -> exp.Expr:
    return value.is_(exp.null()).not_()


def _column(relation: str, name: str) -> exp.Column:
    return exp.column(name, table=relation, quoted=True)


def _as(value: exp.Expr, name: str) -> exp.Expr:
    return exp.alias_(value, name, quoted=True)


def _number(value: float) -> exp.Expr:
    return exp.Literal.number(value)
