"""A memory in a SQLite file. It is durable before an answer leaves, and all processes of a site share it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import date
from pathlib import Path
from threading import Lock, get_ident

from . import records
from .account import Account, Charge, Overdrawn
from .decision import Deciding
from .memory import Decision
from .released_sets import ROOM, ReleasedSets
from .row_counts import RowCount


def sets_told(file: Path) -> dict[str, int]:
    """Of how many sets of persons each attribute was told, by a memory's file; nothing where there is none.

    Changes nothing, and may be asked while a site runs. Raises sqlite3.Error, records.DamagedMemory.
    """
    if not file.exists():
        return {}
    account = Account()
    with closing(records.opened(file, to_write=False)) as connection:
        for charge in records.charges_after(connection, 0):
            account.add(charge)
    return account.told


class SqliteMemory:
    """A Memory in a file. Threads and processes may share the file; an object belongs to the process that made it."""

    def __init__(self, file: Path, room: int = ROOM, register: str = "") -> None:
        """Open or make the file. ``register`` identifies the register of persons; another register's numbers mean other persons.

        The object keeps at most ``room`` bytes of person sets in memory, and 5 KB for every set ever released. It accepts the file of an
        earlier Twinpane: see ``without_sets``. Raises sqlite3.Error if the file cannot be used, DamagedMemory if it belongs to another
        register.
        """
        self._turn = Lock()
        self._decider: int | None = None
        self._reading = Lock()
        self._writer = records.opened(file, to_write=True, register=register)
        self._reader = records.opened(file, to_write=False)
        records.answer(self._reader, "")  # reads the file's schema, which the first question would wait for
        self._room = room
        self._known: dict[str, ReleasedSets] = {}
        self._account = Account()

    def get(self, key: str) -> bytes | None:
        """See Memory. Never waits for a decision. Raises records.DamagedMemory if the stored answer is not the one that was given."""
        with self._reading:
            return records.answer(self._reader, key)

    def withheld_before(self, project: str, day: date) -> int:
        """See Memory. Never waits for a decision."""
        with self._reading:
            return records.withheld(self._reader, project, day)

    def overdrawn(self, charge: Charge, most: int) -> Overdrawn | None:
        """See Memory. Never waits for a decision. Raises records.DamagedMemory."""
        with self._reading:
            return self._charged(self._reader).overdrawn(charge, most)

    @property
    def without_sets(self) -> int:
        """How many answers come from an earlier Twinpane, which kept no person sets.

        These answers have been released, so the same question still gets the same bytes. But new answers cannot be compared with them. A
        steward should know of them. The file of a new snapshot has none.
        """
        with self._reading:
            return records.without_sets(self._reader)

    @contextmanager
    def decision(self, *, exact: bool = False) -> Iterator[Decision]:
        """See Memory. Waits for other threads and processes; raises sqlite3.OperationalError if the wait is too long."""
        if self._decider == get_ident():
            raise RuntimeError("this thread is deciding already: end that decision first")
        with self._turn:
            self._decider = get_ident()
            try:
                yield from self._decide(exact)
            finally:
                self._decider = None

    def _decide(self, exact: bool) -> Iterator[Decision]:
        self._writer.execute("BEGIN IMMEDIATE")
        deciding, done = Deciding(self, exact), False
        try:
            yield deciding
            sets, answers = deciding.outcome()
            records.write(self._writer, sets, answers)
            records.write_row_counts(self._writer, deciding.row_counts)
            records.write_charges(self._writer, deciding.charges)
            self._writer.execute("COMMIT")
            done = True
        finally:
            if not done:
                # SQLite may have undone it by itself, on a full disk for example.
                with suppress(sqlite3.Error):
                    self._writer.execute("ROLLBACK")
            deciding.close(done)

    def answer(self, key: str) -> bytes | None:
        """See Shelves."""
        return records.answer(self._writer, key)

    def withheld(self, project: str, day: date) -> int:
        """See Shelves."""
        return records.withheld(self._writer, project, day)

    def row_counts(self, fingerprint: bytes) -> list[RowCount]:
        """See Shelves. Raises records.DamagedMemory."""
        return records.row_counts(self._writer, fingerprint)

    def account(self) -> Account:
        """See Shelves. Reads what other processes added. Raises records.DamagedMemory."""
        with self._reading:
            return self._charged(self._writer)

    def _charged(self, connection: sqlite3.Connection) -> Account:
        """The account with what other processes added. Both connections see whole decisions only; ``_reading`` is held."""
        for charge in records.charges_after(connection, self._account.charges):
            self._account.add(charge)
        return self._account

    def known(self, kind: str) -> ReleasedSets:
        """See Shelves. Reads what other processes added. Raises records.DamagedMemory for a row that is not as it was written."""
        if kind not in self._known:
            self._known[kind] = ReleasedSets(lambda number: records.body(self._writer, kind, number + 1), self._room)
        known = self._known[kind]
        for fingerprint, picture, said in records.sets_after(self._writer, kind, len(known)):
            known.add(fingerprint, picture, said)
        for numbers in records.released_after(self._writer, kind, known.families, len(known)):
            known.add_family(numbers)
        return known

    def close(self) -> None:
        """Close the file."""
        with self._turn, self._reading:
            self._writer.close()
            self._reader.close()
