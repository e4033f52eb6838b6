"""Take a backup of a hub, also while it runs. Databases are copied by SQLite itself, each as it was at one moment."""

import contextlib
import os
import shutil
import sqlite3
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from twinpane_ground import atomic
from twinpane_hub import hub_database
from twinpane_hub.settings import STORE, HubSettings

from .contents import DATABASES, FILES, MANIFEST, STATE, HubBackupError, Manifest, digest, make_room, place, plain_names


def take(settings: HubSettings, to: Path, with_keys: bool, now: datetime) -> Manifest:
    """Write a backup to the new folder ``to``. Raises HubBackupError, and then there is none."""
    if os.path.lexists(to):
        raise HubBackupError(f"{to} exists already. Choose another place: a backup never overwrites anything.")
    partial = to.with_name(f".{to.name}.partial")
    elsewhere = not hub_database.is_file(settings)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700, parents=True)
        wanted = [f"{STATE}/{name}" for name in DATABASES if not (elsewhere and name in (hub_database.FILE, STORE))]
        made = {name: _database(place(name, settings), partial / FILES / name) for name in wanted if place(name, settings).exists()}
        for name in plain_names(settings, with_keys):
            if place(name, settings).exists():
                made[name] = _file(place(name, settings), partial / FILES / name)
        manifest = Manifest(
            made=now.astimezone(UTC).isoformat(timespec="seconds"), program=metadata.version("twinpane"), has_keys=with_keys,
            database_elsewhere=elsewhere, files=made,
        )  # fmt: skip
        atomic.write(partial / MANIFEST, manifest.model_dump_json(indent=1).encode() + b"\n")
        os.rename(partial, to)
    except (OSError, sqlite3.Error) as error:
        raise HubBackupError(f"the backup to {to} was not made: {error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _database(source: Path, target: Path) -> str:
    make_room(target)
    there = sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=20)
    with contextlib.closing(there), contextlib.closing(sqlite3.connect(target)) as copy:
        there.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, that needs none beside it
    return _kept(target)


def _file(source: Path, target: Path) -> str:
    make_room(target)
    shutil.copyfile(source, target)
    return _kept(target)


def _kept(target: Path) -> str:
    target.chmod(0o600)
    atomic.sync(target)
    return digest(target)
