"""Who reviews exports at a site, as the latest act of its steward left it: at the pages, at the terminal, or by an edit of policy.toml.

As with projects, an edit of policy.toml is taken in at the next start: what it lists otherwise than at the start before is so from then on.
"""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from twinpane_wire.messages import UserName

from .db import FILE, Database
from .errors import SiteError
from .ledger import Ledger
from .ledger_events import LedgerEvent

MIGRATIONS = (
    """
    CREATE TABLE reviewers (one INTEGER PRIMARY KEY CHECK (one = 1), names TEXT NOT NULL, declared TEXT NOT NULL) STRICT;
    """,
)
BY_HAND = "policy.toml"
"""Who did it, in the ledger, where an edit of policy.toml did."""
MOST = 200
_NAMES: TypeAdapter[tuple[str, ...]] = TypeAdapter(Annotated[tuple[UserName, ...], Field(max_length=MOST)])


class ReviewersError(SiteError):
    """These cannot be the reviewers, or they are so already; nothing was changed."""


class Reviewers:
    """The reviewers of one site folder. Several processes may have it open; each sees what the others did at once."""

    def __init__(self, db: Database, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        self._db, self._ledger, self._clock = db, ledger, clock
        db.migrate("reviewers", MIGRATIONS)

    def now(self) -> tuple[str, ...]:
        """Their names. Raises StoreError where nobody can tell."""
        row = self._db.row("SELECT names FROM reviewers")
        return tuple(json.loads(row["names"])) if row else ()

    def put(self, names: Collection[str], by: str) -> None:
        """Say anew who they are. Raises ReviewersError."""
        try:
            wanted = tuple(dict.fromkeys(_NAMES.validate_python(tuple(names))))
        except ValidationError:
            raise ReviewersError(f"A name has letters, digits and ._@- only, and there are {MOST} at most; nothing was changed.") from None
        with self._db.transaction() as connection:
            if wanted == self.now():
                raise ReviewersError("These are the reviewers already; nothing was changed.")
            self._put(connection, wanted, by)

    def declare(self, names: Collection[str]) -> None:
        """Take in what policy.toml lists, where it lists otherwise than at the last start."""
        declared = json.dumps(list(names))
        with self._db.transaction() as connection:
            row = connection.execute("SELECT declared FROM reviewers").fetchone()
            if row is not None and row["declared"] == declared:
                return
            if tuple(names) != self.now():
                self._put(connection, tuple(names), BY_HAND)
            connection.execute("INSERT OR IGNORE INTO reviewers VALUES (1, ?, '')", (declared,))
            connection.execute("UPDATE reviewers SET declared = ?", (declared,))

    def _put(self, connection: Connection, names: tuple[str, ...], by: str) -> None:
        self._ledger.append(LedgerEvent.reviewers, {"reviewers": list(names), "by": by}, self._clock())
        connection.execute("INSERT OR IGNORE INTO reviewers VALUES (1, '[]', '')")
        connection.execute("UPDATE reviewers SET names = ?", (json.dumps(list(names)),))


def named(folder: Path, declared: Collection[str]) -> tuple[str, ...]:
    """The reviewers of a folder as its next start has them: those of policy.toml where no others are on record. Writes nothing."""
    try:
        with contextlib.closing(sqlite3.connect(f"{(folder / FILE).resolve().as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT names, declared FROM reviewers").fetchone()
    except sqlite3.Error:
        row = None
    return tuple(json.loads(row[0])) if row and row[1] == json.dumps(list(declared)) else tuple(declared)


def reviewers_of(db: Database, ledger: Ledger, declared: Collection[str], clock: Callable[[], datetime]) -> Reviewers:
    """The reviewers of a folder, with policy.toml as it is now taken in. Raises SiteError."""
    reviewers = Reviewers(db, ledger, clock)
    reviewers.declare(declared)
    return reviewers
