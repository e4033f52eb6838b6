"""Second factors of the site's own accounts: a code of a telephone (see `twinpane_ground.one_time_codes`), each good once.

A code has six digits, and a password 140 random bits: who tries codes has the password. So wrong codes delay that account alone, and no
stranger can make anybody wait. Secrets lie in the site's database, which is as private as the site's key beside it.
"""

from collections.abc import Callable
from datetime import datetime

from twinpane_ground.one_time_codes import step_of

from .db import Database

MIGRATIONS = (
    """
    CREATE TABLE second_factor (
        name TEXT PRIMARY KEY, secret TEXT NOT NULL, step INTEGER NOT NULL, misses INTEGER NOT NULL DEFAULT 0, again REAL NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    """,
)
FREE = 3
"""Wrong codes that delay nothing."""
LONGEST_S = 3600.0
"""Seconds that one more wrong code delays the next try at most: a day of guessing is right once in 14,000."""


class SecondFactors:
    """The devices of one site's accounts, by the accounts' names."""

    def __init__(self, db: Database, clock: Callable[[], datetime]) -> None:
        self._db, self._clock = db, clock
        db.migrate("second_factor", MIGRATIONS)

    def has(self, name: str) -> bool:
        """Whether the account needs a code."""
        return self._db.row("SELECT 1 FROM second_factor WHERE name = ?", (name,)) is not None

    def put(self, name: str, secret: str, code: str) -> bool:
        """Take a device by a code of it, which is used up, in the place of the one before; False, and nothing is done, for a wrong code."""
        step = step_of(secret, code, self._clock().timestamp())
        if step is None:
            return False
        with self._db.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO second_factor (name, secret, step) VALUES (?, ?, ?)", (name, secret, step))
        return True

    def remove(self, name: str) -> bool:
        """Forget the account's device; whether there was one."""
        with self._db.transaction() as connection:
            return connection.execute("DELETE FROM second_factor WHERE name = ?", (name,)).rowcount > 0

    def accepts(self, name: str, code: str) -> bool:
        """Whether the code is right, and use it up: neither it nor one before it is taken again. An account without a device needs none."""
        with self._db.transaction() as connection:
            row = connection.execute("SELECT * FROM second_factor WHERE name = ?", (name,)).fetchone()
            if row is None:
                return True
            now = self._clock().timestamp()
            if now < row["again"]:
                return False
            step = step_of(row["secret"], code, now)
            if step is not None and step > row["step"]:
                connection.execute("UPDATE second_factor SET step = ?, misses = 0, again = 0 WHERE name = ?", (step, name))
                return True
            misses = row["misses"] + 1
            again = now + min(LONGEST_S, 2.0 ** min(misses - FREE, 20)) if misses > FREE else 0.0
            connection.execute("UPDATE second_factor SET misses = ?, again = ? WHERE name = ?", (misses, again, name))
            return False
