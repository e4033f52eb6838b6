"""The tables of a memory's file. Rows are never changed or deleted. A row that does not read as it was written is refused."""

import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np

from twinpane_broker.cells.person_sets import PersonSet, digest
from twinpane_ground import sqlite

from .account import BadCharge, Charge, from_bytes, to_bytes
from .decision import NewAnswer, NewSets
from .memory import PERSONS
from .row_counts import RowCount
from .sets_of_kind import NewSet
from .sketch import Sketch, sketch
from .sketch_bytes import BadPicture, pack, unpack

BUSY_SECONDS = 20.0
"""How long a decision waits for another process's."""
PAGE = 1 << 14
"""Bytes of a page of a new file: person sets are larger than SQLite's usual 4,096."""
VERSION = 6

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, body BLOB NOT NULL, digest BLOB) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS person_set"
    " (number INTEGER PRIMARY KEY, fingerprint BLOB NOT NULL UNIQUE, picture BLOB NOT NULL, body BLOB NOT NULL, said BLOB)",
    # sets: numbers of person sets, 4 bytes each.
    "CREATE TABLE IF NOT EXISTS released (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, sets BLOB NOT NULL, digest BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS withheld"
    " (project TEXT NOT NULL, day TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (project, day, key)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS row_count"
    " (number INTEGER PRIMARY KEY, fingerprint BLOB NOT NULL, body BLOB NOT NULL, digest BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS row_count_by_fingerprint ON row_count (fingerprint)",
    "CREATE TABLE IF NOT EXISTS register (identity TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS value_set (kind TEXT NOT NULL, number INTEGER NOT NULL, fingerprint BLOB NOT NULL, picture BLOB NOT NULL,"
    " body BLOB NOT NULL, said BLOB NOT NULL, PRIMARY KEY (kind, number), UNIQUE (kind, fingerprint))",
    "CREATE TABLE IF NOT EXISTS value_released (kind TEXT NOT NULL, number INTEGER NOT NULL, key TEXT NOT NULL, sets BLOB NOT NULL,"
    " digest BLOB NOT NULL, PRIMARY KEY (kind, number))",
    "CREATE TABLE IF NOT EXISTS charge (number INTEGER PRIMARY KEY, body BLOB NOT NULL, digest BLOB NOT NULL)",
)
# Numbers run from 1 without gaps, so that a lost row is noticed. An older Twinpane kept no person sets: its answers have digest NULL.
# A later one did not note of which kind of number a set was: its sets have said NULL, and are the first sets of every kind.
# Before version 6 there was one kind of all that is told of values: it counts for each of the kinds that there are now.
# Since version 5, a set of values whose persons are a set of persons too has an empty body: the bytes are kept once.
_SETS = {
    True: "SELECT number, fingerprint, picture, said FROM person_set WHERE :kind = ''",
    False: "SELECT number, fingerprint, picture, said FROM person_set WHERE said IS NULL"
    " UNION ALL SELECT number, fingerprint, picture, said FROM value_set WHERE kind = :kind",
}
"""The sets of a kind: whether it is that of persons."""
_BODY = {
    True: "SELECT fingerprint, body FROM person_set WHERE :kind = '' AND number = :number",
    False: "SELECT fingerprint, body FROM person_set WHERE said IS NULL AND number = :number"
    " UNION ALL SELECT fingerprint, CASE WHEN length(body) > 0 THEN body"
    " ELSE (SELECT body FROM person_set WHERE person_set.fingerprint = value_set.fingerprint) END"
    " FROM value_set WHERE kind = :kind AND number = :number",
}
"""The bytes of one of them."""
_FAMILIES = {
    True: "SELECT number, key, sets, digest FROM released WHERE :kind = '' AND number > :number ORDER BY number",
    False: "SELECT number, key, sets, digest FROM value_released WHERE kind = :kind AND number > :number ORDER BY number",
}
"""What each answer released together, of a kind: whether it is that of persons."""
_VALUES_AS = (
    "INSERT INTO value_set SELECT ?, number, fingerprint, picture, body, said FROM value_set WHERE kind = 'values'",
    "INSERT INTO value_released SELECT ?, number, key, sets, digest FROM value_released WHERE kind = 'values'",
)
"""What was told of values, as of another kind."""


class DamagedMemory(sqlite3.DatabaseError):
    """The file has lost or garbled something that was remembered. For stewards: no new question is answered until a backup is restored."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the broker's memory is damaged: {what}. Nothing new is answered, since it could not be compared with what was released "
            "before: restore memory.db from a backup."
        )


def opened(file: Path, *, to_write: bool, register: str = "") -> sqlite3.Connection:
    """A connection for writing. Its tables exist, and it is bound to a register of persons. Raises sqlite3.Error, DamagedMemory."""
    if not to_write:
        return sqlite.opened(file, ("PRAGMA query_only = ON",), BUSY_SECONDS)
    pragmas = (f"PRAGMA page_size = {PAGE}", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA cell_size_check = ON")
    connection = sqlite.opened(file, pragmas, BUSY_SECONDS)
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            _migrate(connection)
        if register:
            _bind(connection, register)
    except BaseException:
        connection.close()
        raise
    return connection


def _bind(connection: sqlite3.Connection, register: str) -> None:
    """Note the register whose persons the sets hold. Raises DamagedMemory if the file belongs to another register."""
    connection.execute("INSERT INTO register SELECT ? WHERE NOT EXISTS (SELECT 1 FROM register)", (register,))
    if connection.execute("SELECT identity FROM register").fetchall() != [(register,)]:
        raise DamagedMemory("its person sets are of another register of persons than the one beside it; both come from one backup")


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise sqlite3.DatabaseError("the broker's memory was written by a newer Twinpane: start it with that version")
        for table in _SCHEMA:
            connection.execute(table)
        columns = {row[1] for row in connection.execute("PRAGMA table_info(answer)")}
        if "digest" not in columns:
            connection.execute("ALTER TABLE answer ADD COLUMN digest BLOB")
        if "said" not in {row[1] for row in connection.execute("PRAGMA table_info(person_set)")}:
            connection.execute("ALTER TABLE person_set ADD COLUMN said BLOB")
        if version < 6:
            for kind in ("quantiles", "correlations"):
                for copied in _VALUES_AS:
                    connection.execute(copied, (kind,))
        # Or each look for new sets of values would read all sets of persons, whose bodies come before ``said``.
        connection.execute("CREATE INDEX IF NOT EXISTS person_set_unsaid ON person_set (number) WHERE said IS NULL")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def answer(connection: sqlite3.Connection, key: str) -> bytes | None:
    """The answer of a key. Raises DamagedMemory."""
    row = connection.execute("SELECT body, digest FROM answer WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None
    if row[1] is not None and digest(_bytes(key.encode(), row[0])) != row[1]:
        raise DamagedMemory("an answer is not what was given")
    body: bytes = row[0]
    return body


def without_sets(connection: sqlite3.Connection) -> int:
    """How many answers come from an older Twinpane, which kept no person sets."""
    return int(connection.execute("SELECT count(*) FROM answer WHERE digest IS NULL").fetchone()[0])


def withheld(connection: sqlite3.Connection, project: str, day: date) -> int:
    """Withheld answers of a project on a day."""
    found = connection.execute("SELECT count(*) FROM withheld WHERE project = ? AND day = ?", (project, day.isoformat()))
    return int(found.fetchone()[0])


def body(connection: sqlite3.Connection, kind: str, number: int) -> bytes:
    """A person set's canonical form. Raises DamagedMemory."""
    row = connection.execute(_BODY[kind == PERSONS], {"kind": kind, "number": number}).fetchone()
    if row is None or digest(_bytes(row[1])) != row[0]:
        raise DamagedMemory(f"person set {number} is not what was kept")
    kept: bytes = row[1]
    return kept


def sets_after(connection: sqlite3.Connection, kind: str, number: int) -> Iterator[tuple[bytes, Sketch, bytes]]:
    """Fingerprints, pictures and descriptions' digests of a kind's sets beyond a number, in order. Raises DamagedMemory."""
    sets, asked = f"({_SETS[kind == PERSONS]})", {"kind": kind, "number": number}
    last = connection.execute(f"SELECT max(number) FROM {sets}", {"kind": kind}).fetchone()[0] or 0  # noqa: S608
    if last < number:
        raise DamagedMemory(f"it held {number} person sets and holds {last}")
    sql = f"SELECT number, fingerprint, picture, said FROM {sets} WHERE number > :number ORDER BY number"  # noqa: S608
    rows = connection.execute(sql, asked)
    for expected, (found, fingerprint, picture, said) in enumerate(rows, number + 1):
        if found != expected:
            raise DamagedMemory(f"person set {expected} is missing")
        try:
            yield fingerprint, unpack(_bytes(fingerprint), _bytes(picture)), said or b""
        except BadPicture:
            # The set itself is the truth; its own digest decides.
            yield fingerprint, sketch(PersonSet.deserialize(body(connection, kind, found))), said or b""


def released_after(connection: sqlite3.Connection, kind: str, number: int, sets: int) -> Iterator[list[int]]:
    """For each answer beyond a number, the numbers (from 0) of a kind's sets that it released together.

    ``sets`` is how many sets there are. Raises DamagedMemory.
    """
    rows = connection.execute(_FAMILIES[kind == PERSONS], {"kind": kind, "number": number})
    for expected, (found, key, packed, proof) in enumerate(rows, number + 1):
        if found != expected or digest(_bytes(key.encode(), packed)) != proof:
            raise DamagedMemory(f"what answer {expected} released is not what was kept")
        numbers = np.frombuffer(packed, "<u4").astype(np.int64)
        if numbers.size and numbers.max() > sets:
            raise DamagedMemory(f"person set {numbers.max()} is missing")
        yield (numbers - 1).tolist()


def write(connection: sqlite3.Connection, sets: list[NewSets], answers: list[NewAnswer]) -> None:
    """Add sets and answers."""
    for of in sorted(sets, key=lambda of: of.kind != PERSONS):
        for number, new in enumerate(of.sets, of.before + 1):
            _write_set(connection, of.kind, number, new)
    for given in answers:
        key = given.key.encode()
        connection.execute("INSERT INTO answer VALUES (?, ?, ?)", (given.key, given.body, digest(key + given.body)))
        for kind, numbers in given.sets.items():
            _write_family(connection, kind, given.key, numbers)
        if given.withheld:
            project, day = given.withheld
            connection.execute("INSERT INTO withheld VALUES (?, ?, ?)", (project, day.isoformat(), given.key))


def _write_set(connection: sqlite3.Connection, kind: str, number: int, new: NewSet) -> None:
    fingerprint, body = new.proposed.fingerprint, new.proposed.body
    picture = pack(fingerprint, new.picture)
    if kind == PERSONS:
        connection.execute("INSERT INTO person_set VALUES (?, ?, ?, ?, ?)", (number, fingerprint, picture, body, new.said))
        return
    if connection.execute("SELECT 1 FROM person_set WHERE fingerprint = ?", (fingerprint,)).fetchone():
        body = b""
    connection.execute("INSERT INTO value_set VALUES (?, ?, ?, ?, ?, ?)", (kind, number, fingerprint, picture, body, new.said))


def _write_family(connection: sqlite3.Connection, kind: str, key: str, numbers: tuple[int, ...]) -> None:
    packed = (np.array(numbers, dtype=np.int64) + 1).astype("<u4").tobytes()
    row = (key, packed, digest(key.encode() + packed))
    if kind == PERSONS:
        connection.execute("INSERT INTO released (key, sets, digest) VALUES (?, ?, ?)", row)
    else:
        next_one = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM value_released WHERE kind = ?", (kind,)).fetchone()[0]
        connection.execute("INSERT INTO value_released VALUES (?, ?, ?, ?, ?)", (kind, next_one, *row))


def write_row_counts(connection: sqlite3.Connection, counts: list[RowCount]) -> None:
    """Add numbers of rows."""
    bodies = ((new.fingerprint, b"%d %d" % (new.rows, new.most)) for new in counts)
    rows = ((fingerprint, body, digest(fingerprint + body)) for fingerprint, body in bodies)
    connection.executemany("INSERT INTO row_count (fingerprint, body, digest) VALUES (?, ?, ?)", rows)


def write_charges(connection: sqlite3.Connection, charges: list[Charge]) -> None:
    """Add charges to the account of what was released."""
    for charge in charges:
        body = to_bytes(charge)
        connection.execute("INSERT INTO charge (body, digest) VALUES (?, ?)", (body, digest(body)))


def charges_after(connection: sqlite3.Connection, number: int) -> Iterator[Charge]:
    """The charges beyond a number, in order. Raises DamagedMemory."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'charge'").fetchone():
        return  # of an earlier Twinpane, and not opened for writing since
    last = connection.execute("SELECT max(number) FROM charge").fetchone()[0] or 0
    if last < number:
        raise DamagedMemory(f"its account held {number} charges and holds {last}")
    rows = connection.execute("SELECT number, body, digest FROM charge WHERE number > ? ORDER BY number", (number,))
    for expected, (found, body, proof) in enumerate(rows, number + 1):
        try:
            if found != expected or digest(_bytes(body)) != proof:
                raise BadCharge("this is another charge")
            yield from_bytes(body)
        except BadCharge:
            raise DamagedMemory(f"charge {expected} of its account is not what was kept") from None


def row_counts(connection: sqlite3.Connection, fingerprint: bytes) -> list[RowCount]:
    """The numbers of rows about the persons of that fingerprint. Raises DamagedMemory."""
    found = []
    for body, proof in connection.execute("SELECT body, digest FROM row_count WHERE fingerprint = ?", (fingerprint,)):
        if digest(_bytes(fingerprint, body)) != proof:
            raise DamagedMemory("a number of rows is not what was kept")
        found.append(RowCount(fingerprint, *map(int, body.split())))
    return found


def _bytes(*parts: object) -> bytes:
    if not all(isinstance(part, bytes) for part in parts):
        raise DamagedMemory("a value is not of its type")
    return b"".join(parts)  # type: ignore[arg-type]
