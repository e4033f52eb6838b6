"""What sessions use of the site's machine, for its stewards: processor time, memory, and the disk of ``/project``.

The agent writes it to the site's database, where the steward's pages and commands read it. It is about what runs inside, so it stays
there: nothing of it goes to the hub, and the ledger holds none of it.
"""

from collections.abc import Collection
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from enum import StrEnum

from .db import Database
from .timestamps import stamp

MIGRATIONS = (
    """
    CREATE TABLE session_figures (
        session TEXT PRIMARY KEY, state TEXT NOT NULL, cell INTEGER, processor_s REAL, memory INTEGER, disk INTEGER, disk_size INTEGER,
        at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
)


class KernelState(StrEnum):
    """What a session's inside kernel does."""

    starting = "starting"
    idle = "idle"
    running = "running"
    gone = "gone"


@dataclass(frozen=True)
class Figures:
    """One session, as of one moment. ``cell``: which one runs. ``disk`` of ``disk_size`` bytes: the volume that a user's sessions share.

    None where the machine does not tell, or nothing is there to be told of.
    """

    session: str
    state: KernelState
    cell: int | None = None
    processor_s: float | None = None
    memory: int | None = None
    disk: int | None = None
    disk_size: int | None = None


_COLUMNS = ", ".join(field.name for field in fields(Figures))


class FiguresTable:
    """The figures of one site folder: the agent's latest, and no earlier ones."""

    def __init__(self, db: Database) -> None:
        self._db = db
        db.migrate("session_figures", MIGRATIONS)

    def put(self, figures: Collection[Figures], now: datetime) -> None:
        """Replace all that is there. A power cut may lose it."""
        if not figures and self._db.row("SELECT 1 FROM session_figures") is None:
            return
        at = stamp(now)
        with self._db.transaction(synced=False) as connection:
            connection.execute("DELETE FROM session_figures")
            rows = [(*astuple(each), at) for each in figures]
            connection.executemany(f"INSERT INTO session_figures ({_COLUMNS}, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)  # noqa: S608

    def since(self, moment: datetime) -> dict[str, Figures]:
        """The figures by session, where they are not older than ``moment``."""
        rows = self._db.rows(f"SELECT {_COLUMNS} FROM session_figures WHERE at >= ?", (stamp(moment),))  # noqa: S608 - names of fields
        return {row["session"]: Figures(row["session"], KernelState(row["state"]), *tuple(row)[2:]) for row in rows}
