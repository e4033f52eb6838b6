"""The log of attempted work, on the disk. Work that killed one life of the site is set aside by the next, instead of being tried again.

A mark is durable before the work begins. It is removed when the work ends, with success or without. A mark that exists at the start of the
site belongs to work that ended with the process; that work is not tried again. An orderly stop removes all marks: no work is to blame.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from .db import Database
from .ledger import Ledger
from .ledger_events import LedgerEvent

MIGRATIONS = (
    """
    CREATE TABLE trying (what TEXT PRIMARY KEY, since TEXT NOT NULL, aside INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
    """,
)


class AttemptLog:
    """The marks of a site. ``what`` names a piece of work in one word that is its own: ``request:<id>``, ``message:<session>:<n>``."""

    def __init__(self, db: Database, ledger: Ledger) -> None:
        """Open the marks. Those that exist already belong to work that an earlier life did not survive."""
        self._db = db
        self._ledger = ledger
        db.migrate("trying", MIGRATIONS)
        rows = db.rows("SELECT what, aside FROM trying")
        self._fatal = {row["what"] for row in rows if not row["aside"]}
        self._aside = {row["what"] for row in rows if row["aside"]}

    def fatal(self, what: str) -> bool:
        """Whether an earlier life ended while it was trying this."""
        return what in self._fatal

    def is_aside(self, what: str) -> bool:
        """Whether this was set aside, now or in an earlier life."""
        return what in self._aside

    def begin(self, what: str, time: datetime) -> None:
        """Mark the work, durable on return. Raises StoreError: do not begin then."""
        with self._db.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO trying (what, since) VALUES (?, ?)", (what, time.astimezone(UTC).isoformat()))

    def done(self, what: str) -> None:
        """Take the mark away."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM trying WHERE what = ? AND NOT aside", (what,))
        self._fatal.discard(what)

    def set_aside(self, what: str, body: Mapping[str, object], time: datetime) -> None:
        """Set the work aside for good, with a line in the ledger. ``body`` is the body of a ``set_aside``."""
        with self._ledger.transaction() as connection:
            self._ledger.append(LedgerEvent.set_aside, body, time)
            connection.execute(
                "INSERT OR REPLACE INTO trying (what, since, aside) VALUES (?, ?, 1)", (what, time.astimezone(UTC).isoformat())
            )
        self._fatal.discard(what)
        self._aside.add(what)

    def clear(self, prefix: str) -> None:
        """Remove an earlier life's remaining marks of that kind: their work is done, or no longer wanted."""
        for what in [what for what in self._fatal if what.startswith(prefix)]:
            self.done(what)

    def forgive(self) -> None:
        """Note an orderly stop: all work under way will be tried again."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM trying WHERE NOT aside")
