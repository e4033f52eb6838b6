"""Who is known at a hub, told from its files: also while it runs, and without JupyterHub."""

import contextlib
import sqlite3
from pathlib import Path

from . import accounts, hub_database, subjects
from .settings import STORE, HubSettings, LocalSignIn, SettingsError

LOST = {
    hub_database.FILE: "people then sign in again, and make their tokens again",
    STORE: "projects and sites then come from your network.toml again, by `twinpane hub apply`",
    subjects.FILE: "names then belong to whoever signs in with them first",
}
"""The databases of a hub, and what it costs to begin a new one."""


def known(settings: HubSettings) -> frozenset[str]:
    """The names. Raises AccountsError, StoreError, OSError and sqlite3.Error."""
    names = _column(settings.state_folder / subjects.FILE, "select name from subjects")
    if hub_database.is_file(settings):
        names |= _column(settings.state_folder / hub_database.FILE, "select name from users")
    else:
        names |= hub_database.users_in_server(settings)
    if isinstance(settings.sign_in, LocalSignIn) and (store := settings.path(settings.sign_in.accounts)).exists():
        names |= set(accounts.load(store))
    return frozenset(names)


def check_databases(settings: HubSettings) -> None:
    """Find out whether each database that is a file here can be read; raises SettingsError."""
    elsewhere = () if hub_database.is_file(settings) else (hub_database.FILE, STORE)
    for name, cost in LOST.items():
        if name in elsewhere:
            continue
        file = settings.state_folder / name
        try:
            if _column(file, "pragma quick_check") not in (set(), {"ok"}):
                raise sqlite3.DatabaseError("it is damaged")
        except sqlite3.Error as error:
            raise SettingsError(f"{file} cannot be read ({error}): put a copy of it back, or move it away; {cost}") from None


def _column(file: Path, query: str) -> set[str]:
    """The texts that a query finds; none where there is no file, or no table yet."""
    if not file.exists():
        return set()
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=10)) as db:
        try:
            return {str(value) for (value,) in db.execute(query)}
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return set()
            raise
