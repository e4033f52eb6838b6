"""The broker's own file of a snapshot: approved tables and columns, typed as the catalogue types them, for the engine to open read-only."""

import hashlib
import os
from pathlib import Path

import duckdb

from twinpane_broker.catalogue import Catalogue, Column, ColumnType, Role, Table
from twinpane_broker.closed import canonical_json
from twinpane_broker.errors import EngineError

from .statement import quoted

SQL_TYPES = {
    ColumnType.boolean: "BOOLEAN",
    ColumnType.integer: "BIGINT",
    ColumnType.double: "DOUBLE",
    ColumnType.varchar: "VARCHAR",
    ColumnType.date: "DATE",
    ColumnType.timestamp: "TIMESTAMP",
}
QUERYABLE = (Role.dimension, Role.measure, Role.date, Role.key)
FILE_NAME = "broker.duckdb"


def build(snapshot: Path, catalogue: Catalogue, target: Path | None = None) -> Path:
    """Read ``snapshot/<table>.parquet`` into a DuckDB file (``snapshot/broker.duckdb`` by default) and return its path.

    Only columns that a plan can name go in, and the person keys; NaN becomes missing. Does nothing where the file is already
    made of these files and this catalogue. Raises EngineError, for a steward to read, for a missing file, table or column or a
    column of another type; no value of a row is in its text.
    """
    target = target or snapshot / FILE_NAME
    mark = target.with_suffix(".made-of")
    fingerprint = _fingerprint(snapshot, catalogue)
    if target.exists() and mark.exists() and mark.read_text() == fingerprint:
        return target
    fresh = target.with_suffix(f".{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    try:
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH {_text(str(fresh))} AS made")
            for table in catalogue.tables:
                _read(connection, snapshot / f"{table.name}.parquet", table)
            connection.execute("DETACH made")
        mark.unlink(missing_ok=True)
        os.replace(fresh, target)
        mark.write_text(fingerprint)
    finally:
        fresh.unlink(missing_ok=True)
    return target


def queryable(table: Table) -> tuple[Column, ...]:
    """The columns that the engine needs of a table."""
    return tuple(column for column in table.columns if column.role in QUERYABLE or column.name == table.person_key)


def _read(connection: duckdb.DuckDBPyConnection, file: Path, table: Table) -> None:
    if not file.is_file():
        raise EngineError(f"the snapshot has no file {file.name}, but the catalogue lists the table {table.name}")
    source = f"read_parquet({_text(str(file))})"
    try:
        present = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}  # noqa: S608
    except duckdb.Error:
        raise EngineError(f"{file.name} cannot be read as Parquet") from None
    for column in queryable(table):
        if column.name not in present:
            which = "its person key" if column.name == table.person_key else f"a {column.role} of the catalogue"
            raise EngineError(f"{file.name} has no column {column.name}, {which}")
    chosen = ", ".join(f"{_typed(column)} AS {quoted(column.name)}" for column in queryable(table))
    try:
        connection.execute(f"CREATE TABLE made.main.{quoted(table.name)} AS SELECT {chosen} FROM {source}")  # noqa: S608
    except duckdb.Error:
        raise EngineError(f"a column of {file.name} does not have the type that the catalogue gives it, or the disk is full") from None


def _typed(column: Column) -> str:
    value = f"CAST({quoted(column.name)} AS {SQL_TYPES[column.type]})"
    # NaN compares as larger than every number, and would sit in every range without an upper end.
    return f"CASE WHEN isnan({value}) THEN NULL ELSE {value} END" if column.type is ColumnType.double else value


def _fingerprint(snapshot: Path, catalogue: Catalogue) -> str:
    files = []
    for table in catalogue.tables:
        file = snapshot / f"{table.name}.parquet"
        stat = file.stat() if file.is_file() else None
        files.append([table.name, stat.st_size if stat else None, stat.st_mtime_ns if stat else None])
    columns = [[table.name, [[column.name, column.type] for column in queryable(table)]] for table in catalogue.tables]
    return hashlib.sha256(canonical_json([duckdb.__version__, catalogue.snapshot, columns, files])).hexdigest()


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
