"""Open a SQLite file that several processes share, even if it is new.

Switching a new file to write-ahead logging needs exclusive access for a moment. SQLite then says *database is locked* at once instead of
waiting, and so two processes that opened a new file together failed. Here the statement is tried again until its time is over.
"""

import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.001, 0.05


def opened(path: Path | str, statements: Sequence[str], seconds: float) -> sqlite3.Connection:
    """A connection in autocommit mode that any thread may use, after ``statements`` (pragmas, the first table).

    It waits up to ``seconds`` for others, here and later. Raises sqlite3.Error.
    """
    connection = sqlite3.connect(path, timeout=seconds, check_same_thread=False, isolation_level=None)
    until = time.monotonic() + seconds
    try:
        for statement in statements:
            _insist(connection, statement, until)
    except BaseException:
        connection.close()
        raise
    return connection


def private(path: Path) -> None:
    """Have the file be its owner's alone, before anything is in it; SQLite gives what it writes beside it the same mode. Raises OSError.

    A file that is there is not opened: closing it would let go of locks that this process has on it. What root makes belongs to
    whom its folder belongs: root may run a command of a service that runs as another.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        path.chmod(0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether the error means only that another process holds the file."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in BUSY


def _insist(connection: sqlite3.Connection, statement: str, until: float) -> None:
    pause = FIRST_PAUSE_S
    while True:
        try:
            connection.execute(statement).fetchall()
            return
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() + pause > until:
                raise
        time.sleep(pause)
        pause = min(LONGEST_PAUSE_S, pause * 2)
