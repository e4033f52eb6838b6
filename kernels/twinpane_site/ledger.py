"""The ledger: the site's append-only, hash-chained record, with a signed head.

Each entry's hash covers its number, the hash before it, time, kind and body, so that no entry can be changed, moved or taken out of
the middle. The head (number and hash of the last entry, signed with the site's key) is kept in the database and in the small file
``ledger.head``, so that nobody can cut off the tail either. Anyone who holds the key, or an old copy of the whole folder, can still show
another history. Keep heads elsewhere to notice that (``twinpane site ledger verify`` prints the head).

*Evidence before effect*: ``append`` returns only when the entry is durable. Inside ``Database.transaction`` the entry and its effect
become durable together. If it raises LedgerError, nothing may leave.

*Frozen*: after a line ``frozen``, and until a line ``unfrozen``, the ledger takes no evidence of a crossing. So every process of the site
stops with that one line, and what a crossing of tomorrow needs is stopped as well.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from sqlite3 import Connection, Row
from typing import Any

from twinpane_broker import canonical_json

from .db import Database
from .errors import Frozen, LedgerError, StoreError
from .keys import SiteKey
from .ledger_events import CROSSINGS, LedgerEvent
from .ledger_head import GENESIS, HEAD_FILE, LedgerHead, chain_hash

MIGRATIONS = (
    """
    CREATE TABLE ledger (
        seq INTEGER PRIMARY KEY, prev TEXT NOT NULL, time TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, hash TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE INDEX ledger_kind ON ledger (kind, seq);
    CREATE TABLE ledger_head (
        one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL, signature TEXT NOT NULL
    ) STRICT;
    CREATE TRIGGER ledger_is_never_changed BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER ledger_is_never_cut BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    """,
    """
    CREATE INDEX ledger_time ON ledger (time, kind);
    CREATE TABLE ledger_names (seq INTEGER PRIMARY KEY REFERENCES ledger (seq), who TEXT NOT NULL, project TEXT NOT NULL) STRICT;
    INSERT INTO ledger_names SELECT * FROM (
        SELECT seq, lower(coalesce(json_extract(body, '$.user'), json_extract(body, '$.by'), '')) AS who,
        coalesce(json_extract(body, '$.project'), '') AS project FROM ledger
    ) WHERE who <> '' OR project <> '';
    CREATE INDEX ledger_who ON ledger_names (who, project, seq);
    CREATE INDEX ledger_project ON ledger_names (project, seq);
    """,
)


@dataclass(frozen=True)
class Entry:
    """One line of the ledger; ``time`` in UTC, ISO 8601 with microseconds."""

    seq: int
    prev: str
    time: str
    kind: LedgerEvent
    body: Mapping[str, Any]
    hash: str


class Ledger:
    """The ledger of one site folder, for writing. Safe from any thread through its Database."""

    def __init__(self, db: Database, key: SiteKey) -> None:
        """Open the ledger; raises LedgerError when head file, head and last entry do not agree: then nothing starts."""
        self._db = db
        self._key = key
        self._path = db.path.parent / HEAD_FILE
        self._behind: LedgerHead | None = None
        db.migrate("ledger", MIGRATIONS)
        self._check_heads()

    def append(self, kind: LedgerEvent, body: Mapping[str, object], time: datetime) -> Entry:
        """Add an entry; on return it is durable, or will be with the transaction around the call.

        ``time`` must carry a zone. Raises LedgerError when the body does not fit its kind or when nothing can be written, and Frozen for
        the evidence of a crossing while the site is frozen.
        """
        if fault := kind.fault(body):
            raise LedgerError(fault)
        if time.tzinfo is None:
            raise LedgerError("a ledger entry needs a time with its zone")
        stamp = time.astimezone(UTC).isoformat(timespec="microseconds")
        try:
            text = canonical_json(dict(body)).decode()
        except (ValueError, TypeError) as error:
            raise LedgerError(f"the body of a ledger entry `{kind.value}` is not JSON: {error}") from None
        self._catch_up()
        try:
            with self._db.transaction() as connection:
                if kind in CROSSINGS:
                    self.require_open()
                last = connection.execute("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1").fetchone()
                seq, prev = (last["seq"] + 1, last["hash"]) if last else (1, GENESIS)
                digest = chain_hash(seq, prev, stamp, kind.value, text)
                head = LedgerHead.sign(self._key, seq, digest)
                connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?)", (seq, prev, stamp, kind.value, text, digest))
                names = who(body).lower(), str(body.get("project", ""))
                if any(names):  # by which people search; the line alone is evidence
                    connection.execute("INSERT INTO ledger_names VALUES (?, ?, ?)", (seq, *names))
                connection.execute("INSERT OR REPLACE INTO ledger_head VALUES (1, ?, ?, ?)", (seq, digest, head.signature))
                self._db.after_commit(lambda: self._publish(head))
        except LedgerError:
            raise
        except StoreError as error:
            raise LedgerError(f"The ledger cannot be written, so nothing leaves. {error}") from error
        return Entry(seq, prev, stamp, kind, json.loads(text), digest)

    def transaction(self) -> AbstractContextManager[Connection]:
        """``Database.transaction``: its effects and its entries become durable together, or not at all."""
        return self._db.transaction()

    def head(self) -> LedgerHead | None:
        """The signed head, None for an empty ledger."""
        row = self._db.row("SELECT seq, hash, signature FROM ledger_head")
        return LedgerHead(row["seq"], row["hash"], row["signature"]) if row else None

    def require_open(self) -> None:
        """Raises Frozen while the site is frozen."""
        if self.frozen():
            raise Frozen("This site is frozen by its steward, so nothing leaves. Two stewards can unfreeze it.")

    def frozen(self) -> bool:
        """Whether the site is frozen: by its lines alone, so that no other record can say otherwise. Raises StoreError."""
        row = self._db.row(
            "SELECT kind FROM ledger WHERE seq = max(coalesce((SELECT max(seq) FROM ledger WHERE kind = ?), 0),"
            " coalesce((SELECT max(seq) FROM ledger WHERE kind = ?), 0))",
            (LedgerEvent.frozen.value, LedgerEvent.unfrozen.value),
        )
        return row is not None and row["kind"] == LedgerEvent.frozen.value

    def last(self, kind: LedgerEvent) -> Entry | None:
        """The latest entry of a kind."""
        row = self._db.row("SELECT * FROM ledger WHERE kind = ? ORDER BY seq DESC LIMIT 1", (kind.value,))
        return entry_of(row) if row else None

    def entries(self, kind: LedgerEvent | None = None, after: int = 0, most: int = -1) -> Iterator[Entry]:
        """Entries in order, of one kind or all, numbered above ``after``; ``most`` of them, or all."""
        where, arguments = ("seq > ?", [after]) if kind is None else ("seq > ? AND kind = ?", [after, kind.value])
        for row in self._db.rows(f"SELECT * FROM ledger WHERE {where} ORDER BY seq LIMIT ?", [*arguments, most]):  # noqa: S608 - both are constants
            yield entry_of(row)

    def _publish(self, head: LedgerHead) -> None:
        # Entry and head are durable in the database already; the file may lag by this one, and no further (_catch_up).
        try:
            head.advance(self._path, self._key.public_hex)
            self._behind = None
        except OSError:
            self._behind = head

    def _catch_up(self) -> None:
        if self._behind is None:
            return
        try:
            self._behind.advance(self._path, self._key.public_hex)
        except OSError as error:
            raise LedgerError(f"The ledger's head cannot be written to {self._path}, so nothing leaves: {error.strerror}.") from None
        self._behind = None

    def _check_heads(self) -> None:
        with self._db.transaction():  # holds off other processes' entries between one look and the next
            self._compare_heads()

    def _compare_heads(self) -> None:
        remedy = f"Run `twinpane site ledger verify {self._path.parent}`, keep the folder as it is, and compare it with your backup."
        head = self.head()
        last = self._db.row("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1")
        if (head is None) != (last is None):
            raise LedgerError(f"The ledger and its signed head disagree. {remedy}")
        try:
            noted = LedgerHead.read(self._path)
        except FileNotFoundError:
            if last is not None:
                raise LedgerError(f"{self._path} is missing: the ledger's end cannot be proved. {remedy}") from None
            LedgerHead.sign(self._key, 0, GENESIS).write(self._path)
            return
        except (OSError, ValueError):
            raise LedgerError(f"{self._path} is not a ledger head. {remedy}") from None
        key = self._key.public_hex
        if head and last and not (head.signed_by(key) and (head.seq, head.hash) == (last["seq"], last["hash"])):
            raise LedgerError(f"The ledger's last entry is not the one its signed head names. {remedy}")
        at = self._db.row("SELECT hash FROM ledger WHERE seq = ?", (noted.seq,)) if noted.seq else {"hash": GENESIS}
        if not noted.signed_by(key) or at is None or at["hash"] != noted.hash:
            raise LedgerError(f"{self._path} names entry {noted.seq}, which the ledger does not have. {remedy}")
        if head and noted.seq < head.seq:
            self._publish(head)


def who(body: Mapping[str, Any]) -> str:
    """Whom a line is about: its user, or who did it where it names no user."""
    found = body.get("user") or body.get("by") or ""
    return ", ".join(map(str, found)) if isinstance(found, list) else str(found)


def entry_of(row: Row) -> Entry:
    """A row of the table as an entry."""
    return Entry(row["seq"], row["prev"], row["time"], LedgerEvent.of(row["kind"]), json.loads(row["body"]), row["hash"])
