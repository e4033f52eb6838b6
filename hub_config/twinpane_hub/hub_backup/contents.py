"""What belongs to a hub's backup: names in it, and where each is at a hub."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import StringConstraints, ValidationError

from twinpane_broker import Closed
from twinpane_ground.mistakes import first
from twinpane_hub import audit, disabled, hub_database, sealing, second_factors, subjects
from twinpane_hub.settings import STORE, HubSettings, LocalSignIn

MANIFEST, FILES, SETTINGS, ACCOUNTS, STATE = "backup.json", "files", "hub.toml", "accounts.toml", "state"
DATABASES = (hub_database.FILE, STORE, subjects.FILE, second_factors.FILE, "switchboard/sessions.db")
"""Of the state folder: those that are there."""
PLAIN = (disabled.FILE, audit.FILE)
KEYS = ("cookie_secret", sealing.FILE)
"""Only if asked for: with them a copy of the databases is worth as much as the hub itself."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,80}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,80}){0,3}$")]
"""A path without ``..``: no part begins with a dot."""


class HubBackupError(Exception):
    """A backup was not made or not restored; the message says why."""


class Manifest(Closed):
    """backup.json."""

    version: Literal[1] = 1
    made: str
    """When: UTC, ISO 8601."""
    program: str
    has_keys: bool
    database_elsewhere: bool
    """Whether the hub's databases are PostgreSQL's, which has tools of its own for this."""
    files: dict[Name, Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]]
    """SHA-256 of each."""


def place(name: str, settings: HubSettings) -> Path:
    """Where a file of the backup is at a hub with these settings."""
    if name == SETTINGS:
        return settings.folder / SETTINGS
    if name == ACCOUNTS and isinstance(settings.sign_in, LocalSignIn):
        return settings.path(settings.sign_in.accounts)
    if name.startswith(f"{STATE}/"):
        return settings.state_folder / name.removeprefix(f"{STATE}/")
    raise HubBackupError(f"the backup holds {name}, which belongs to no hub of these settings. It is not restored.")


def plain_names(settings: HubSettings, with_keys: bool) -> Iterator[str]:
    """The files that are copied as they are; not all need be there."""
    yield SETTINGS
    if isinstance(settings.sign_in, LocalSignIn):
        yield ACCOUNTS
    yield from (f"{STATE}/{name}" for name in (*PLAIN, *(KEYS if with_keys else ())))
    if settings.pins.is_dir():
        yield from sorted(f"{STATE}/{path.relative_to(settings.state_folder)}" for path in settings.pins.iterdir() if path.is_file())


def make_room(file: Path) -> None:
    """Make the folders that a file is to lie in, where they are missing, each for its owner alone."""
    for missing in reversed([folder for folder in file.parents if not folder.exists()]):
        missing.mkdir(mode=0o700)


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def read(backup: Path) -> Manifest:
    """What a backup says of itself, if every file is as it says. Raises HubBackupError."""
    try:
        found = Manifest.model_validate(json.loads((backup / MANIFEST).read_bytes()))
        for name, sha256 in found.files.items():
            if digest(backup / FILES / name) != sha256:
                raise HubBackupError(f"{name} in {backup} is not what was backed up. Take another backup.")
    except OSError as error:
        raise HubBackupError(f"{backup} is no whole backup of a hub: {error.strerror} ({error.filename}).") from None
    except ValidationError as error:
        raise HubBackupError(f"{backup / MANIFEST} cannot be used: {first(error)}. Was it made by a newer Twinpane?") from None
    except ValueError:
        raise HubBackupError(f"{backup / MANIFEST} is not JSON. Take another backup.") from None
    return found
