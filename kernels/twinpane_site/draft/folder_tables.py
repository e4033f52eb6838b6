"""Which table each entry of a folder is: a Parquet or CSV file, or a folder of Parquet parts as Spark and others write it.

What is not surely one whole table is not read: a note says why and what to do.
"""

# ruff: noqa: S608 - names in the SQL are quoted here and come from the file system.

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from . import csv_files
from .csv_files import Unreadable

_FORMATS = {"_delta_log": "Delta", ".hoodie": "Hudi", "metadata": "Iceberg"}
_PARTITION = re.compile(r"([^=]+)=(.*)")
CONVERT = "duckdb -c \"COPY (FROM '{}') TO '{}.parquet'\""


@dataclass(frozen=True)
class FolderTable:
    """A table of a folder: its name as written there, what SQL reads it, and the columns of whose types nothing is known (None: all)."""

    name: str
    relation: str
    path: Path
    untyped: frozenset[str] | None = frozenset()


@dataclass(frozen=True)
class Unread:
    """An entry that is no table; ``name`` is the table that it would be."""

    name: str
    why: str


def folder_tables(connection: duckdb.DuckDBPyConnection, folder: Path) -> Iterator[FolderTable | Unread]:
    """The entries in the order of their names. Raises Unreadable where the whole folder is one table's."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    part = next((entry for entry in entries if entry.name == "_SUCCESS" or re.match(r"part-\d", entry.name)), None)
    part = part or next((entry for entry in entries if entry.is_dir() and _PARTITION.fullmatch(entry.name)), None)
    if part is not None:
        raise Unreadable(
            f"{folder}: holds the parts of one table ({part.name}). Give the folder that it lies in, and name this one <table>.parquet."
        )
    for entry in entries:
        name = _name(entry)
        try:
            if entry.is_dir():
                yield _parts(connection, entry, name)
            elif entry.suffix.lower() == ".parquet":
                yield FolderTable(name, f"read_parquet({_text(entry)})", entry)
            elif entry.name.lower().endswith(csv_files.ENDINGS):
                yield FolderTable(name, csv_files.relation(entry), entry, None)
            else:
                yield Unread(name, f"{entry.name}: skipped, as it is no Parquet or CSV file")
        except Unreadable as error:
            yield Unread(name, str(error))


def is_data(file: Path) -> bool:
    """Whether a file is one that tables are read from."""
    return file.name.lower().endswith((".parquet", *csv_files.ENDINGS))


def _name(entry: Path) -> str:
    return re.sub(r"(\.parquet|\.[ct]sv(\.gz)?)$", "", entry.name, flags=re.IGNORECASE)


def _parts(connection: duckdb.DuckDBPyConnection, folder: Path, name: str) -> FolderTable | Unread:
    inside = {entry.name for entry in folder.iterdir()}
    kind = next((kind for mark, kind in _FORMATS.items() if mark in inside), None)
    if kind is not None:
        raise Unreadable(
            f"{folder}: is a table of {kind}, among whose files are rows that were deleted or replaced. Write its rows of today as Parquet."
        )
    if "_temporary" in inside:
        raise Unreadable(f"{folder}: its writer has not finished (there is a folder _temporary). Let it finish, or write the table again.")
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(folder)))
    if not files:
        return Unread(name, f"{folder.name}: skipped, as it is an empty folder")
    if any(file.suffix.lower() != ".parquet" for file in files):
        if all(file.name.lower().endswith(csv_files.ENDINGS) for file in files):
            raise Unreadable(
                f"{folder}: holds a table in several CSV files. Make one Parquet file of them: {CONVERT.format(folder / '*', name)}"
            )
        return Unread(name, f"{folder.name}: skipped, as it is a folder with files that are not Parquet")
    keys = {_partitions(file.relative_to(folder), folder) for file in files}
    if len(keys) != 1:
        raise Unreadable(f"{folder}: its files lie at different depths. Write the table again in one go.")
    partitions = next(iter(keys))
    listed = ", ".join(_text(file) for file in files)
    _check_alike(connection, folder, listed, partitions)
    how = ", hive_partitioning = true, hive_types_autocast = false" if partitions else ", hive_partitioning = false"
    return FolderTable(name, f"read_parquet([{listed}]{how})", folder, frozenset(key.lower() for key in partitions))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(("_", ".")) for part in path.parts)


def _partitions(path: Path, folder: Path) -> tuple[str, ...]:
    """The columns that the names of folders on the way to a file hold."""
    found = [_PARTITION.fullmatch(part) for part in path.parts[:-1]]
    if not all(found):
        raise Unreadable(
            f"{folder}: holds folders that are no partitions (<column>=<value>). Put each table's files in a folder of its own."
        )
    return tuple(match[1] for match in found if match)


def _check_alike(connection: duckdb.DuckDBPyConnection, folder: Path, listed: str, partitions: tuple[str, ...]) -> None:
    column = "lower(name) || ' ' || coalesce(duckdb_type, '')"
    sql = f"SELECT DISTINCT list_sort(list({column}) FILTER (column_id > 0)) FROM parquet_schema([{listed}]) GROUP BY file_name"
    try:
        schemas = connection.execute(sql).fetchall()
    except duckdb.Error as error:
        raise Unreadable(f"{folder}: cannot be read ({str(error).splitlines()[0][:200]}). Repair it, or move it out of the way.") from None
    if len(schemas) != 1:
        raise Unreadable(f"{folder}: its files do not have the same columns and types. Write the table again in one go.")
    held = {line.partition(" ")[0] for line in schemas[0][0] or ()}
    if both := held & {key.lower() for key in partitions}:
        raise Unreadable(
            f"{folder}: the column {min(both)} is in its files and in the names of its folders. Write the table without partitions."
        )


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
