"""The site's one database, ``site.db``: SQLite in WAL mode, each commit on the disk before it returns.

One connection per process, guarded by one lock. A transaction holds the lock from its first statement to its commit, so
threads (the broker's) and the event loop (the agent's, the review pages') take turns of well under a millisecond. Other processes
(``twinpane site grant`` beside a running agent) are held off by SQLite's own write lock.

A transaction inside a transaction joins it: ledger entry, meter and outbox commit together or not at all. Never ``await`` inside one;
doing so and letting another task in raises StoreError.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from twinpane_ground import sqlite
from twinpane_ground.sqlite import is_busy

from .disk_space import DiskSpace
from .errors import StoreError

FILE = "site.db"
BUSY_SECONDS = 10.0
INCREMENTAL = 2
PAGES_AT_ONCE = 512
"""Of 4,096 bytes, given back in one turn."""

_OPENING = (
    "PRAGMA auto_vacuum = INCREMENTAL",  # of a new file: what is deleted can be given back to the disk, a little at a time
    "PRAGMA journal_mode = WAL",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # INSERT OR REPLACE deletes: with this on, the triggers that forbid deletion see it.
    "PRAGMA recursive_triggers = ON",
    "PRAGMA trusted_schema = OFF",
    "CREATE TABLE IF NOT EXISTS schema_version (area TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT",
)


def _remedy(error: sqlite3.Error, folder: Path) -> str:
    if is_busy(error):
        return "Another process of this site has held it all the while; nothing is damaged. Try again."
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return "It is not a database any more: restore it from your backup."
    return f"Is {folder} there, yours and writable, and is there space on its disk?"


def _task() -> object | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


class Database:
    """The open database. ``migrate`` each area before use; ``transaction`` for every write; ``rows`` and ``row`` to read."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.space = DiskSpace(path.parent)
        """The guard of the disk; stores ask it before they write what is large."""
        self._connection = connection
        self._lock = threading.RLock()
        self._depth = 0
        self._synced = True
        self._owner: object | None = None
        self._after: list[Callable[[], None]] = []

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open or create ``folder/site.db``; raises StoreError when it cannot be written or is not a database."""
        path = folder / FILE
        try:
            connection = sqlite.opened(path, _OPENING, BUSY_SECONDS)
            connection.row_factory = sqlite3.Row
            path.chmod(0o600)
        except sqlite3.Error as error:
            raise StoreError(f"{path} cannot be used: {error}. {_remedy(error, folder)}") from None
        except OSError as error:
            connection.close()
            raise StoreError(f"{path} cannot be made private: {error.strerror}. Check the file's owner.") from None
        return cls(path, connection)

    def migrate(self, area: str, steps: Sequence[str]) -> None:
        """Bring an area's tables up to date: ``steps[i]`` (one or more statements) leads from version i to i + 1."""
        with self.transaction() as connection:
            found = connection.execute("SELECT version FROM schema_version WHERE area = ?", (area,)).fetchone()
            version = found["version"] if found else 0
            if version > len(steps):
                raise StoreError(f"{self.path} was written by a newer Twinpane ({area} {version}). Start it with that version.")
            for step in steps[version:]:
                for statement in _statements(step):
                    connection.execute(statement)
            connection.execute("INSERT OR REPLACE INTO schema_version VALUES (?, ?)", (area, len(steps)))

    @contextlib.contextmanager
    def transaction(self, synced: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is durable if the outermost block ends without an error, none of it otherwise.

        An inner block that fails is undone alone. Raises StoreError in place of any sqlite3.Error. If not ``synced``, it is durable only
        with the next synced one; a power cut before that loses it whole. Use this for messages that would come again.
        """
        with self._lock:
            if self._depth:
                if synced and not self._synced:
                    raise StoreError("evidence may not be written in a transaction that is not synced; this is a defect of the program")
                with self._translated():
                    yield from self._inner()
                return
            try:
                with self._translated():
                    self._sync(synced)
                    self._connection.execute("BEGIN IMMEDIATE")
                    self._owner, self._depth = _task(), 1
                    yield self._connection
                    self._connection.execute("COMMIT")
            except BaseException:
                self._after.clear()
                self._undo("ROLLBACK")
                raise
            finally:
                self._depth = 0
            after, self._after = self._after, []
            for call in after:
                call()

    def _sync(self, synced: bool) -> None:
        if synced is not self._synced:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
            self._synced = synced

    def _inner(self) -> Iterator[sqlite3.Connection]:
        if _task() is not self._owner:
            raise StoreError("a transaction was left open across an await; this is a defect of the program")
        if not self._connection.in_transaction:
            # SQLite undoes everything by itself on a full disk; going on would commit the rest piece by piece.
            raise StoreError(f"{self.path}: the transaction was already undone after an error; nothing was changed.")
        name = f"level_{self._depth}"
        noted = len(self._after)
        self._connection.execute(f"SAVEPOINT {name}")
        self._depth += 1
        try:
            yield self._connection
        except BaseException:
            del self._after[noted:]
            self._undo(f"ROLLBACK TO {name}")
            raise
        finally:
            self._depth -= 1
        self._connection.execute(f"RELEASE {name}")

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            remedy = "Another process holds it" if is_busy(error) else "Free disk space, check permissions"
            raise StoreError(f"{self.path} cannot be written: {error}. {remedy}; nothing was changed.") from error

    def _undo(self, statement: str) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute(statement)

    @property
    def in_transaction(self) -> bool:
        """Whether the caller is inside a transaction: asked by the thread and task that would be."""
        with self._lock:
            return self._depth > 0

    def after_commit(self, call: Callable[[], None]) -> None:
        """Have ``call`` run once the transaction at hand is durable; forgotten when it is undone. ``call`` does not raise."""
        self._after.append(call)

    def rows(self, sql: str, arguments: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query; raises StoreError when the database cannot be read."""
        with self._lock:
            try:
                return self._connection.execute(sql, arguments).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"{self.path} cannot be read: {error}.") from error

    def row(self, sql: str, arguments: Sequence[Any] = ()) -> sqlite3.Row | None:
        """The first row of a query, None where there is none."""
        found = self.rows(sql, arguments)
        return found[0] if found else None

    def give_back(self) -> bool:
        """Give some free pages back to the disk; returns whether there are more. Takes a few milliseconds."""
        with self._lock:
            try:
                # A script, because it is stepped to its end: `execute` would stop after the first page.
                self._connection.executescript(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})")
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                free = self._connection.execute("PRAGMA freelist_count").fetchone()[0]
                # A file made before this was thought of cannot be made smaller a little at a time.
                return bool(free > 0 and self._connection.execute("PRAGMA auto_vacuum").fetchone()[0] == INCREMENTAL)
            except sqlite3.Error as error:
                raise StoreError(f"{self.path} cannot be made smaller: {error}.") from error

    def close(self) -> None:
        """Close the connection; what was committed stays."""
        with self._lock:
            self._connection.close()


def _statements(script: str) -> Iterator[str]:
    # sqlite3.executescript would commit the transaction that it is called in.
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):  # not so within a trigger's body
            if statement.strip("; \n"):
                yield statement
            statement = ""
