"""Makes the snapshot: a frozen copy of the source's approved tables and columns, in the catalogue's types.

So the twin's files and the site's look alike to a program. A snapshot is made once, and stays as it is when the source changes.
``snapshots/<name>.json`` notes what it was made from, and stays inside. The published name tells nothing of the rows.
"""

import contextlib
import json
import os
import secrets
import shutil
from pathlib import Path

import duckdb

from twinpane_broker import Catalogue, Role, Table, canonical_json
from twinpane_ground import atomic

from .config import SiteConfig
from .draft.source import DUCKDB_TYPES, Source, SourceTable, open_source, quoted
from .errors import ConfigError, StoreError
from .snapshot import FOLDER, Snapshot, snapshot_of


def materialise(config: SiteConfig, catalogue: Catalogue, folder: Path) -> Snapshot:
    """The snapshot that the catalogue names; makes it if there is none. ``folder`` is the site's.

    Raises ConfigError if the source lacks a table, a column or a person key, or holds values of another type than the catalogue's. Raises
    it too if the source changed after a snapshot of that name was made for other columns. Raises StoreError if the disk is full. No
    half-made snapshot remains.
    """
    if catalogue.snapshot.startswith("."):
        raise ConfigError(f"{folder / 'catalogue.toml'}: `snapshot` may not start with a dot.")
    home = folder / FOLDER
    home.mkdir(mode=0o700, exist_ok=True)
    place, note = home / catalogue.snapshot, home / f"{catalogue.snapshot}.json"
    shape = _shape(catalogue)
    noted = _noted(note) if place.is_dir() else None
    if noted and noted["shape"] == shape:
        _check_frozen(place, noted["files"])
        return snapshot_of(catalogue, folder)
    source_path = (folder / config.source).resolve()
    print_now = _fingerprint(source_path)
    if noted and noted["source"] != print_now:
        raise ConfigError(
            f"{folder / 'catalogue.toml'} asks for other columns than snapshot {catalogue.snapshot} has, and {source_path} has changed "
            "since. Give `snapshot` a new name: answers from different data may not bear the same one."
        )
    temporary = home / f".{catalogue.snapshot}.{secrets.token_hex(4)}"
    try:
        temporary.mkdir(mode=0o700)
        with open_source(source_path) as source:
            for table in catalogue.tables:
                _write(source, _found(source, table, source_path), table, temporary / f"{table.name}.parquet")
        _settle(temporary)
        note.unlink(missing_ok=True)  # until the new one is there, an interrupted swap reads as "not there"
        if place.exists():
            shutil.rmtree(place)
        temporary.rename(place)
        atomic.write(note, canonical_json({"shape": shape, "source": print_now, "files": _stats(place)}) + b"\n")
    except OSError as error:
        raise StoreError(f"The snapshot cannot be written to {home}: {error.strerror or error}. Free some space and start again.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return snapshot_of(catalogue, folder)


def _shape(catalogue: Catalogue) -> dict[str, list[list[str]]]:
    return {table.name: [[column.name, column.type.value] for column in table.visible] for table in catalogue.tables}


def _noted(note: Path) -> dict[str, object] | None:
    try:
        value = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) and value.keys() == {"shape", "source", "files"} else None


def _fingerprint(source: Path) -> list[list[str | int]]:
    files = sorted(source.glob("*.parquet")) if source.is_dir() else [source]
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files if file.is_file()]


def _stats(place: Path) -> list[list[str | int]]:
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in sorted(place.iterdir())]


def _check_frozen(place: Path, files: object) -> None:
    # A file that is linked, not copied, changes if its source is overwritten in place.
    if _stats(place) != files:
        raise ConfigError(
            f"{place} is not what it was when it was frozen: files were changed, added or removed. Give `snapshot` in catalogue.toml a new "
            "name to freeze the data as it is now; and write changed Parquet files beside the old ones, then rename."
        )


def _found(source: Source, table: Table, path: Path) -> SourceTable:
    found = next((each for each in source.tables if each.name == table.name), None)
    if found is None:
        raise ConfigError(f"{path} has no table {table.name}, which the catalogue lists. Restore it, or take it out of catalogue.toml.")
    if table.person_key not in found.columns:
        raise ConfigError(
            f"{found.where} has no column {table.person_key}, the person key of table {table.name}. Every table needs one: thresholds "
            "count persons. Add the column, or take the table out of catalogue.toml."
        )
    key = table.column(table.person_key)
    if key is None or key.role is not Role.key:
        raise ConfigError(f"The person key {table.person_key} of table {table.name} has to have the role key in catalogue.toml.")
    for column in table.visible:
        if column.name not in found.columns:
            raise ConfigError(f"{found.where} has no column {column.name}, which the catalogue lists. Restore it, or drop it there.")
    return found


def _write(source: Source, found: SourceTable, table: Table, path: Path) -> None:
    if _as_it_is(source, found, table):
        with contextlib.suppress(OSError):  # another file system: copy then
            os.link(Path(found.where).resolve(), path)
            return
    columns = ", ".join(f"CAST({quoted(c.name)} AS {DUCKDB_TYPES[c.type]}) AS {quoted(c.name)}" for c in table.visible)
    target = str(path).replace("'", "''")
    try:
        source.connection.execute("SET TimeZone = 'UTC'")
        source.connection.execute(f"COPY (SELECT {columns} FROM {found.relation}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")  # noqa: S608
    except duckdb.ConversionException:
        raise ConfigError(_wrong_type(source, found, table)) from None
    except duckdb.Error as error:
        if isinstance(error, duckdb.IOException):
            raise OSError(str(error).splitlines()[0]) from None
        raise ConfigError(f"{found.where} cannot be read: {str(error).splitlines()[0]}") from None
    path.chmod(0o400)


def _as_it_is(source: Source, found: SourceTable, table: Table) -> bool:
    """Whether the file may be shown as it is: exactly the approved columns, in order and type, and no metadata of its writer (pandas)."""
    if not found.relation.startswith("read_parquet("):
        return False
    described = source.connection.execute(f"DESCRIBE SELECT * FROM {found.relation}").fetchall()  # noqa: S608
    if [(name, kind) for name, kind, *_ in described] != [(c.name, DUCKDB_TYPES[c.type]) for c in table.visible]:
        return False
    words = source.connection.execute("SELECT count(*) FROM parquet_kv_metadata(?)", [found.where]).fetchone()
    return words is not None and words[0] == 0


def _wrong_type(source: Source, found: SourceTable, table: Table) -> str:
    for column in table.visible:
        try:
            sql = f"SELECT count(CAST({quoted(column.name)} AS {DUCKDB_TYPES[column.type]})) FROM {found.relation}"  # noqa: S608
            source.connection.execute(sql).fetchone()
        except duckdb.ConversionException:
            return f"{found.where}: column {column.name} holds values that are no {column.type.value}. Correct the data, or catalogue.toml."
    return f"{found.where}: a column holds values that are not of the catalogue's type."


def _settle(folder: Path) -> None:
    for file in folder.iterdir():
        atomic.sync(file)
    atomic.sync(folder)
