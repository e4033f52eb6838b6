"""The data a draft is made from: a folder of Parquet files, one per table, or a DuckDB file, opened read-only."""

# ruff: noqa: S608 - names in the SQL are quoted here and come from the schema; values are bound.

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from twinpane_broker import ColumnType
from twinpane_site.errors import ConfigError

# pandas writes a frame's row numbers as __index_level_0__: an identifier of rows that nobody meant to store.
_IDENTIFIER = re.compile(r"^(?!__index_level_)[A-Za-z_][A-Za-z0-9_]{0,62}$")

DUCKDB_TYPES = {
    ColumnType.boolean: "BOOLEAN",
    ColumnType.integer: "BIGINT",
    ColumnType.double: "DOUBLE",
    ColumnType.varchar: "VARCHAR",
    ColumnType.date: "DATE",
    ColumnType.timestamp: "TIMESTAMP",
}
"""The DuckDB type that a snapshot stores each column type as, so that the twin's files and the site's have the same types."""

_TYPES = (
    (r"BOOLEAN", ColumnType.boolean),
    (r"U?(TINY|SMALL|BIG)INT|U?INTEGER", ColumnType.integer),
    (r"U?HUGEINT|FLOAT|DOUBLE|DECIMAL.*", ColumnType.double),
    (r"VARCHAR|ENUM.*|UUID|JSON", ColumnType.varchar),
    (r"DATE", ColumnType.date),
    (r"TIMESTAMP.*|DATETIME", ColumnType.timestamp),
)


class DraftError(ConfigError):
    """The data cannot be drafted from; says which file and column, and what to do."""


@dataclass(frozen=True)
class SourceTable:
    """A table of the source: its name, what SQL reads it, and its columns with their types (None: a type that is not supported)."""

    name: str
    relation: str
    where: str
    columns: dict[str, ColumnType | None]


@dataclass(frozen=True)
class Source:
    """An open source: a connection on which every table's ``relation`` can be read."""

    connection: duckdb.DuckDBPyConnection
    tables: tuple[SourceTable, ...]
    skipped: tuple[str, ...]


def quoted(name: str) -> str:
    """An identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def open_source(path: Path, memory: str = "2GB") -> Iterator[Source]:
    """Open the data at ``path``; the connection is closed and what it spilled is deleted at the end.

    Raises DraftError where there is no data, or a file cannot be read.
    """
    if not path.exists():
        raise DraftError(f"{path}: there is nothing here. Give a folder of Parquet files, one per table, or a DuckDB file.")
    with TemporaryDirectory(prefix="twinpane-draft-") as spill, duckdb.connect() as connection:
        connection.execute("set memory_limit = ?", [memory])
        connection.execute("set temp_directory = ?", [spill])
        connection.execute("set autoinstall_known_extensions = false")
        tables, skipped = _parquet(connection, path) if path.is_dir() else _database(connection, path)
        if not tables:
            raise DraftError(f"{path}: no table found. Give a folder of files named <table>.parquet, or a DuckDB file with tables.")
        yield Source(connection, tuple(tables), tuple(skipped))


def _parquet(connection: duckdb.DuckDBPyConnection, folder: Path) -> tuple[list[SourceTable], list[str]]:
    tables: list[SourceTable] = []
    skipped: list[str] = []
    for file in sorted(folder.iterdir()):
        if file.name.startswith("."):
            continue
        if file.suffix != ".parquet" or not file.is_file():
            skipped.append(f"{file.name}: skipped, as it is no Parquet file")
        elif not _IDENTIFIER.match(file.stem):
            skipped.append(f"{file.name}: skipped, as a table's name has only letters, digits and _")
        else:
            relation = "read_parquet('" + str(file).replace("'", "''") + "')"
            tables.append(SourceTable(file.stem, relation, str(file), _columns(connection, relation, str(file))))
    return tables, skipped


def _database(connection: duckdb.DuckDBPyConnection, file: Path) -> tuple[list[SourceTable], list[str]]:
    try:
        connection.execute("attach '" + str(file).replace("'", "''") + "' as data (read_only)")
    except duckdb.Error as error:
        raise DraftError(
            f"{file}: not a DuckDB file that this version can open ({_first_line(error)}). "
            "Give a DuckDB file or a folder of Parquet files, and close other programs that write to it."
        ) from error
    rows = connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = 'data'"
        " union all select schema_name, view_name from duckdb_views() where database_name = 'data' and not internal"
        " order by all"
    ).fetchall()
    tables: list[SourceTable] = []
    skipped: list[str] = []
    for schema, name in rows:
        if any(t.name == name for t in tables):
            skipped.append(f"{schema}.{name}: skipped, as a table of that name was found in another schema")
        elif not _IDENTIFIER.match(name):
            skipped.append(f"{name}: skipped, as a table's name has only letters, digits and _")
        else:
            relation = f"data.{quoted(schema)}.{quoted(name)}"
            tables.append(SourceTable(name, relation, f"{file} table {name}", _columns(connection, relation, f"{file} table {name}")))
    return tables, skipped


def _columns(connection: duckdb.DuckDBPyConnection, relation: str, where: str) -> dict[str, ColumnType | None]:
    try:
        described = connection.execute(f"describe select * from {relation}").fetchall()
    except duckdb.Error as error:
        raise DraftError(f"{where}: cannot be read ({_first_line(error)}). Repair the file, or move it out of the way.") from error
    return {name: _type(kind) if _IDENTIFIER.match(name) else None for name, kind, *_ in described}


def _type(kind: str) -> ColumnType | None:
    return next((found for pattern, found in _TYPES if re.fullmatch(pattern, kind)), None)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
