"""Open a SQLite file that several processes share, even if it is new.

Switching a new file to write-ahead logging needs exclusive access for a moment. SQLite then says *database is locked* at once instead of
waiting, and so two processes that opened a new file together failed. Here the statement is tried again until its time is over.
"""

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
