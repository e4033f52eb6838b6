"""Makes the snapshot: a frozen copy of the source's approved tables and columns, in the catalogue's types.

So the twin's files and the site's look alike to a program. A snapshot is made once, and stays as it is when the source changes.
``snapshots/<name>.json`` notes what it was made from, and stays inside. The published name tells nothing of the rows.
"""

import hashlib
import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twinpane_broker import Catalogue, canonical_json
from twinpane_ground import atomic

from .config import SiteConfig
from .draft.folder_tables import is_data
from .draft.source import open_source
from .errors import ConfigError, StoreError
from .freeze_table import check_joins, freeze_table
from .snapshot import FOLDER, Snapshot, snapshot_of
from .vocabulary_files import read_vocabulary


def materialise(config: SiteConfig, catalogue: Catalogue, folder: Path) -> Snapshot:
    """The snapshot that the catalogue names; makes it if there is none. ``folder`` is the site's.

    Raises ConfigError if the source lacks a table, a column or a person key, or holds values of another type than the catalogue's. Raises
    it too if the source changed after a snapshot of that name was made for other columns. Raises StoreError if the disk is full. No
    half-made snapshot remains.
    """
    check_joins(catalogue)
    if catalogue.snapshot.startswith("."):
        raise ConfigError(f"{folder / 'catalogue.toml'}: `snapshot` may not start with a dot.")
    home = folder / FOLDER
    home.mkdir(mode=0o700, exist_ok=True)
    place, note = home / catalogue.snapshot, home / f"{catalogue.snapshot}.json"
    shape = _shape(catalogue)
    noted = _noted(note) if place.is_dir() else None
    if noted and noted["shape"] == shape:
        _check_frozen(place, note, noted)
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
                freeze_table(source, catalogue, table, source_path, temporary / f"{table.name}.parquet")
        read_vocabulary(folder, config, catalogue.snapshot)
        _settle(temporary)
        note.unlink(missing_ok=True)  # until the new one is there, an interrupted swap reads as "not there"
        if place.exists():
            shutil.rmtree(place)
        temporary.rename(place)
        _write_note(note, shape, print_now, place)
    except OSError as error:
        raise StoreError(f"The snapshot cannot be written to {home}: {error.strerror or error}. Free some space and start again.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return snapshot_of(catalogue, folder)


def _shape(catalogue: Catalogue) -> dict[str, list[list[str]]]:
    return {table.name: [[column.name, column.type.value] for column in table.visible] for table in catalogue.tables}


def _noted(note: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) and value.keys() == {"shape", "source", "files"} else None


def _fingerprint(source: Path) -> list[list[str | int]]:
    if not source.is_dir():
        return [_stamp(source, source.name)] if source.is_file() else []
    return [_stamp(file, file.relative_to(source).as_posix()) for file in sorted(source.rglob("*")) if file.is_file() and is_data(file)]


def _stamp(file: Path, name: str) -> list[str | int]:
    return [name, file.stat().st_size, file.stat().st_mtime_ns]


def _write_note(note: Path, shape: object, source: object, place: Path) -> None:
    files = [[*_stamp(file, file.name), _sha256(file)] for file in sorted(place.iterdir())]
    atomic.write(note, canonical_json({"shape": shape, "source": source, "files": files}) + b"\n")


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _check_frozen(place: Path, note: Path, noted: Mapping[str, Any]) -> None:
    """Raise ConfigError unless the frozen files are what they were.

    A file that is linked, not copied, changes if its source is overwritten in place. An archive that was restored has other stamps, so
    contents are compared where stamps differ.
    """
    files = noted["files"]
    stamps = [_stamp(file, file.name) for file in sorted(place.iterdir())]
    if stamps == [file[:3] for file in files] and all(len(file) == 4 for file in files):
        return
    same = stamps == files or [[*stamp[:2], _sha256(place / str(stamp[0]))] for stamp in stamps] == [
        [*file[:2], *file[3:]] for file in files
    ]
    if not same:
        raise ConfigError(
            f"{place} is not what it was when it was frozen: files were changed, added or removed. Give `snapshot` in catalogue.toml a new "
            "name to freeze the data as it is now; and write changed Parquet files beside the old ones, then rename."
        )
    _write_note(note, noted["shape"], noted["source"], place)


def _settle(folder: Path) -> None:
    for file in folder.iterdir():
        atomic.sync(file)
    atomic.sync(folder)
