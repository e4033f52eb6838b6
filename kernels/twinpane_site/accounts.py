"""The site's own accounts: who may sign in to its pages without the hub's word, and who of them is a steward.

Passwords are made here, of 140 random bits, and never chosen. So none can be guessed, and no count of wrong tries can lock anybody out.
A salted SHA-256 is enough to keep such a one. An account is changed at the site's terminal alone, never from a page: one steward could
otherwise make the second one who unfreezes.
"""

import hashlib
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from twinpane_wire.messages import UserName

from .db import Database
from .errors import ConfigError
from .ledger import Ledger
from .ledger_events import LedgerEvent
from .second_factors import SecondFactors

MIGRATIONS = (
    """
    CREATE TABLE account (
        name TEXT PRIMARY KEY CHECK (name = lower(name)), steward INTEGER NOT NULL, salt TEXT NOT NULL, digest TEXT NOT NULL,
        changed INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
)
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without those that look alike."""
_NAME: TypeAdapter[str] = TypeAdapter(UserName)
_NOBODY = secrets.token_hex()


@dataclass(frozen=True)
class Account:
    """One account. ``changed``: the ledger's line that made it what it is; a session of an earlier line is over."""

    name: str
    steward: bool
    changed: int
    salt: str = field(repr=False)
    digest: str = field(repr=False)


class Accounts:
    """The accounts of one site; every change is in the ledger. Names are in small letters, as everywhere."""

    def __init__(self, db: Database, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        self._db, self._ledger, self._clock = db, ledger, clock
        db.migrate("account", MIGRATIONS)
        self._factors = SecondFactors(db, clock)

    def get(self, name: str) -> Account | None:
        """The account of that name, in any case; None where there is none."""
        row = self._db.row("SELECT * FROM account WHERE name = ?", (name.lower(),))
        return _account(row) if row else None

    def all(self) -> list[Account]:
        """Every account, by name."""
        return [_account(row) for row in self._db.rows("SELECT * FROM account ORDER BY name")]

    def stewards(self) -> frozenset[str]:
        """The names of the stewards."""
        return frozenset(account.name for account in self.all() if account.steward)

    def proved(self, name: str, password: str, code: str = "") -> Account | None:
        """The account of that name if the password is its own, and, where it has a device, the code too. An unknown name takes as long."""
        account = self.get(name)
        salt, digest = (account.salt, account.digest) if account else (_NOBODY, _NOBODY)
        right = secrets.compare_digest(_digest(salt, password), digest)
        return account if right and account is not None and self._factors.accepts(account.name, code) else None

    def needs_code(self, name: str) -> bool:
        """Whether the account of that name has a device whose code it gives beside the password."""
        return self._factors.has(name.lower())

    def put(self, name: str, steward: bool | None, by: str) -> str:
        """Make an account, or give one another password and these rights; None: those that it has. Returns the password, which is kept
        nowhere.

        Raises ConfigError for what cannot be a name.
        """
        try:
            name = _NAME.validate_python(name)
        except ValidationError:
            raise ConfigError(f"{name!r} cannot be a name: letters, digits and ._@- only.") from None
        password, salt = _new_password(), secrets.token_hex(16)
        with self._db.transaction() as connection:
            before = self.get(name)
            steward = steward if steward is not None else before is not None and before.steward
            what = f"{'changed' if before else 'made'}, {'a steward' if steward else 'no steward'}"
            entry = self._ledger.append(LedgerEvent.account, {"user": name, "what": what, "by": by}, self._clock())
            connection.execute(
                "INSERT OR REPLACE INTO account (name, steward, salt, digest, changed) VALUES (?, ?, ?, ?, ?)",
                (name, steward, salt, _digest(salt, password), entry.seq),
            )
        return password

    def remove(self, name: str, by: str) -> None:
        """Remove an account; its sessions are over at once. Raises ConfigError where there is none."""
        name = name.lower()
        with self._db.transaction() as connection:
            if self.get(name) is None:
                raise ConfigError(f"This site has no account {name}.")
            self._ledger.append(LedgerEvent.account, {"user": name, "what": "removed", "by": by}, self._clock())
            connection.execute("DELETE FROM account WHERE name = ?", (name,))
            self._factors.remove(name)

    def bind(self, name: str, secret: str, code: str, by: str) -> None:
        """Have the account give codes of this device from now on; its sessions are over.

        Raises ConfigError for a wrong code, or where there is no account.
        """
        with self._db.transaction():
            self._changed(name.lower(), "a second factor", by)
            if not self._factors.put(name.lower(), secret, code):
                raise ConfigError("That is no code of this secret at this time. Nothing was changed: compare the clocks, and begin again.")

    def unbind(self, name: str, by: str) -> None:
        """Have the account give no code any more; its sessions are over. Raises ConfigError where it gave none."""
        with self._db.transaction():
            self._changed(name.lower(), "no second factor", by)
            if not self._factors.remove(name.lower()):
                raise ConfigError(f"{name.lower()} has no second factor.")

    def _changed(self, name: str, what: str, by: str) -> None:
        if self.get(name) is None:
            raise ConfigError(f"This site has no account {name}.")
        with self._db.transaction() as connection:
            entry = self._ledger.append(LedgerEvent.account, {"user": name, "what": what, "by": by}, self._clock())
            connection.execute("UPDATE account SET changed = ? WHERE name = ?", (entry.seq, name))


def _new_password() -> str:
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(7))


def _digest(salt: str, password: str) -> str:
    return hashlib.sha256(f"{salt}:{password.strip()}".encode("utf-8", "surrogatepass")).hexdigest()


def _account(row: sqlite3.Row) -> Account:
    return Account(row["name"], bool(row["steward"]), row["changed"], row["salt"], row["digest"])
