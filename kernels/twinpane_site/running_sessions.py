"""The open sessions of a site as its stewards see them, and how a steward stops one: by a line of the ledger, which the agent acts on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .db import Database
from .errors import SiteError
from .ledger import Ledger
from .ledger_events import LedgerEvent
from .mailbox import Mailbox
from .session_figures import Figures, FiguresTable

STALE_S = 30.0
"""Seconds after which figures are shown no more: the agent that wrote them is stopped, or busy."""


class StopError(SiteError):
    """The session is not open, or was stopped before; nothing was changed."""


@dataclass(frozen=True)
class Running:
    """An open session. ``stopped``: a steward stopped it, and the agent has not ended it yet. ``figures``: None where none are fresh."""

    session: str
    user: str
    project: str
    since: datetime
    stopped: bool = False
    figures: Figures | None = None


class RunningSessions:
    """The open sessions of one site folder. Several processes may have it open; each sees what the others did at once."""

    def __init__(self, db: Database, ledger: Ledger) -> None:
        self._db, self._ledger = db, ledger
        Mailbox(db)  # makes the table of a site that never ran
        self._figures = FiguresTable(db)

    def count(self) -> int:
        """How many are open."""
        row = self._db.row("SELECT count(*) n FROM session WHERE closed IS NULL")
        return row["n"] if row else 0

    def all(self, now: datetime) -> Sequence[Running]:
        """Every one, the oldest first."""
        rows = self._db.rows("SELECT id, user, project, opened FROM session WHERE closed IS NULL ORDER BY opened, id")
        stopped, figures = self._stopped() if rows else (), self._figures.since(now - timedelta(seconds=STALE_S))
        return [
            Running(
                row["id"], row["user"], row["project"], datetime.fromisoformat(row["opened"]), row["id"] in stopped, figures.get(row["id"])
            )
            for row in rows
        ]  # fmt: skip

    def stop(self, session: str, by: str, now: datetime) -> None:
        """Stop an open session: a running agent ends it within about a second. Raises StopError."""
        with self._ledger.transaction():
            row = self._db.row("SELECT user, project FROM session WHERE id = ? AND closed IS NULL", (session,))
            if row is None:
                raise StopError("There is no such session any more: it ended, or was never open. Nothing was changed.")
            if session in self._stopped():
                raise StopError("That session was stopped before. It ends as soon as the agent runs. Nothing was changed.")
            body = {"session": session, "user": row["user"], "project": row["project"], "by": by.lower()}
            self._ledger.append(LedgerEvent.session_stopped, body, now)

    def _stopped(self) -> set[str]:
        return {str(entry.body["session"]) for entry in self._ledger.entries(LedgerEvent.session_stopped)}
