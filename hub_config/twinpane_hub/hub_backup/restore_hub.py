"""Put a backup of a hub in an empty place. Nothing that ended since then comes back by it: everybody signs in again."""

import contextlib
import os
import secrets
import shutil
import sqlite3
from pathlib import Path

from twinpane_hub import hub_database
from twinpane_hub.settings import SettingsError, load

from .contents import DATABASES, FILES, SETTINGS, STATE, HubBackupError, Manifest, make_room, place, read


def restore(backup: Path, folder: Path) -> Manifest:
    """Write the hub of a backup to ``folder``, which must be empty or missing. Raises HubBackupError, and then nothing is there."""
    manifest = read(backup)
    _require_whole(backup, manifest)
    if folder.exists() and any(folder.iterdir()):
        raise HubBackupError(
            f"{folder} is not empty. Restore to a new folder, and move the workspaces there (`users` in the state folder)."
        )
    written: list[Path] = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(backup / FILES / SETTINGS, folder / SETTINGS, written)
        settings = load(folder / SETTINGS)
        for name in manifest.files:
            if name != SETTINGS:
                _write(backup / FILES / name, place(name, settings), written)
        if (own := settings.state_folder / hub_database.FILE) in written:
            _sign_everybody_out(own)
    except (OSError, sqlite3.Error, SettingsError, HubBackupError) as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise HubBackupError(f"{backup} was not restored to {folder}: {error}") from None
    return manifest


def _require_whole(backup: Path, manifest: Manifest) -> None:
    for name in manifest.files.keys() & {f"{STATE}/{name}" for name in DATABASES}:
        file = (backup / FILES / name).resolve()
        try:
            with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True)) as db:
                if db.execute("pragma quick_check").fetchall() != [("ok",)]:
                    raise sqlite3.DatabaseError("it is damaged")
        except sqlite3.Error as error:
            raise HubBackupError(f"{name} in the backup cannot be read: {error}. It is not restored.") from None


def _write(source: Path, target: Path, written: list[Path]) -> None:
    make_room(target)
    with source.open("rb") as one, open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as other:
        written.append(target)
        shutil.copyfileobj(one, other)
        other.flush()
        os.fsync(other.fileno())


def _sign_everybody_out(own: Path) -> None:
    """A token that was ended after the backup would be good again, and so would a browser that was signed out."""
    with contextlib.closing(sqlite3.connect(own)) as db, db:
        tables = {name for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
        for table in sorted(tables & {"api_tokens", "oauth_codes"}):
            db.execute(f"delete from {table}")  # noqa: S608 - one of the two names above
        if "users" in tables:
            for (number,) in db.execute("select id from users").fetchall():
                db.execute("update users set cookie_id = ? where id = ?", (secrets.token_hex(16), number))
