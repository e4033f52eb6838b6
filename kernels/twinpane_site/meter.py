"""The meter: the site's account of the bits that verdicts and reveals let out, per user and project.

The moment of the decision matters as much as its result. ``reserve`` decides whether something may leave, at a moment that the outside
already knows. For a verdict it is the cell's turn: the cell is there, and the cell before it is settled (its verdict has left, or the
outside was told that none will). For a reveal it is the arrival of the ask. The decision is durable and final. A decision at the tick would
let silence speak: a verdict held back before midnight (or a grant), and let out after it, tells on which side an inside run ended.
For the same reason everything reserved does leave, if need be as a verdict of the last tick or a reveal of None. It is charged to the
day of the reservation. ``release`` gives a reservation back if the outside itself ended the session.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from .balance import MICRO, Balance, budget, price, shown
from .db import Database
from .errors import MeterError

MIGRATIONS = (
    """
    CREATE TABLE meter (
        id TEXT PRIMARY KEY, user TEXT NOT NULL, project TEXT NOT NULL, session TEXT, day TEXT NOT NULL, time TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('silent', 'reserved', 'spent', 'given_back')), reserve INTEGER NOT NULL, cost INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX meter_account ON meter (user, project, day, state, reserve, cost);
    CREATE INDEX meter_session ON meter (session, state);
    CREATE TABLE meter_grant (
        seq INTEGER PRIMARY KEY, user TEXT NOT NULL, project TEXT NOT NULL, day TEXT NOT NULL, time TEXT NOT NULL,
        bits INTEGER NOT NULL CHECK (bits > 0), by TEXT NOT NULL
    ) STRICT;
    CREATE INDEX meter_granted ON meter_grant (user, project, day, bits);
    CREATE TABLE meter_total (
        user TEXT NOT NULL, project TEXT NOT NULL, spent INTEGER NOT NULL, granted INTEGER NOT NULL, PRIMARY KEY (user, project)
    ) STRICT;
    """,
)

_THAT_DAY = "user = ? AND project = ? AND day = ?"


@dataclass(frozen=True)
class Budget:
    """Bits a day and in all, per user and project."""

    day_bits: float = 1024
    total_bits: float = 16384


@dataclass(frozen=True)
class Grant:
    """Bits that the steward added, to the day of the grant and to the total."""

    seq: int
    user: str
    project: str
    bits: float


Clock = Callable[[], datetime]


class Meter:
    """All accounts of a site. ``clock`` gives the time, with its zone; days are UTC's."""

    def __init__(self, db: Database, limits: Budget, clock: Clock) -> None:
        self._db = db
        self._day_bits, self._total_bits = budget(limits.day_bits), budget(limits.total_bits)
        self._clock = clock
        db.migrate("meter", MIGRATIONS)

    def account(self, user: str, project: str) -> "Account":
        """The account of a user in a project; a new one has the whole budget."""
        return Account(self, user, project)

    def grant(self, user: str, project: str, bits: float, by: str) -> float:
        """The steward adds bits, for today and in all; returns what is left today then. The ledger entry is the caller's."""
        added, now = budget(bits), self._clock().astimezone(UTC)
        if not added:
            raise MeterError("a grant is of some bits")
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO meter_grant (user, project, day, time, bits, by) VALUES (?, ?, ?, ?, ?, ?)",
                (user, project, now.date().isoformat(), now.isoformat(), added, by),
            )
            self._add(connection, user, project, granted=added)
            return self.account(user, project).left()

    def grants(self, after: int = 0) -> list[Grant]:
        """Grants numbered above ``after``, in order: how a running agent learns of one."""
        rows = self._db.rows("SELECT seq, user, project, bits FROM meter_grant WHERE seq > ? ORDER BY seq", (after,))
        return [Grant(row["seq"], row["user"], row["project"], row["bits"] / MICRO) for row in rows]

    def accounts(self) -> list[tuple[str, str]]:
        """(user, project) of every account that spent or was granted something."""
        return [(row["user"], row["project"]) for row in self._db.rows("SELECT user, project FROM meter_total ORDER BY 1, 2")]

    def release(self, session: str) -> None:
        """Give back a session's open reservations: the outside closed the session, so nothing of it will leave."""
        with self._db.transaction() as connection:
            connection.execute("UPDATE meter SET state = 'given_back' WHERE session = ? AND state = 'reserved'", (session,))

    def today(self) -> date:
        """The day by the injected clock, in UTC."""
        return self._clock().astimezone(UTC).date()

    def balance(self, user: str, project: str, day: date) -> Balance:
        """The account's state on a day."""
        key, that_day = (user, project), (user, project, day.isoformat())
        granted = self._db.row(f"SELECT coalesce(sum(bits), 0) n FROM meter_grant WHERE {_THAT_DAY}", that_day)  # noqa: S608
        spent = self._db.row(f"SELECT coalesce(sum(cost), 0) n FROM meter WHERE {_THAT_DAY} AND state = 'spent'", that_day)  # noqa: S608
        total = self._db.row("SELECT spent, granted FROM meter_total WHERE user = ? AND project = ?", key)
        # Reservations of every day: one of yesterday still counts against the total. To stay on the safe side, today counts it too.
        reserved = self._db.rows("SELECT id, reserve FROM meter WHERE user = ? AND project = ? AND state = 'reserved'", key)
        return Balance(
            day=self._day_bits + (granted["n"] if granted else 0),
            total=self._total_bits + (total["granted"] if total else 0),
            day_spent=spent["n"] if spent else 0,
            total_spent=total["spent"] if total else 0,
            reserved={row["id"]: row["reserve"] for row in reserved},
        )

    def _add(self, connection: sqlite3.Connection, user: str, project: str, *, spent: int = 0, granted: int = 0) -> None:
        connection.execute(
            "INSERT INTO meter_total VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT DO UPDATE SET spent = spent + excluded.spent, granted = granted + excluded.granted",
            (user, project, spent, granted),
        )


class Account:
    """One user's account in one project."""

    def __init__(self, meter: Meter, user: str, project: str) -> None:
        self.meter, self.user, self.project = meter, user, project
        self._db = meter._db

    def balance(self) -> Balance:
        """Today's state, in millionths of a bit."""
        return self.meter.balance(self.user, self.project, self.meter.today())

    def left(self) -> float:
        """Bits left today, rounded down to 0.1: what messages tell."""
        return shown(self.balance().left)

    @property
    def left_total(self) -> float:
        """Bits left of the budget in all."""
        balance = self.balance()
        return max(0, balance.total - balance.total_spent) / MICRO

    def check(self, reserve: float) -> bool:
        """Whether something that costs at most ``reserve`` bits could be allowed to leave now."""
        return self.balance().covers(price(reserve))

    def reserve(self, what: str, reserve: float, session: str | None = None) -> bool:
        """Decide once and for good whether ``what`` may leave, before anyone looks at what it says.

        ``what`` is its crossing's id. Asked again (after a restart) it gives the same answer. Durable on return.
        """
        amount = price(reserve)
        with self._db.transaction() as connection:
            found = connection.execute("SELECT state, user, project FROM meter WHERE id = ?", (what,)).fetchone()
            if found:
                if (found["user"], found["project"]) != (self.user, self.project):
                    raise MeterError(f"{what} belongs to another account")
                return found["state"] in ("reserved", "spent")
            may, now = self.balance().covers(amount), self.meter._clock().astimezone(UTC)
            connection.execute(
                "INSERT INTO meter VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
                (what, self.user, self.project, session, now.date().isoformat(), now.isoformat(), "reserved" if may else "silent", amount),
            )
            return may

    def spend(self, bits: float, what: str) -> float:
        """Charge a departure to the day of its reservation; returns the bits left today, as messages tell it.

        Call it in the transaction that writes the ledger entry and the outbox. Raises MeterError when ``what`` was not reserved,
        was spent before, or costs more than its reserve.
        """
        cost = price(bits)
        with self._db.transaction() as connection:
            changed = connection.execute(
                "UPDATE meter SET state = 'spent', cost = ?1"
                " WHERE id = ?2 AND user = ?3 AND project = ?4 AND state = 'reserved' AND reserve >= ?1",
                (cost, what, self.user, self.project),
            ).rowcount
            if changed != 1:
                raise MeterError(f"{what} was not reserved at the meter, has left before, or costs more than was reserved")
            self.meter._add(connection, self.user, self.project, spent=cost)
            return self.left()
