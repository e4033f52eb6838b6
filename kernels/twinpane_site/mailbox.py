"""The link's two boxes on the disk: incoming messages, before they are acknowledged, and outgoing crossings, until the pane has them.

Both survive kill -9, and together they ensure *exactly once*. A message counts once by its number in the session; a crossing counts once
by its id. Commits sync the disk. Messages taken in by one ``receive_many`` share one sync and one acknowledgement.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from twinpane_ground.mistakes import first
from twinpane_wire.messages import Cell, Close, Export, Inward, Principal, SessionCrossing, crossing_id

from .db import Database
from .inbox_quota import OVERHEAD, InboxQuota, InboxSpace, bulk_of
from .timestamps import stamp

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
    """
    ALTER TABLE inbox ADD COLUMN cell INTEGER;
    UPDATE inbox SET cell = CASE WHEN json_valid(body) AND body LIKE '{"kind":"cell",%' THEN json_extract(body, '$.cell') END;
    CREATE INDEX inbox_cell ON inbox (session, cell) WHERE cell IS NOT NULL;
    """,
    """
    ALTER TABLE inbox ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE inbox ADD COLUMN bulk INTEGER NOT NULL DEFAULT 2;
    UPDATE inbox SET size = length(CAST(body AS BLOB)), bulk = CASE CASE WHEN json_valid(body) THEN json_extract(body, '$.kind') END
        WHEN 'open' THEN 0 WHEN 'cell' THEN 1 WHEN 'export_ask' THEN 3 ELSE 2 END;
    UPDATE session SET bytes = (SELECT coalesce(sum(size + 1024), 0) FROM inbox WHERE session = id);
    CREATE INDEX inbox_size ON inbox (session, bulk, n, size);
    CREATE INDEX session_bytes ON session (user, project, bytes) WHERE bytes > 0;
    """,
)

_OPEN = "SELECT * FROM session WHERE closed IS NULL ORDER BY opened, id"
_INWARD: TypeAdapter[Inward] = TypeAdapter(Inward)
_OUTWARD: TypeAdapter[SessionCrossing] = TypeAdapter(Annotated[SessionCrossing, Field(discriminator="kind")])


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
    closed = "closed"  # the session has ended
    full = "full"  # the user's sessions in this project, or all of the site's, sent more than may be kept


@dataclass(frozen=True)
class Refused:
    """Not taken in, and never will be: do not acknowledge."""

    reason: Reason


Outcome = New | Duplicate | Gap | Refused


@dataclass(frozen=True)
class Unreadable:
    """Stands for a message on the disk that cannot be read any more: damaged, or of another version. ``where``: what is wrong with it."""

    where: str


@dataclass(frozen=True)
class Session:
    """A session as its messages tell it."""

    id: str
    principal: Principal
    received: int
    closed: bool


@dataclass(frozen=True)
class Crossing:
    """A message on its way out."""

    id: str
    session: str
    body: SessionCrossing


class Mailbox:
    """The inbox and outbox of all sessions of a site."""

    def __init__(self, db: Database, quota: InboxQuota | None = None) -> None:
        self._db = db
        db.migrate("mailbox", MIGRATIONS)
        self.room = InboxSpace(db, quota or InboxQuota())

    # ------------------------------------------------------------ in

    def receive(self, session: str, principal: Principal, n: int, message: Inward, time: datetime) -> Outcome:
        """Take in a message, numbered from 1 in its session. Durable on return when New.

        Raises StoreError when the disk is full: do not acknowledge then, the pane sends it again.
        """
        return self.receive_many([(session, principal, n, message)], time)[0]

    def receive_many(self, messages: Sequence[tuple[str, Principal, int, Inward]], time: datetime) -> list[Outcome]:
        """Like ``receive`` for several (session, principal, n, message), with one sync of the disk for all."""
        now = stamp(time)
        with self._db.transaction() as connection:
            return [self._receive(connection, session, principal, n, message, now) for session, principal, n, message in messages]

    def _receive(self, connection: sqlite3.Connection, session: str, principal: Principal, n: int, message: Inward, time: str) -> Outcome:
        found = connection.execute("SELECT * FROM session WHERE id = ?", (session,)).fetchone()
        last = found["received"] if found else 0
        if found and (found["user"], found["project"]) != (principal.user, principal.project):
            return Refused(Reason.foreign)
        if n <= last:
            return Duplicate(last)
        if found and found["closed"] is not None:
            return Refused(Reason.closed)
        if n > last + 1:
            return Gap(last)
        body = _INWARD.dump_json(message)
        # Always take a message that ends a session: it costs almost nothing, and frees space.
        if not self.room.take(connection, principal, len(body) + OVERHEAD) and not isinstance(message, Close):
            return Refused(Reason.full)
        connection.execute(
            "INSERT INTO session (id, user, project, opened, received, bytes) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET received = excluded.received, bytes = bytes + excluded.bytes",
            (session, principal.user, principal.project, time, n, len(body) + OVERHEAD),
        )
        cell = message.cell if isinstance(message, Cell) else None
        row = (session, n, time, body.decode(), cell, len(body), bulk_of(message))
        connection.execute("INSERT INTO inbox (session, n, time, body, cell, size, bulk) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return New(n)

    def taken_in(self, session: str) -> list[tuple[int, Inward | Unreadable]]:
        """(n, message) of a session in order, to replay it. What cannot be read any more comes as ``Unreadable``."""
        rows = self._db.rows("SELECT n, body FROM inbox WHERE session = ? ORDER BY n", (session,))
        return [(row["n"], _inward(row["body"])) for row in rows]

    def raw(self, session: str, n: int) -> bytes:
        """A message as it was stored, not decoded: JSON; empty where it is gone."""
        row = self._db.row("SELECT CAST(body AS BLOB) AS body FROM inbox WHERE session = ? AND n = ?", (session, n))
        return row["body"] if row else b""

    def source(self, session: str, cell: int) -> str:
        """The source of a cell as it came, empty where it never came or is gone."""
        row = self._db.row("SELECT body FROM inbox WHERE session = ? AND cell = ?", (session, cell))
        message = _inward(row["body"]) if row else None
        return message.source if isinstance(message, Cell) else ""

    def session(self, session: str) -> Session | None:
        """A session by its id, None where there is none."""
        row = self._db.row("SELECT * FROM session WHERE id = ?", (session,))
        found = _session(row) if row else None
        return found if isinstance(found, Session) else None

    def open_sessions(self) -> list[Session]:
        """Sessions that were not closed, oldest first. An agent resumes them after a restart."""
        return [session for row in self._db.rows(_OPEN) if isinstance(session := _session(row), Session)]

    def close(self, session: str, time: datetime) -> None:
        """Note that a session ended. Its messages stay until ``forget``; its crossings go on until received."""
        with self._db.transaction() as connection:
            connection.execute("UPDATE session SET closed = coalesce(closed, ?) WHERE id = ?", (stamp(time), session))

    # ------------------------------------------------------------ out

    def post(self, body: SessionCrossing, time: datetime) -> bool:
        """Put a crossing in the outbox; False where its id is there already: the first one stands.

        Call it in the transaction that writes the ledger entry; send only what ``unreceived`` gives.
        """
        with self._db.transaction() as connection:
            return (
                connection.execute(
                    "INSERT OR IGNORE INTO outbox (id, session, time, body) VALUES (?, ?, ?, ?)",
                    (crossing_id(body), body.session, stamp(time), _OUTWARD.dump_json(body).decode()),
                ).rowcount
                == 1
            )

    def posted(self, identity: str) -> bool:
        """Whether a crossing of that id was ever put in the outbox."""
        return self._db.row("SELECT 1 FROM outbox WHERE id = ?", (identity,)) is not None

    def unreceived(self, session: str | None = None, of_open: bool = False) -> list[Crossing]:
        """Crossings to send again after a reconnect, of one session or all (or all open ones), in the order they were posted.

        What cannot be read any more is not among them: see ``unreadable``.
        """
        sql = (
            "SELECT id, session, body FROM outbox WHERE received = 0 AND (?1 IS NULL OR session = ?1)"
            " AND (NOT ?2 OR EXISTS (SELECT 1 FROM session AS its WHERE its.id = session AND its.closed IS NULL)) ORDER BY seq"
        )
        return _readable(self._db.rows(sql, (session, of_open)))

    def last_posted(self) -> int:
        """The number of the last crossing that was put in the outbox, 0 where there is none."""
        row = self._db.row("SELECT coalesce(max(seq), 0) n FROM outbox")
        return row["n"] if row else 0

    def exports_after(self, seq: int, principal: Principal | None = None) -> list[tuple[int, Principal, Export]]:
        """(number, to whom, decision) of unreceived export decisions posted after that number, in order; of one principal or of all."""
        sql = (
            "SELECT seq, body, user, project FROM outbox JOIN session ON session.id = session"
            " WHERE seq > ?1 AND outbox.id GLOB 'export:*' AND outbox.received = 0"
            " AND (?2 IS NULL OR user = ?2 AND project = ?3) ORDER BY seq"
        )
        rows = self._db.rows(sql, (seq, principal and principal.user, principal and principal.project))
        found = [(row["seq"], Principal(user=row["user"], project=row["project"]), _outward(row["body"])) for row in rows]
        return [(number, whose, body) for number, whose, body in found if isinstance(body, Export)]

    def give_up(self, closed_before: datetime) -> int:
        """Delete the content of crossings to sessions closed before a time; keep only that they left. Returns how many."""
        sql = (
            "UPDATE outbox SET received = 1, body = NULL WHERE seq IN (SELECT seq FROM outbox JOIN session ON session.id = session"
            " WHERE outbox.received = 0 AND closed < ? LIMIT 100)"
        )
        with self._db.transaction() as connection:
            return connection.execute(sql, (stamp(closed_before),)).rowcount

    def give_up_project(self, project: str) -> int:
        """The same for a project's closed sessions, however they closed."""
        sql = (
            "UPDATE outbox SET received = 1, body = NULL WHERE seq IN (SELECT seq FROM outbox JOIN session ON session.id = session"
            " WHERE outbox.body IS NOT NULL AND closed IS NOT NULL AND project = ? LIMIT 100)"
        )
        with self._db.transaction() as connection:
            return connection.execute(sql, (project,)).rowcount

    def unreadable(self) -> list[tuple[str, str, Unreadable]]:
        """(``session`` or ``crossing``, its id, what is wrong) of open sessions and unreceived crossings that cannot be read any more."""
        found: list[tuple[str, str, object]] = [("session", row["id"], _session(row)) for row in self._db.rows(_OPEN)]
        found += [
            ("crossing", row["id"], _outward(row["body"]))
            for row in self._db.rows("SELECT id, body FROM outbox WHERE received = 0 ORDER BY seq")
        ]
        return [(what, identity, read) for what, identity, read in found if isinstance(read, Unreadable)]

    def set_aside(self, what: str, identity: str, time: datetime) -> None:
        """Set aside one of the ``unreadable``. The session counts as closed, or the crossing is not sent; both stay on the disk."""
        with self._db.transaction() as connection:
            if what == "session":
                connection.execute("UPDATE session SET closed = coalesce(closed, ?) WHERE id = ?", (stamp(time), identity))
            else:
                connection.execute("UPDATE outbox SET received = 2 WHERE id = ?", (identity,))

    def received(self, session: str, ids: Iterable[str], principal: Principal | None = None) -> None:
        """Note that the pane has these crossings. Other ids change nothing.

        They belong to this session or, for exports, to an earlier one of the same user and project. ``principal`` is the sender; nothing
        happens if the session is another principal's.
        """
        known = self.session(session)
        if known is None or (principal is not None and known.principal != principal):
            return
        sql = (
            "UPDATE outbox SET received = 1, body = NULL WHERE id = ? AND received = 0 AND session IN"
            " (SELECT theirs.id FROM session AS theirs JOIN session AS this USING (user, project) WHERE this.id = ?)"
        )
        # If a power cut loses this, the crossing is sent once more, and the pane, which has it already, says so again.
        with self._db.transaction(synced=False) as connection:
            connection.executemany(sql, [(each, session) for each in ids])


def _session(row: sqlite3.Row) -> Session | Unreadable:
    try:
        principal = Principal(user=row["user"], project=row["project"])
    except ValidationError:
        return Unreadable("the names of its user and project")
    return Session(row["id"], principal, row["received"], row["closed"] is not None)


def _readable(rows: Iterable[sqlite3.Row]) -> list[Crossing]:
    found = [(row["id"], row["session"], _outward(row["body"])) for row in rows]
    return [Crossing(identity, session, body) for identity, session, body in found if not isinstance(body, Unreadable)]


def _inward(body: str) -> Inward | Unreadable:
    try:
        return _INWARD.validate_json(body)
    except ValidationError as error:
        return _unreadable(error)


def _outward(body: str) -> SessionCrossing | Unreadable:
    try:
        return _OUTWARD.validate_json(body)
    except ValidationError as error:
        return _unreadable(error)


def _unreadable(error: ValidationError) -> Unreadable:
    return Unreadable(first(error).where or "its start")
