"""Whether a copy of a memory is whole, and whether it has forgotten anything: asked before a backup takes the place of a memory.

A memory that has forgotten lets new answers be subtracted from those that it does not know of.
"""

import hashlib
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from twinpane_broker.cells.person_sets import digest
from twinpane_broker.model import canonical_json

from . import records
from .memory import PERSONS
from .records import DamagedMemory

_ROWS = {
    "answer": "key, digest",
    "person_set": "number, fingerprint, said",
    "released": "number, key, digest",
    "withheld": "project, day, key",
    "row_count": "number, fingerprint, digest",
    "value_set": "kind, number, fingerprint, said",
    "value_released": "kind, number, key, digest",
    "charge": "number, digest",
    "register": "identity",
}
"""What tells one row of a table from another. A row's other columns are held to these by digests."""


def release_id(plan: str, key: str, body: str) -> str:
    """The id of a release: of the plan's hash, the answer's key in the memory, and the SHA-256 of its bytes there."""
    return hashlib.sha256(canonical_json([plan, key, body])).hexdigest()[:32]


def require_whole_memory(file: Path, register: str) -> None:
    """Read all of a memory's file, and bring it up to date where an earlier Twinpane wrote it.

    Raises DamagedMemory where a row is missing or is not as it was written, or the file is of another register.
    """
    try:
        with closing(records.opened(file, to_write=True, register=register)) as memory:
            if memory.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                raise DamagedMemory("the file does not hold together")
            _read_all(memory)
    except DamagedMemory:
        raise
    except sqlite3.Error as error:
        raise DamagedMemory(str(error)) from None


def _read_all(memory: sqlite3.Connection) -> None:
    for key, body, proof in memory.execute("SELECT key, body, digest FROM answer"):
        if proof is not None and digest(key.encode() + body) != proof:
            raise DamagedMemory("an answer is not what was given")
    kinds = [kind for (kind,) in memory.execute("SELECT kind FROM value_set UNION SELECT kind FROM value_released")]
    for kind in (PERSONS, *kinds):
        sets = 0
        for sets, _ in enumerate(records.sets_after(memory, kind, 0), 1):
            records.body(memory, kind, sets)
        for _ in records.released_after(memory, kind, 0, sets):
            pass
    for _ in records.charges_after(memory, 0):
        pass
    for expected, (number, fingerprint) in enumerate(memory.execute("SELECT number, fingerprint FROM row_count ORDER BY number"), 1):
        if number != expected:
            raise DamagedMemory(f"number of rows {expected} is missing")
        records.row_counts(memory, fingerprint)


def rows_forgotten(there: Path, copy: Path) -> int:
    """How many rows of the memory ``there`` the copy lacks. Both are of this version. Raises sqlite3.Error where one cannot be read."""
    with closing(records.opened(copy, to_write=False)) as memory:
        memory.execute("ATTACH ? AS there", (str(there),))
        return sum(
            memory.execute(f"SELECT count(*) FROM (SELECT {row} FROM there.{table} EXCEPT SELECT {row} FROM main.{table})").fetchone()[0]  # noqa: S608 - constants
            for table, row in _ROWS.items()
        )


def releases_unknown(file: Path, releases: Iterable[tuple[str, str]]) -> list[str]:
    """The ids of those releases, given as (plan, id), that a memory does not know. Raises sqlite3.Error where it cannot be read."""
    missing = {name: plan for plan, name in releases}
    with closing(records.opened(file, to_write=False)) as memory:
        for key, body in memory.execute("SELECT key, body FROM answer"):
            known = hashlib.sha256(body).hexdigest()
            for name, plan in list(missing.items()):
                if release_id(plan, key, known) == name:
                    del missing[name]
            if not missing:
                break
    return list(missing)
