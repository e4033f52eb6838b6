"""Freezes one table of the source: the approved columns in the catalogue's types, without rows that belong to no person.

A value that the catalogue's type cannot hold stops the freeze: no number is rounded, and no two persons become one.
"""

# ruff: noqa: S608 - names in the SQL are quoted here and come from the schema and the catalogue.

import contextlib
import os
from pathlib import Path

import duckdb

from twinpane_broker import Catalogue, Column, ColumnType, Role, Table

from .draft.column_types import DUCKDB_TYPES, changes, in_type, key_in_type
from .draft.source import Source, SourceTable, quoted
from .errors import ConfigError

_STORED = {
    ColumnType.boolean: ("BOOLEAN", (None,)),
    ColumnType.integer: ("INT64", (None, "INT_64")),
    ColumnType.double: ("DOUBLE", (None,)),
    ColumnType.varchar: ("BYTE_ARRAY", ("UTF8",)),
    ColumnType.date: ("INT32", ("DATE",)),
    ColumnType.timestamp: ("INT64", ("TIMESTAMP_MICROS",)),
}
"""How Parquet stores the catalogue's types in the twin's files: physical type, and its meaning."""
_AT_ONCE = 500
"""Columns that are checked in one pass."""
_WITHOUT_ZONE = "isAdjustedToUTC=0"


def check_joins(catalogue: Catalogue) -> None:
    """Raise ConfigError for a key of another type than the key that it references: a join of the two would find nothing."""
    for table in catalogue.tables:
        for column in table.columns:
            owner, _, name = (column.references or "").partition(".")
            home = catalogue.table(owner)
            target = home.column(name) if home is not None else None
            if column.role is Role.key and target is not None and target.type is not column.type:
                raise ConfigError(
                    f"catalogue.toml: key {table.name}.{column.name} is {column.type.value}, and {column.references}, which it joins to, "
                    f"is {target.type.value}. Give both one type: integer if all values are whole numbers as usually written, else varchar."
                )


def freeze_table(source: Source, catalogue: Catalogue, table: Table, place: Path, path: Path) -> None:
    """Write the table to the Parquet file ``path``, or link it where the source's file is just that. ``place`` names the source.

    Raises ConfigError for what the source does not have or the catalogue's types do not hold, OSError where the disk is full.
    """
    found = _found(source, table, place)
    owners = _found(source, home, place) if (home := catalogue.home(table)) is not None else None
    try:
        if found.file is not None and _as_it_is(source, found, table) and not _left_out(source, found, table, home, owners):
            with contextlib.suppress(OSError):  # another file system: copy then
                os.link(found.file.resolve(), path)
                return
        _check_values(source, found, table)
        columns = ", ".join(f"{_value(found, table, column)} AS {quoted(column.name)}" for column in table.visible)
        target = str(path).replace("'", "''")
        # DuckDB marks columns that it knows to be filled; the twin's files do not, and programs see that in a schema.
        source.connection.execute("SET disabled_optimizers = 'statistics_propagation'")
        rows = f"SELECT {columns} FROM {_rows(found, table, home, owners)}"
        source.connection.execute(f"COPY ({rows}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    except duckdb.ConversionException:
        raise ConfigError(_wrong_type(source, found, table)) from None
    except duckdb.Error as error:
        if isinstance(error, duckdb.IOException):
            raise OSError(str(error).splitlines()[0]) from None
        raise ConfigError(f"{found.where} cannot be read: {str(error).splitlines()[0]}") from None
    path.chmod(0o400)


def _found(source: Source, table: Table, place: Path) -> SourceTable:
    found = source.table(table.name)
    if found is None:
        why = source.why_unread(table.name)
        said = f" ({why})" if why else ""
        raise ConfigError(
            f"{place} has no table {table.name}, which the catalogue lists{said}. Restore it, or take it out of catalogue.toml."
        )
    if table.person_key.lower() not in found.columns:
        raise ConfigError(
            f"{found.where} has no column {table.person_key}, the person key of table {table.name}. Every table needs one: thresholds "
            "count persons. Add the column, or take the table out of catalogue.toml."
        )
    key = table.column(table.person_key)
    if key is None or key.role is not Role.key:
        raise ConfigError(f"The person key {table.person_key} of table {table.name} has to have the role key in catalogue.toml.")
    for column in table.visible:
        if column.name.lower() not in found.columns:
            raise ConfigError(f"{found.where} has no column {column.name}, which the catalogue lists. Restore it, or drop it there.")
    return found


def _raw(found: SourceTable, column: Column) -> tuple[str, str]:
    """SQL of the source's column in the rows ``s``, and DuckDB's type of it."""
    return f"s.{quoted(column.name)}", found.raw[column.name.lower()]


def _value(found: SourceTable, table: Table, column: Column) -> str:
    read = key_in_type if column.name == table.person_key else in_type
    return read(*_raw(found, column), column.type)


def _key(found: SourceTable, table: Table) -> str:
    return _value(found, table, table.known_column(table.person_key))


def _rows(found: SourceTable, table: Table, home: Table | None, owners: SourceTable | None) -> str:
    """The rows ``s`` of persons: of known ones where the key references a table of them."""
    key = _key(found, table)
    if home is None or owners is None:
        return f"{found.relation} s WHERE {key} IS NOT NULL"
    persons = f"(SELECT {_key(owners, home)} AS person FROM {owners.relation} s)"
    return f"{found.relation} s SEMI JOIN {persons} p ON p.person = {key}"


def _left_out(source: Source, found: SourceTable, table: Table, home: Table | None, owners: SourceTable | None) -> bool:
    """Whether some rows belong to no person."""
    return _count(source, f"SELECT count(*) FROM {found.relation}") > _count(
        source, f"SELECT count(*) FROM {_rows(found, table, home, owners)}"
    )


def _as_it_is(source: Source, found: SourceTable, table: Table) -> bool:
    """Whether the file may be shown as it is: the approved columns in order, stored as the twin's are, and no metadata of its writer."""
    stored = source.connection.execute(
        "SELECT name, type, repetition_type, converted_type, coalesce(logical_type, '') FROM parquet_schema(?) WHERE column_id > 0 "
        "ORDER BY column_id",
        [found.where],
    ).fetchall()
    if len(stored) != len(table.visible):
        return False
    for column, (name, kind, repetition, meaning, logical) in zip(table.visible, stored, strict=True):
        physical, meanings = _STORED[column.type]
        same = (name, kind, repetition) == (column.name, physical, "OPTIONAL") and meaning in meanings
        same = same and (column.type is not ColumnType.timestamp or _WITHOUT_ZONE in logical)
        if not same or found.raw.get(column.name.lower()) != DUCKDB_TYPES[column.type]:
            return False
    return _count(source, "SELECT count(*) FROM parquet_kv_metadata(?)", found.where) == 0


def _check_values(source: Source, found: SourceTable, table: Table) -> None:
    asked: list[tuple[Column, str]] = []
    for column in table.visible:
        changed = changes(*_raw(found, column), column.type, identity=column.role in (Role.key, Role.dimension))
        if changed is not None:
            asked.append((column, changed))
    for start in range(0, len(asked), _AT_ONCE):
        part = asked[start : start + _AT_ONCE]
        counts = ", ".join(f"count(*) FILTER (WHERE {changed})" for _, changed in part)
        row = source.connection.execute(f"SELECT {counts} FROM {found.relation} s").fetchall()[0]
        for (column, _), count in zip(part, row, strict=True):
            if count and column.type is ColumnType.double:
                raise ConfigError(
                    f"{found.where}: column {column.name} holds numbers that a double cannot tell apart. Give it the type integer in "
                    "catalogue.toml, or varchar where they do not fit 64 bits."
                )
            if count:
                raise ConfigError(_no_such_type(found, column))


def _wrong_type(source: Source, found: SourceTable, table: Table) -> str:
    for column in table.visible:
        try:
            _count(source, f"SELECT count({_value(found, table, column)}) FROM {found.relation} s")
        except duckdb.ConversionException:
            return _no_such_type(found, column)
    return f"{found.where}: a column holds values that are not of the catalogue's type."


def _no_such_type(found: SourceTable, column: Column) -> str:
    return f"{found.where}: column {column.name} holds values that are no {column.type.value}. Correct the data, or catalogue.toml."


def _count(source: Source, sql: str, *values: str) -> int:
    found: int = source.connection.execute(sql, list(values)).fetchall()[0][0]
    return found
