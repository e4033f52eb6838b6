"""What the broker remembers: the answer to every question, so that the same question gets the same bytes.

The memory against differencing (person sets of released cells) takes its place beside this one, at ``Broker``'s gate.
"""

import sqlite3
from pathlib import Path
from threading import Lock
from typing import Protocol


class Memory(Protocol):
    """Answers by key. Called under the broker's lock; what ``put`` returned from is there after a restart."""

    def get(self, key: str) -> bytes | None:
        """The answer of that key, None where there is none."""
        ...

    def put(self, key: str, answer: bytes) -> None:
        """Keep an answer; raises where it cannot be kept, and then nothing leaves."""
        ...


class Remembered:
    """A memory of this process alone."""

    def __init__(self) -> None:
        self._answers: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        """See Memory."""
        return self._answers.get(key)

    def put(self, key: str, answer: bytes) -> None:
        """See Memory."""
        self._answers[key] = answer


class SqliteMemory:
    """A memory in a SQLite file, durable before ``put`` returns."""

    def __init__(self, file: Path) -> None:
        """Open or make the file; raises sqlite3.Error where it cannot be used."""
        self._lock = Lock()
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID")

    def get(self, key: str) -> bytes | None:
        """See Memory."""
        with self._lock:
            row = self._connection.execute("SELECT body FROM answer WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def put(self, key: str, answer: bytes) -> None:
        """See Memory; the first answer of a key stays."""
        with self._lock:
            self._connection.execute("INSERT OR IGNORE INTO answer VALUES (?, ?)", (key, answer))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
