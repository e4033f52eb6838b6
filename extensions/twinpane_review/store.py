"""The requests in the site's database and the bytes of their items beside it. Knows no rules: ``review.py`` does.

Every method that writes takes the evidence of its act. It puts the evidence in the ledger first, in the same transaction. Without the
ledger's line there is no effect. A test checks this for every public method.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from twinpane_ground import atomic
from twinpane_site.db import Database
from twinpane_site.errors import StoreError
from twinpane_site.ledger import Entry, Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_wire.items import Form

from .model import Ask, Decision, HandedIn, Happening, Mark, Request, ReviewItem
from .states import State

FOLDER = "review"

MIGRATIONS = (
    """
    CREATE TABLE review_request (
        id TEXT PRIMARY KEY, session TEXT NOT NULL, project TEXT NOT NULL, author TEXT NOT NULL, purpose TEXT NOT NULL,
        population TEXT NOT NULL, controls TEXT NOT NULL, state TEXT NOT NULL, submitted_at TEXT NOT NULL, closed_at TEXT,
        stopped_because TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE INDEX review_request_state ON review_request (state, submitted_at);
    CREATE TABLE review_ask (
        request TEXT NOT NULL REFERENCES review_request (id), idx INTEGER NOT NULL, cell INTEGER, path TEXT, source TEXT NOT NULL,
        left_out TEXT NOT NULL, PRIMARY KEY (request, idx)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE review_item (
        request TEXT NOT NULL REFERENCES review_request (id), number INTEGER NOT NULL, idx INTEGER NOT NULL, form TEXT,
        label TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL, twin_form TEXT, twin_sha256 TEXT NOT NULL,
        decision TEXT, name TEXT NOT NULL DEFAULT '', receipt TEXT NOT NULL DEFAULT '', PRIMARY KEY (request, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE review_mark (
        request TEXT NOT NULL, number INTEGER NOT NULL, reviewer TEXT NOT NULL, decision TEXT NOT NULL, remark TEXT NOT NULL,
        binding TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (request, number, reviewer),
        FOREIGN KEY (request, number) REFERENCES review_item (request, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE review_handed_in (
        request TEXT NOT NULL REFERENCES review_request (id), reviewer TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (request, reviewer)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE review_history (
        seq INTEGER PRIMARY KEY, request TEXT NOT NULL REFERENCES review_request (id), at TEXT NOT NULL, actor TEXT NOT NULL,
        text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX review_history_request ON review_history (request, seq);
    """,
)


@dataclass(frozen=True)
class Evidence:
    """The ledger's evidence of an act: its kind and body, its actor, and one sentence for the request's history."""

    kind: LedgerEvent
    body: Mapping[str, object]
    at: datetime
    actor: str
    text: str = ""


@dataclass(frozen=True)
class Bytes:
    """The content of an item and of its twin, on their way to the disk."""

    real: bytes | None
    twin: bytes | None = field(default=None)


class Altered(StoreError):
    """The bytes on the disk are not those that were stored: someone or something changed or removed them."""


class Store:
    """The tables ``review_*`` of ``site.db``, and the folder ``review/``."""

    def __init__(self, db: Database, ledger: Ledger) -> None:
        self._db = db
        self._ledger = ledger
        self._folder = db.path.parent / FOLDER
        db.migrate("review", MIGRATIONS)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._folder.chmod(0o700)
        except OSError as error:
            raise StoreError(f"{self._folder} cannot be made: {error.strerror}.") from None

    # ------------------------------------------------------------ write: evidence first

    def add(self, request: Request, contents: Mapping[int, Bytes], evidence: Evidence, *more: Evidence) -> Entry:
        """Put a new request in, with the contents of its items by number. Bytes first, then the rows that speak of them.

        ``more``: what else is to be said of it.
        """
        self._db.space.check(sum(len(data) for content in contents.values() for data in (content.real, content.twin) if data is not None))
        for number, content in contents.items():
            for kind, data in (("real", content.real), ("twin", content.twin)):
                if data is not None:
                    self._write(self._path(request.id, number, kind), data)
        with self._db.transaction() as connection:
            entry = self._ledger.append(evidence.kind, evidence.body, evidence.at)
            r = request
            connection.execute(
                "INSERT INTO review_request (id, session, project, author, purpose, population, controls, state, submitted_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (r.id, r.session, r.project, r.author, r.purpose, r.population, r.controls, r.state.value, _stamp(r.submitted_at)),
            )
            connection.executemany(
                "INSERT INTO review_ask VALUES (?, ?, ?, ?, ?, ?)",
                [(r.id, a.index, a.cell, a.path, a.source, json.dumps(a.left_out)) for a in r.asks],
            )
            connection.executemany(
                "INSERT INTO review_item (request, number, idx, form, label, sha256, size, twin_form, twin_sha256)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(r.id, i.number, i.index, i.form, i.label, i.sha256, i.size, i.twin_form, i.twin_sha256) for i in r.items],
            )
            self._history(connection, request.id, entry, evidence)
            for further in more:
                self._record(connection, request, further)
        return entry

    def put_mark(self, request: Request, mark: Mark, evidence: Evidence) -> Entry:
        """Put a reviewer's mark on an item, in place of an earlier one. The ledger keeps both."""
        with self._db.transaction() as connection:
            entry = self._record(connection, request, evidence)
            connection.execute(
                "INSERT INTO review_mark VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " decision = excluded.decision, remark = excluded.remark, binding = excluded.binding, at = excluded.at",
                (request.id, mark.number, mark.reviewer, mark.decision.value, mark.remark, mark.binding, _stamp(mark.at)),
            )
        return entry

    def hand_in(self, request: Request, review: HandedIn, state: State, evidence: Evidence) -> Entry:
        """Make a reviewer's marks final, and say in which state the request then is."""
        with self._db.transaction() as connection:
            entry = self._record(connection, request, evidence)
            connection.execute("INSERT INTO review_handed_in VALUES (?, ?, ?)", (request.id, review.reviewer, _stamp(review.at)))
            connection.execute("UPDATE review_request SET state = ? WHERE id = ?", (state.value, request.id))
        return entry

    def move(self, request: Request, state: State, evidence: Evidence, because: str = "", closed_at: datetime | None = None) -> Entry:
        """Move a request to another state."""
        with self._db.transaction() as connection:
            entry = self._record(connection, request, evidence)
            connection.execute(
                "UPDATE review_request SET state = ?, stopped_because = ?, closed_at = ? WHERE id = ?",
                (state.value, because, closed_at and _stamp(closed_at), request.id),
            )
        return entry

    def settle_items(self, request: Request, items: Sequence[ReviewItem], evidence: Evidence) -> Entry:
        """Write down what was decided on each item and, of the released ones, name and receipt."""
        with self._db.transaction() as connection:
            entry = self._record(connection, request, evidence)
            connection.executemany(
                "UPDATE review_item SET decision = ?, name = ?, receipt = ? WHERE request = ? AND number = ?",
                [(item.decision, item.name, item.receipt, request.id, item.number) for item in items],
            )
        return entry

    def note(self, request: Request, evidence: Evidence) -> Entry:
        """Record something that changes nothing but must not go unnoticed: a view."""
        with self._db.transaction() as connection:
            return self._record(connection, request, evidence)

    def note_visit(self, evidence: Evidence) -> Entry:
        """Record something that belongs to no request: a sign-in."""
        return self._ledger.append(evidence.kind, evidence.body, evidence.at)

    # ------------------------------------------------------------ read

    def get(self, request_id: str) -> Request | None:
        """A request, whole; None where there is none."""
        row = self._db.row("SELECT * FROM review_request WHERE id = ?", (request_id,))
        return self._request(row) if row else None

    def by_turns(self, states: Sequence[State], limit: int, after: int = 0) -> list[Request]:
        """Requests in these states: each author's oldest, then each one's second, and so on; ``limit`` of them, after the first so many."""
        marks = ", ".join("?" * len(states))
        rows = self._db.rows(
            "SELECT *, row_number() OVER (PARTITION BY author ORDER BY submitted_at, id) AS turn FROM review_request"  # noqa: S608
            f" WHERE state IN ({marks}) ORDER BY turn, submitted_at, id LIMIT ? OFFSET ?",
            [*(state.value for state in states), limit, after],
        )
        return [self._request(row) for row in rows]

    def count(self, states: Sequence[State]) -> int:
        """How many requests are in these states."""
        marks = ", ".join("?" * len(states))
        row = self._db.row(
            f"SELECT count(*) n FROM review_request WHERE state IN ({marks})",  # noqa: S608
            [state.value for state in states],
        )
        return row["n"] if row else 0

    def ids_by_state(self, states: Sequence[State]) -> list[str]:
        """Ids of requests in these states, oldest first, without reading them."""
        marks = ", ".join("?" * len(states))
        sql = f"SELECT id FROM review_request WHERE state IN ({marks}) ORDER BY submitted_at, id"  # noqa: S608 - only question marks
        return [row["id"] for row in self._db.rows(sql, [state.value for state in states])]

    def recently_closed(self, limit: int = 50) -> list[Request]:
        """Closed requests, the latest first."""
        rows = self._db.rows("SELECT * FROM review_request WHERE closed_at IS NOT NULL ORDER BY closed_at DESC, id LIMIT ?", (limit,))
        return [self._request(row) for row in rows]

    def history(self, request_id: str) -> list[Happening]:
        """What happened to a request, in order, with the numbers of the ledger's entries."""
        rows = self._db.rows("SELECT * FROM review_history WHERE request = ? ORDER BY seq", (request_id,))
        return [Happening(row["seq"], datetime.fromisoformat(row["at"]), row["actor"], row["text"]) for row in rows]

    def real(self, request: Request, item: ReviewItem) -> bytes:
        """The bytes of a real item, hashed as they are read; raises Altered when they are not those that were stored."""
        return self._read(self._path(request.id, item.number, "real"), item.sha256)

    def twin(self, request: Request, item: ReviewItem) -> bytes:
        """The bytes of an item's twin; raises Altered."""
        return self._read(self._path(request.id, item.number, "twin"), item.twin_sha256)

    # ------------------------------------------------------------ inside

    def _record(self, connection: sqlite3.Connection, request: Request, evidence: Evidence) -> Entry:
        entry = self._ledger.append(evidence.kind, evidence.body, evidence.at)
        self._history(connection, request.id, entry, evidence)
        return entry

    def _history(self, connection: sqlite3.Connection, request_id: str, entry: Entry, evidence: Evidence) -> None:
        connection.execute(
            "INSERT INTO review_history VALUES (?, ?, ?, ?, ?)", (entry.seq, request_id, _stamp(evidence.at), evidence.actor, evidence.text)
        )

    def _request(self, row: sqlite3.Row) -> Request:
        key = (row["id"],)
        asks = {
            a["idx"]: Ask(a["idx"], a["cell"], a["path"], a["source"], tuple((what, why) for what, why in json.loads(a["left_out"])))
            for a in self._db.rows("SELECT * FROM review_ask WHERE request = ? ORDER BY idx", key)
        }
        return Request(
            id=row["id"], session=row["session"], project=row["project"], author=row["author"], purpose=row["purpose"],
            population=row["population"], controls=row["controls"], state=State(row["state"]),
            submitted_at=datetime.fromisoformat(row["submitted_at"]),
            closed_at=datetime.fromisoformat(row["closed_at"]) if row["closed_at"] else None,
            stopped_because=row["stopped_because"], asks=tuple(asks.values()),
            items=tuple(
                ReviewItem(
                    number=i["number"], index=i["idx"], cell=asks[i["idx"]].cell, path=asks[i["idx"]].path, form=_form(i["form"]),
                    label=i["label"], sha256=i["sha256"], size=i["size"], twin_form=_form(i["twin_form"]), twin_sha256=i["twin_sha256"],
                    decision=Decision(i["decision"]) if i["decision"] else None, name=i["name"], receipt=i["receipt"],
                )
                for i in self._db.rows("SELECT * FROM review_item WHERE request = ? ORDER BY number", key)
            ),
            marks=tuple(
                Mark(m["number"], m["reviewer"], Decision(m["decision"]), m["remark"], m["binding"], datetime.fromisoformat(m["at"]))
                for m in self._db.rows("SELECT * FROM review_mark WHERE request = ? ORDER BY number, reviewer", key)
            ),
            handed_in=tuple(
                HandedIn(h["reviewer"], datetime.fromisoformat(h["at"]))
                for h in self._db.rows("SELECT * FROM review_handed_in WHERE request = ? ORDER BY at, reviewer", key)
            ),
        )  # fmt: skip

    def folders_of(self, project: str) -> list[Path]:
        """The folders with the items of a project's requests."""
        rows = self._db.rows("SELECT id FROM review_request WHERE project = ?", (project,))
        return [self._folder / row["id"] for row in rows]

    def _path(self, request_id: str, number: int, kind: str) -> Path:
        # The id is 32 hexadecimal digits by its type on the link; a name made of anything else never reaches the disk.
        if len(request_id) != 32 or not set(request_id) <= set("0123456789abcdef"):
            raise StoreError("a request's id is 32 hexadecimal digits")
        return self._folder / request_id / f"{number}.{kind}"

    def _write(self, path: Path, data: bytes) -> None:
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            atomic.write(path, data)
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror}. Free disk space; the request is taken in again later.") from None

    def _read(self, path: Path, sha256: str) -> bytes:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Altered(
                f"An item's bytes cannot be read ({path}: {error.strerror}). If its project has ended, they were deleted; else restore "
                "them from a backup."
            ) from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Altered(f"An item's bytes are not those that were stored: their SHA-256 differs ({path}). Restore them from a backup.")
        return data


def _form(value: str | None) -> Form | None:
    return Form(value) if value else None


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")
