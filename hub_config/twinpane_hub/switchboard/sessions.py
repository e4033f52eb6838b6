"""Which principal a session belongs to, for ever: a session id used once by one principal can never be used by another.

Kept on disk, because after a restart of the switchboard a site may still hold crossings for the sessions of before.
"""

import sqlite3
from pathlib import Path

from twinpane_wire.messages import Principal


class Sessions:
    """The book of sessions: SQLite, one row each."""

    def __init__(self, path: Path | None) -> None:
        """A file, or None to keep the book in memory."""
        self._db = sqlite3.connect(":memory:" if path is None else path, isolation_level=None)
        self._db.execute("create table if not exists session (id text primary key, user text not null, project text not null)")

    def claim(self, session: str, principal: Principal) -> bool:
        """Whether the session is, or just became, this principal's."""
        self._db.execute("insert or ignore into session values (?, ?, ?)", (session, principal.user, principal.project))
        return self.owner(session) == principal

    def owner(self, session: str) -> Principal | None:
        """Whose session it is, None where nobody used it yet."""
        row = self._db.execute("select user, project from session where id = ?", (session,)).fetchone()
        return None if row is None else Principal(user=row[0], project=row[1])

    def close(self) -> None:
        """Close the file."""
        self._db.close()
