"""The link's two boxes on the disk: what came in, before it is acknowledged; what goes out, until the pane says it has it.

Both survive kill -9, and together they make *exactly once*: a message is taken in once by its number in the session, a crossing goes out
once by its id. Commits sync the disk; several messages taken in by one ``receive_many`` share one sync, and one acknowledgement.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from twinpane_wire.messages import Inward, Outward, Principal, crossing_id

from .db import Database

SESSION_BYTES = 512 * 2**20

MIGRATIONS = (
    """
    CREATE TABLE session (
        id TEXT PRIMARY KEY, user TEXT NOT NULL, project TEXT NOT NULL, opened TEXT NOT NULL, closed TEXT,
        received INTEGER NOT NULL DEFAULT 0, processed INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE inbox (
        session TEXT NOT NULL REFERENCES session (id), n INTEGER NOT NULL, time TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (session, n)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE outbox (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, session TEXT NOT NULL, time TEXT NOT NULL, body TEXT,
        received INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX outbox_unreceived ON outbox (received, session, seq);
    """,
)

_INWARD: TypeAdapter[Any] = TypeAdapter(Inward)
_OUTWARD: TypeAdapter[Any] = TypeAdapter(Outward)


@dataclass(frozen=True)
class New:
    """Taken in, durable: acknowledge up to ``ack`` and process it."""

    ack: int


@dataclass(frozen=True)
class Duplicate:
    """Was here before: acknowledge up to ``ack`` again, do nothing."""

    ack: int


@dataclass(frozen=True)
class Gap:
    """Messages between ``ack`` and this one are missing: acknowledge up to ``ack``; the pane sends on from there."""

    ack: int


class Reason(StrEnum):
    """Why a message was not taken in. None of it depends on rows."""

    foreign = "foreign"  # the session is another user's or project's
    closed = "closed"    # the session has ended
    full = "full"        # the session sent more than it may store


@dataclass(frozen=True)
class Refused:
    """Not taken in, and never will be: do not acknowledge."""

    reason: Reason


Outcome = New | Duplicate | Gap | Refused


@dataclass(frozen=True)
class Session:
    """A session as its messages tell it; ``processed`` is the number of the last message that had its effect."""

    id: str
    principal: Principal
    received: int
    processed: int
    closed: bool


@dataclass(frozen=True)
class Crossing:
    """A message on its way out."""

    id: str
    session: str
    body: Any
    """One of ``Outward``."""


class Mailbox:
    """The inbox and outbox of all sessions of a site."""

    def __init__(self, db: Database, session_bytes: int = SESSION_BYTES) -> None:
        self._db = db
        self._session_bytes = session_bytes
        db.migrate("mailbox", MIGRATIONS)

    # ------------------------------------------------------------ in

    def receive(self, session: str, principal: Principal, n: int, message: Any, time: datetime) -> Outcome:
        """Take in one of ``Inward``, numbered from 1 in its session. Durable on return when New.

        Raises StoreError when the disk is full: do not acknowledge then, the pane sends it again.
        """
        return self.receive_many([(session, principal, n, message)], time)[0]

    def receive_many(self, messages: Sequence[tuple[str, Principal, int, Any]], time: datetime) -> list[Outcome]:
        """Like ``receive`` for several (session, principal, n, message), with one sync of the disk for all."""
        stamp = _stamp(time)
        with self._db.transaction() as connection:
            return [self._receive(connection, session, principal, n, message, stamp) for session, principal, n, message in messages]

    def _receive(self, connection: sqlite3.Connection, session: str, principal: Principal, n: int, message: Any, stamp: str) -> Outcome:
        found = connection.execute("SELECT * FROM session WHERE id = ?", (session,)).fetchone()
        last, size = (found["received"], found["bytes"]) if found else (0, 0)
        if found and (found["user"], found["project"]) != (principal.user, principal.project):
            return Refused(Reason.foreign)
        if n <= last:
            return Duplicate(last)
        if found and found["closed"] is not None:
            return Refused(Reason.closed)
        if n > last + 1:
            return Gap(last)
        body = _INWARD.dump_json(message)
        size += len(body)
        if size > self._session_bytes:
            return Refused(Reason.full)
        connection.execute(
            "INSERT INTO session (id, user, project, opened, received, bytes) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET received = excluded.received, bytes = excluded.bytes",
            (session, principal.user, principal.project, stamp, n, size),
        )
        connection.execute("INSERT INTO inbox VALUES (?, ?, ?, ?)", (session, n, stamp, body.decode()))
        return New(n)

    def pending(self, session: str, after: int | None = None) -> list[tuple[int, Any]]:
        """(n, message) not processed yet, in order; with ``after``, all above that number, processed or not (to replay a session)."""
        sql = "SELECT n, body FROM inbox JOIN session ON session.id = session WHERE session = ?1 AND n > coalesce(?2, processed) ORDER BY n"
        return [(row["n"], _INWARD.validate_json(row["body"])) for row in self._db.rows(sql, (session, after))]

    def processed(self, session: str, n: int) -> None:
        """Note that messages up to ``n`` had their effect; never goes back."""
        with self._db.transaction() as connection:
            connection.execute("UPDATE session SET processed = max(processed, ?) WHERE id = ?", (n, session))

    def session(self, session: str) -> Session | None:
        """A session by its id, None where there is none."""
        row = self._db.row("SELECT * FROM session WHERE id = ?", (session,))
        return _session(row) if row else None

    def open_sessions(self) -> list[Session]:
        """Sessions that were not closed, oldest first: what an agent takes up again after a restart."""
        return [_session(row) for row in self._db.rows("SELECT * FROM session WHERE closed IS NULL ORDER BY opened, id")]

    def close(self, session: str, time: datetime) -> None:
        """Note that a session ended. Its messages stay until ``forget``; its crossings go on until received."""
        with self._db.transaction() as connection:
            connection.execute("UPDATE session SET closed = coalesce(closed, ?) WHERE id = ?", (_stamp(time), session))

    def forget(self, closed_before: datetime) -> int:
        """Delete the messages of sessions closed before a time; returns how many. Sessions and the ids of crossings stay."""
        with self._db.transaction() as connection:
            return connection.execute(
                "DELETE FROM inbox WHERE session IN (SELECT id FROM session WHERE closed < ?)", (_stamp(closed_before),)
            ).rowcount

    # ------------------------------------------------------------ out

    def post(self, body: Any, time: datetime) -> bool:
        """Put one of ``Outward`` in the outbox; False where its id is there already: the first one stands.

        Call it in the transaction that writes the ledger entry; send only what ``unreceived`` gives.
        """
        with self._db.transaction() as connection:
            return (
                connection.execute(
                    "INSERT OR IGNORE INTO outbox (id, session, time, body) VALUES (?, ?, ?, ?)",
                    (crossing_id(body), body.session, _stamp(time), _OUTWARD.dump_json(body).decode()),
                ).rowcount
                == 1
            )

    def posted(self, identity: str) -> bool:
        """Whether a crossing of that id was ever put in the outbox."""
        return self._db.row("SELECT 1 FROM outbox WHERE id = ?", (identity,)) is not None

    def unreceived(self, session: str | None = None) -> list[Crossing]:
        """Crossings to send again after a reconnect, of one session or all, in the order they were posted."""
        sql = "SELECT id, session, body FROM outbox WHERE received = 0 AND (?1 IS NULL OR session = ?1) ORDER BY seq"
        rows = self._db.rows(sql, (session,))
        return [Crossing(row["id"], row["session"], _OUTWARD.validate_json(row["body"])) for row in rows]

    def received(self, session: str, ids: Iterable[str], principal: Principal | None = None) -> None:
        """The pane has these crossings, of this session or (exports) of an earlier one of the same user and project; others do nothing.

        ``principal``: who says so; nothing happens where the session is another's.
        """
        known = self.session(session)
        if known is None or (principal is not None and known.principal != principal):
            return
        sql = (
            "UPDATE outbox SET received = 1, body = NULL WHERE id = ? AND received = 0 AND session IN"
            " (SELECT theirs.id FROM session AS theirs JOIN session AS this USING (user, project) WHERE this.id = ?)"
        )
        # Lost in a power cut, it is said again: the crossing is sent once more, and the pane has it already.
        with self._db.transaction(synced=False) as connection:
            connection.executemany(sql, [(each, session) for each in ids])


def _session(row: Any) -> Session:
    principal = Principal(user=row["user"], project=row["project"])
    return Session(row["id"], principal, row["received"], row["processed"], row["closed"] is not None)


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")
