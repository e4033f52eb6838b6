"""Which principal a session belongs to, for ever: a session id used once by one principal can never be used by another.

It is kept on disk, because after the switchboard restarts, a site may still hold crossings for earlier sessions.
"""

import time
from collections.abc import Callable
from pathlib import Path

from twinpane_ground import sqlite
from twinpane_wire.messages import Principal

from .token_bucket import TokenBucket

BUSY_SECONDS = 5.0
TABLE = "create table if not exists session (id text primary key, user text not null, project text not null)"
NEW, NEW_A_SECOND = 512, 0.1
"""New sessions of one user at once, and then per second. They are limited because each is a row for ever."""


class Sessions:
    """The table of sessions, in SQLite."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        """``path`` is the file, or None to keep the table in memory. ``clock`` is monotonic, in seconds."""
        self._clock = clock
        self._paces: dict[str, TokenBucket] = {}
        self._db = sqlite.opened(":memory:" if path is None else path, [TABLE], BUSY_SECONDS)

    def claim(self, session: str, principal: Principal) -> bool:
        """Claim the session for this principal, if it is nobody's; return whether it is this principal's."""
        row = (session, principal.user, principal.project)
        if self._db.execute("insert or ignore into session values (?, ?, ?)", row).rowcount == 1:
            self._pace(principal).wait(1, self._clock())
        return self.owner(session) == principal

    def has_room(self, session: str, principal: Principal) -> bool:
        """Whether the session exists, or its user may begin another one now."""
        return self._pace(principal).wait(0, self._clock()) == 0 or self.owner(session) is not None

    def _pace(self, principal: Principal) -> TokenBucket:
        return self._paces.setdefault(principal.user, TokenBucket(NEW, NEW_A_SECOND))

    def owner(self, session: str) -> Principal | None:
        """Whose session it is; None where nobody has used it yet."""
        row = self._db.execute("select user, project from session where id = ?", (session,)).fetchone()
        return None if row is None else Principal(user=row[0], project=row[1])

    def close(self) -> None:
        """Close the file."""
        self._db.close()
