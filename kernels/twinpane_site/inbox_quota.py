"""Decides how much the inbox keeps, for whom, and for how long.

The limits count messages from outside only, so a refusal depends on nothing inside. Of a closed session, reviewers need only the code.
Its files and all else are deleted after a day, or as soon as its owner needs the space.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from twinpane_wire.messages import Cell, ExportAsk, Inward, Open, Principal

from .db import Database
from .timestamps import stamp

OVERHEAD = 1024
"""Bytes that each message counts for beside its own: its row, its line in the ledger, what answers it."""
AT_ONCE = 8 * 2**20
"""Bytes that one transaction deletes: the agent has other things to write."""
ROWS_AT_ONCE = 500

_OWN = "bytes > 0 AND user = ? AND project = ?"


class Bulk(IntEnum):
    """The part of a message that a closed session no longer needs."""

    nothing = 0
    files = 1  # of a cell: its code stays
    all = 2
    request = 3  # everything, but not while the request may still be open


AT_ONCE_GONE, AFTER_A_DAY = (Bulk.files, Bulk.all), (Bulk.files, Bulk.all, Bulk.request)


def bulk_of(message: Inward) -> Bulk:
    """The part of this message to delete when its session is over."""
    match message:
        case Open():
            return Bulk.nothing
        case Cell(files=files):
            return Bulk.files if files else Bulk.nothing
        case ExportAsk():
            return Bulk.request
    return Bulk.all


@dataclass(frozen=True)
class InboxQuota:
    """Limits in bytes. ``account``: for one user in one project, over all sessions; ``site``: for all together."""

    account: int = 512 * 2**20
    site: int = 2048 * 2**20


class InboxSpace:
    """The space of the inbox of one site."""

    def __init__(self, db: Database, quota: InboxQuota) -> None:
        self._db = db
        self.quota = quota
        db.space.promise(self.unused)

    def unused(self) -> int:
        """Bytes that the inbox may still take."""
        return max(0, self.quota.site - self._used("bytes > 0"))

    def take(self, connection: sqlite3.Connection, principal: Principal, size: int) -> bool:
        """Whether a message fits; closed sessions of the same user and project make room for it, the oldest first."""
        key = (principal.user, principal.project)
        while self._used(_OWN, *key) + size > self.quota.account or self._used("bytes > 0") + size > self.quota.site:
            if not self._strip(connection, AT_ONCE_GONE, f"closed IS NOT NULL AND {_OWN}", *key):
                return False
        return True

    def strip_some(self, closed_before: datetime) -> int:
        """For sessions closed before a time, delete some content that is not code. Returns the number of messages; 0 when all is done."""
        with self._db.transaction() as connection:
            return self._strip(connection, AFTER_A_DAY, "closed < ?", stamp(closed_before))

    def forget_some(self, closed_before: datetime) -> int:
        """Delete some messages of sessions closed before a time. Returns how many; 0 when all is done."""
        with self._db.transaction() as connection:
            return len(self._delete(connection, self._some(connection, tuple(Bulk), "closed < ?", stamp(closed_before))))

    def forget_project(self, project: str) -> int:
        """Delete some messages of a project's closed sessions. Returns how many; 0 when all is done."""
        with self._db.transaction() as connection:
            return len(self._delete(connection, self._some(connection, tuple(Bulk), "closed IS NOT NULL AND project = ?", project)))

    def _strip(self, connection: sqlite3.Connection, bulk: Sequence[Bulk], where: str, *arguments: str) -> int:
        rows = self._some(connection, bulk, where, *arguments)
        # What lies there may be damaged: then there is no code to keep.
        cells = [row for row in rows if row["bulk"] == Bulk.files and row["whole"]]
        self._delete(connection, [row for row in rows if row not in cells])
        for row in cells:
            connection.execute(
                "UPDATE inbox SET body = json_set(body, '$.files', json('[]')), bulk = 0 WHERE session = ? AND n = ?",
                (row["session"], row["n"]),
            )
            connection.execute("UPDATE inbox SET size = length(CAST(body AS BLOB)) WHERE session = ? AND n = ?", (row["session"], row["n"]))
            kept = connection.execute("SELECT size FROM inbox WHERE session = ? AND n = ?", (row["session"], row["n"])).fetchone()
            self._less(connection, row["session"], row["size"] - kept["size"])
        return len(rows)

    def _delete(self, connection: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> Sequence[sqlite3.Row]:
        for row in rows:
            connection.execute("DELETE FROM inbox WHERE session = ? AND n = ?", (row["session"], row["n"]))
            self._less(connection, row["session"], row["size"] + OVERHEAD)
        return rows

    @staticmethod
    def _some(connection: sqlite3.Connection, bulk: Sequence[Bulk], where: str, *arguments: str) -> list[sqlite3.Row]:
        marks = ", ".join("?" * len(bulk))
        sql = (
            "SELECT session, n, size, bulk, json_valid(body) AS whole FROM session JOIN inbox ON session = id"  # noqa: S608
            f" WHERE {where} AND bulk IN ({marks}) ORDER BY closed, id, n LIMIT ?"
        )
        found, total = [], 0
        for row in connection.execute(sql, (*arguments, *map(int, bulk), ROWS_AT_ONCE)):
            found.append(row)
            total += row["size"]
            if total >= AT_ONCE:
                break
        return found

    @staticmethod
    def _less(connection: sqlite3.Connection, session: str, size: int) -> None:
        connection.execute("UPDATE session SET bytes = max(0, bytes - ?) WHERE id = ?", (size, session))

    def _used(self, where: str, *arguments: str) -> int:
        row = self._db.row(f"SELECT coalesce(sum(bytes), 0) n FROM session WHERE {where}", arguments)  # noqa: S608 - constants of this module
        return row["n"] if row else 0
