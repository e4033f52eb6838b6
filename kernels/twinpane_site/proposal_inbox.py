"""Proposals of projects, as the hub sent them last. They are the hub's words: nothing here decides anything.

A hostile hub can fill the inbox and change what is in it as often as it likes. So the inbox keeps the newest version of each project, of
so many projects at most, and writes no line of the ledger; what a steward decides on is in the ledger by its digest.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from twinpane_wire.messages import Proposal

from .db import Database

log = logging.getLogger(__name__)

MIGRATIONS = (
    """
    CREATE TABLE proposal (project TEXT PRIMARY KEY, digest TEXT NOT NULL, came TEXT NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
    """,
)
MOST = 200
"""Projects of which a proposal is kept."""


@dataclass(frozen=True)
class Arrived:
    """A proposal, and when this version of it came."""

    proposal: Proposal
    digest: str
    came: datetime


class ProposalInbox:
    """The proposals of one site folder."""

    def __init__(self, db: Database, clock: Callable[[], datetime]) -> None:
        self._db, self._clock = db, clock
        db.migrate("proposal", MIGRATIONS)

    def take(self, proposal: Proposal) -> bool:
        """Keep the newest version of a project's proposal; False where it was there already, or the inbox is full."""
        digest, name = proposal.digest(), proposal.project
        with self._db.transaction() as connection:
            known = connection.execute("SELECT digest FROM proposal WHERE project = ?", (name,)).fetchone()
            if known is not None and known["digest"] == digest:
                return False
            if known is None and connection.execute("SELECT count(*) n FROM proposal").fetchone()["n"] >= MOST:
                log.warning("the hub proposes more than %d projects: the others are not kept", MOST)
                return False
            row = (name, digest, self._clock().isoformat(), proposal.model_dump_json())
            connection.execute("INSERT OR REPLACE INTO proposal VALUES (?, ?, ?, ?)", row)
        return True

    def all(self) -> list[Arrived]:
        """Every proposal, the newest first. One that this version cannot read is not among them."""
        rows = self._db.rows("SELECT * FROM proposal ORDER BY came DESC, project")
        found = []
        for row in rows:
            try:
                found.append(Arrived(Proposal.model_validate_json(row["body"]), row["digest"], datetime.fromisoformat(row["came"])))
            except ValidationError:
                log.error("the proposal of project %s cannot be read", row["project"])
        return found

    def get(self, project: str) -> Arrived | None:
        """The proposal of a project; None where there is none."""
        return next((arrived for arrived in self.all() if arrived.proposal.project == project), None)

    def forget(self, project: str) -> None:
        """Take a proposal out; the hub may send it again."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM proposal WHERE project = ?", (project,))
