"""The data a draft is made from: a folder of tables (Parquet, CSV), or a DuckDB file, opened read-only.

Names are compared and drafted in small letters, whatever case a database exported them in.
"""

# ruff: noqa: S608 - names in the SQL are quoted here and come from the schema; values are bound.

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from twinpane_broker import ColumnType
from twinpane_site.errors import ConfigError

from . import column_types
from .csv_files import Unreadable
from .folder_tables import Unread, folder_tables

# pandas writes a frame's row numbers as __index_level_0__: an identifier of rows that nobody meant to store.
_IDENTIFIER = re.compile(r"^(?!__index_level_)[A-Za-z_][A-Za-z0-9_]{0,62}$")
WHAT = "a folder with one Parquet or CSV file per table, or a DuckDB file"


class DraftError(ConfigError):
    """The data cannot be drafted from; says which file and column, and what to do."""


@dataclass(frozen=True)
class SourceTable:
    """A table of the source: its name, what SQL reads it, and its columns with their types (None: a type that is not supported).

    Names are in small letters. ``raw`` are DuckDB's types, ``untyped`` the columns that are text because the source says no more of them.
    """

    name: str
    relation: str
    where: str
    columns: dict[str, ColumnType | None]
    raw: dict[str, str] = field(default_factory=dict)
    untyped: frozenset[str] = frozenset()

    is_view: bool = False

    @property
    def file(self) -> Path | None:
        """The Parquet file that is the table, None where it is not one."""
        return Path(self.where) if self.relation.startswith("read_parquet('") else None


@dataclass(frozen=True)
class Source:
    """An open source: a connection on which every table's ``relation`` can be read, and why parts of it are not among the tables."""

    connection: duckdb.DuckDBPyConnection
    tables: tuple[SourceTable, ...]
    unread: tuple[Unread, ...]

    def table(self, name: str) -> SourceTable | None:
        """The table of that name, in any case."""
        return next((table for table in self.tables if table.name == name.lower()), None)

    def why_unread(self, name: str) -> str | None:
        """Why there is no such table, where something of that name could not be read."""
        return next((part.why for part in self.unread if part.name.lower() == name.lower()), None)


def quoted(name: str) -> str:
    """An identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def open_source(path: Path, memory: str = "2GB") -> Iterator[Source]:
    """Open the data at ``path``; the connection is closed and what it spilled is deleted at the end.

    Raises DraftError where there is no data, a file cannot be read, or two files would be one table. A folder or view that cannot be read
    is left out and named in ``unread``.
    """
    if not path.exists():
        raise DraftError(f"{path}: there is nothing here. Give {WHAT}.")
    with TemporaryDirectory(prefix="twinpane-draft-") as spill, duckdb.connect() as connection:
        connection.execute("set memory_limit = ?", [memory])
        connection.execute("set temp_directory = ?", [spill])
        connection.execute("set autoinstall_known_extensions = false")
        with suppress(duckdb.Error):  # time zones are an extension, which not every build of DuckDB has
            connection.execute("set TimeZone = 'UTC'")
        tables: list[SourceTable] = []
        unread: list[Unread] = []
        for part in _folder(connection, path) if path.is_dir() else _database(connection, path):
            if isinstance(part, Unread):
                unread.append(part)
            else:
                _check_single(part, tables)
                tables.append(part)
        if not tables:
            why = "".join(f" {part.why}" for part in unread[:3])
            raise DraftError(f"{path}: no table found. Give {WHAT}.{why}")
        yield Source(connection, tuple(tables), tuple(unread))


def _check_single(table: SourceTable, tables: list[SourceTable]) -> None:
    other = next((each for each in tables if each.name == table.name), None)
    if other is not None:
        raise DraftError(f"{other.where} and {table.where} would both be the table {table.name}. Move one of them out of the way.")


def _folder(connection: duckdb.DuckDBPyConnection, folder: Path) -> Iterator[SourceTable | Unread]:
    try:
        for part in folder_tables(connection, folder):
            if isinstance(part, Unread):
                yield part
            elif not _IDENTIFIER.match(part.name):
                yield Unread(part.name, f"{part.path.name}: skipped, as a table's name has only letters, digits and _")
            else:
                raw = _columns(connection, part.relation, str(part.path))
                untyped = frozenset(raw) if part.untyped is None else part.untyped
                yield _table(part.name, part.relation, str(part.path), raw, untyped)
    except Unreadable as error:
        raise DraftError(str(error)) from None


def _database(connection: duckdb.DuckDBPyConnection, file: Path) -> Iterator[SourceTable | Unread]:
    if re.search(r"\.(parquet|[ct]sv(\.gz)?)$", file.name, re.IGNORECASE):
        raise DraftError(f"{file}: is one table. Give the folder that it lies in.")
    try:
        connection.execute("attach '" + str(file).replace("'", "''") + "' as data (read_only)")
    except duckdb.Error as error:
        raise DraftError(
            f"{file}: not a DuckDB file that this version can open ({_first_line(error)}). "
            f"Give {WHAT}, and close other programs that write to it."
        ) from error
    rows = connection.execute(
        "select schema_name, table_name, false as view from duckdb_tables() where database_name = 'data'"
        " union all select schema_name, view_name, true from duckdb_views() where database_name = 'data' and not internal"
        " order by all"
    ).fetchall()
    found: set[str] = set()
    for schema, name, view in rows:
        where = f"{file} {'view' if view else 'table'} {name}"
        if name.lower() in found:
            yield Unread("", f"{schema}.{name}: skipped, as a table of that name was found in another schema")
        elif not _IDENTIFIER.match(name):
            yield Unread(name, f"{name}: skipped, as a table's name has only letters, digits and _")
        else:
            found.add(name.lower())
            relation = f"data.{quoted(schema)}.{quoted(name)}"
            try:
                yield _table(name, relation, where, _columns(connection, relation, where), is_view=view)
            except DraftError as error:
                if not view:
                    raise
                yield Unread(name, f"{error} Until then the site does without it.")


def _table(
    name: str, relation: str, where: str, raw: dict[str, str], untyped: frozenset[str] = frozenset(), *, is_view: bool = False
) -> SourceTable:
    columns = {column: column_types.type_of(kind) if _IDENTIFIER.match(column) else None for column, kind in raw.items()}
    return SourceTable(name.lower(), relation, where, columns, raw, untyped, is_view)


def _columns(connection: duckdb.DuckDBPyConnection, relation: str, where: str) -> dict[str, str]:
    try:
        described = connection.execute(f"describe select * from {relation}").fetchall()
    except duckdb.Error as error:
        raise DraftError(f"{where}: cannot be read ({_first_line(error)}). Repair it, or move it out of the way.") from error
    return {name.lower(): kind for name, kind, *_ in described}


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
