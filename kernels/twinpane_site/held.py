"""The held store: outputs of inside runs that differ from the twin's. They wait inside, for reviewers alone.

There is one file per cell under ``held/``, and an index in ``site.db``. Sizes are capped per cell and session. Outputs over a cap are left
out, and the file tells reviewers so. Nothing outside learns how much is held, of what kind, or that the store is full.

The store keeps free a part of the disk, and the space that the inbox may still take. So an inside kernel with large outputs cannot fill
the disk under the ledger and the inbox.
"""

import contextlib
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twinpane_ground import atomic

from .db import Database
from .errors import HeldError, StoreError
from .held_form import pack

MIGRATIONS = (
    """
    CREATE TABLE held (
        session TEXT NOT NULL, cell INTEGER NOT NULL, time TEXT NOT NULL, sha256 TEXT NOT NULL, outputs INTEGER NOT NULL,
        bytes INTEGER NOT NULL, stored INTEGER NOT NULL, dropped INTEGER NOT NULL, PRIMARY KEY (session, cell)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE held ADD COLUMN member TEXT NOT NULL DEFAULT '';
    CREATE INDEX held_member ON held (member, bytes);
    """,
    """
    DROP INDEX held_member;
    CREATE INDEX held_member ON held (member, bytes, stored);
    """,
)

OVERHEAD = 64 * 1024
"""Bytes around packed outputs: commas, brackets, the count of what was left out."""
NOTES = "(notes)"
"""The member that notes of lost outputs are booked on: they are small, and nobody's full share keeps them out."""


@dataclass(frozen=True)
class HeldLimits:
    """Bytes. ``member``: of one member in one project. ``keep_free``: of the disk, beside what the inbox may still take; never touched by
    the store."""

    cell: int = 64 * 2**20
    session: int = 1024 * 2**20
    member: int = 4 * 2**30
    store: int = 16 * 2**30
    keep_free: int = 512 * 2**20


@dataclass(frozen=True)
class Held:
    """What is held of one cell. ``dropped``: outputs left out for their size, over a cap here or in the agent."""

    session: str
    cell: int
    time: datetime
    sha256: str
    outputs: int
    bytes: int
    dropped: int


class HeldStore:
    """The held outputs of a site. ``free(folder)`` gives the disk's free bytes; tests pass their own."""

    def __init__(self, db: Database, limits: HeldLimits | None = None, free: Callable[[Path], int] | None = None) -> None:
        self._db = db
        self._limits = limits or HeldLimits()
        self._free = free or (lambda _: db.space.left())
        self._folder = db.path.parent / "held"
        db.migrate("held", MIGRATIONS)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._folder.chmod(0o700)
        except OSError as error:
            raise HeldError(f"{self._folder} cannot be made: {error.strerror}.") from None

    def put(
        self, session: str, cell: int, outputs: Sequence[Mapping[str, Any]], time: datetime, dropped: int = 0, member: str = ""
    ) -> Held:
        """Hold the canonical outputs of a cell; a second put of the same cell replaces the first. Durable on return.

        ``dropped``: outputs that the caller had left out already. Raises HeldError when the disk or the store is full; nothing of
        what was there is lost.
        """
        packed = pack(outputs, self.room(session, member, cell), dropped)
        held = Held(session, cell, time.astimezone(UTC), packed.sha256, packed.outputs, packed.bytes, packed.dropped)
        return self.take(held, member, packed.content)

    def take(self, held: Held, member: str, packed: bytes | int) -> Held:
        """Hold outputs that are packed already: bytes, or the descriptor of a file of them. As ``put``.

        What they say is not looked at here; ``get`` holds them to the digest.
        """
        session, cell = held.session, held.cell
        if not session.isalnum():
            raise HeldError("a session's name is 32 hexadecimal digits")
        size = os.fstat(packed).st_size if isinstance(packed, int) else len(packed)
        self._room_for(size, held.bytes, session, member, cell)
        path = self._path(session, cell, held.sha256)
        try:
            if not path.parent.is_dir():
                path.parent.mkdir(mode=0o700, exist_ok=True)  # another cell of the session may have made it meanwhile
                atomic.sync(self._folder)
            atomic.write(path, packed)
            before = self._index(held, size, member)
        except (OSError, StoreError) as error:
            raise HeldError(f"Outputs of cell {cell} cannot be held in {self._folder}: {error}. They wait in memory; free space.") from None
        if before and before != held.sha256:
            self._path(session, cell, before).unlink(missing_ok=True)
        return held

    def note_lost(self, session: str, cell: int, member: str, lost: int, time: datetime) -> Held:
        """Note that no output of a cell could be kept. Reviewers learn of ``lost`` outputs."""
        packed = pack((), 0, lost)
        return self.take(Held(session, cell, time.astimezone(UTC), packed.sha256, 0, packed.bytes, lost), NOTES, packed.content)

    def room(self, session: str, member: str, cell: int = 0) -> int:
        """Bytes left for the outputs of one more cell, or of this cell again: the least of the caps of cell, session and member."""
        used = self._used("session = ? AND cell != ?", session, cell)
        share = self._used("member = ? AND NOT (session = ? AND cell = ?)", member, session, cell)
        return max(0, min(self._limits.cell, self._limits.session - used, self._limits.member - share))

    def get(self, session: str, cell: int) -> tuple[Held, list[dict[str, Any]]] | None:
        """What is held of a cell, None where nothing is; raises HeldError when the file is gone or is not what was stored."""
        opened = self.open(session, cell)
        if opened is None:
            return None
        held, descriptor = opened
        try:
            return held, unpacked(descriptor, held.sha256, held.bytes)
        finally:
            os.close(descriptor)

    def open(self, session: str, cell: int) -> tuple[Held, int] | None:
        """What is held of a cell as a descriptor of its file, for ``unpacked``; the caller closes it. Raises HeldError when it is gone."""
        held = self.find(session, cell)
        if held is None:
            return None
        path = self._path(session, cell, held.sha256)
        try:
            return held, os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise HeldError(f"{path} cannot be read: {error.strerror}.") from None

    def find(self, session: str, cell: int) -> Held | None:
        """The index's line of a cell, None where nothing is held."""
        row = self._db.row("SELECT * FROM held WHERE session = ? AND cell = ?", (session, cell))
        if row is None:
            return None
        return Held(session, cell, datetime.fromisoformat(row["time"]), row["sha256"], row["outputs"], row["bytes"], row["dropped"])

    def purge(self, older_than: datetime) -> int:
        """Delete what was stored before a time; returns how many cells. The ledger entry is the caller's, in a transaction around this."""
        with self._db.transaction() as connection:
            stamp = older_than.astimezone(UTC).isoformat(timespec="microseconds")
            gone = connection.execute("DELETE FROM held WHERE time < ? RETURNING session, cell, sha256", (stamp,)).fetchall()
            paths = [self._path(row["session"], row["cell"], row["sha256"]) for row in gone]
            self._db.after_commit(lambda: _delete(paths))
        return len(gone)

    def purge_project(self, project: str) -> int:
        """Delete some of what is held of a project; returns how many cells, 0 when all is gone. The ledger entry is the caller's."""
        sql = (
            "DELETE FROM held WHERE (session, cell) IN (SELECT session, cell FROM held"
            " WHERE substr(member, instr(member, ' in ') + 4) = ? LIMIT 100) RETURNING session, cell, sha256"
        )
        with self._db.transaction() as connection:
            gone = connection.execute(sql, (project,)).fetchall()
            paths = [self._path(row["session"], row["cell"], row["sha256"]) for row in gone]
            self._db.after_commit(lambda: _delete(paths))
        return len(gone)

    def _index(self, held: Held, stored: int, member: str) -> str | None:
        with self._db.transaction() as connection:
            before = connection.execute("SELECT sha256 FROM held WHERE session = ? AND cell = ?", (held.session, held.cell)).fetchone()
            connection.execute(
                "INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    held.session, held.cell, held.time.isoformat(timespec="microseconds"), held.sha256,
                    held.outputs, held.bytes, stored, held.dropped, member,
                ),
            )  # fmt: skip
            return before["sha256"] if before else None

    def _used(self, where: str, *arguments: str | int) -> int:
        """Bytes that count against a cap: the larger of what a reader said of a cell and what lies on the disk, since a reader may lie."""
        row = self._db.row(f"SELECT coalesce(sum(max(bytes, stored)), 0) n FROM held WHERE {where}", arguments)  # noqa: S608 - constants of this module
        return row["n"] if row else 0

    def _room_for(self, packed: int, content: int, session: str, member: str, cell: int) -> None:
        if member != NOTES and max(content, packed) > self.room(session, member, cell) + OVERHEAD:
            raise HeldError(f"Cell {cell} said more than may be held of it, of its session or of its member.", full=True)
        row = self._db.row("SELECT coalesce(sum(stored), 0) n FROM held")
        if row and row["n"] + packed > self._limits.store and member != NOTES:
            raise HeldError(f"{self._folder} is full ({self._limits.store} bytes). Change [held] store_mb or days in policy.toml.", True)
        if self._free(self._folder) - packed < self._limits.keep_free:
            raise HeldError(f"The disk of {self._folder} is full but for the {self._limits.keep_free} bytes kept free. Free some space.")

    def _path(self, session: str, cell: int, sha256: str) -> Path:
        return self._folder / session / f"{cell}-{sha256[:16]}.json.gz"


def unpacked(descriptor: int, sha256: str, size: int) -> list[dict[str, Any]]:
    """The outputs in a file of the store. Raises HeldError unless it is what was stored, in the form of ``held_form.pack``.

    The content comes from an inside kernel, so call this in a process that may fail.
    """
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        with open(descriptor, "rb", closefd=False) as packed, gzip.open(packed) as file:
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise HeldError(f"What was held cannot be read: {error}.") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise HeldError("What was held is not what was stored: it was changed since. It will not be shown or released.")
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    # A reader packed it, and a hostile kernel may have taken the reader over.
    outputs = value.get("outputs") if isinstance(value, dict) else None
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise HeldError("What was held is no outputs of a cell. It will not be shown or released.")
    return outputs


def _delete(paths: Sequence[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()
            path.parent.rmdir()  # once its last cell is gone
