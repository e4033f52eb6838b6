"""Second factors of local accounts: codes by the time (TOTP, RFC 6238), and recovery codes. Each code is good once."""

import base64
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from twinpane_ground import one_time_codes, sqlite

from . import sealing
from .accounts import new_password

FILE = "second_factors.sqlite"
"""In the hub's state folder. The secrets in it are sealed."""
FACTORS = """create table if not exists factors (
    name text primary key, secret blob, pending blob, step integer not null default 0
) strict"""
RECOVERY = "create table if not exists recovery (name text not null, digest text not null, primary key (name, digest)) strict"
RECOVERY_CODES = 10


class SecondFactors:
    """The factors of a hub's people."""

    def __init__(self, state: Path, clock: Callable[[], float] = time.time) -> None:
        """Open the file in the hub's state folder; it is made where it is missing. ``clock`` gives Unix time."""
        sqlite.private(state / FILE)
        self._db = sqlite.opened(state / FILE, ("pragma journal_mode = wal", FACTORS, RECOVERY), seconds=10)
        self._seal = Fernet(base64.urlsafe_b64encode(sealing.key(state)))
        self._clock = clock

    def has(self, name: str) -> bool:
        """Whether the person must give a code."""
        return self._db.execute("select 1 from factors where name = ? and secret is not null", (name,)).fetchone() is not None

    def begin(self, name: str) -> str:
        """A new secret for the person's device. It holds once a code of it was given; until then the one before does."""
        secret = one_time_codes.new_secret()
        sealed = self._seal.encrypt(secret.encode())
        self._db.execute(
            "insert into factors (name, pending) values (?, ?) on conflict (name) do update set pending = excluded.pending", (name, sealed)
        )
        return secret

    def confirm(self, name: str, code: str) -> tuple[str, ...]:
        """Take the new secret by a code of it. Returns recovery codes, to be shown once; none where the code is wrong."""
        step = self._step_of(self._secret(name, "pending"), code)
        if step is None:
            return ()
        codes = tuple(new_password() for _ in range(RECOVERY_CODES))
        self._db.execute("begin immediate")
        self._db.execute("update factors set secret = pending, pending = null, step = ? where name = ?", (step, name))
        self._db.execute("delete from recovery where name = ?", (name,))
        self._db.executemany("insert into recovery values (?, ?)", [(name, _digest(one)) for one in codes])
        self._db.execute("commit")
        return codes

    def accepts(self, name: str, code: str) -> bool:
        """Whether the code is right, and use it up: neither it nor one before it is taken again."""
        step = self._step_of(self._secret(name, "secret"), code)
        if step is not None:
            return self._db.execute("update factors set step = ? where name = ? and step < ?", (step, name, step)).rowcount > 0
        return self._db.execute("delete from recovery where name = ? and digest = ?", (name, _digest(code))).rowcount > 0

    def remove(self, name: str) -> bool:
        """Forget the person's factor; whether there was one."""
        self._db.execute("delete from recovery where name = ?", (name,))
        return self._db.execute("delete from factors where name = ?", (name,)).rowcount > 0

    def _secret(self, name: str, column: str) -> str:
        found = self._db.execute("select secret, pending from factors where name = ?", (name,)).fetchone()
        sealed = None if found is None else found[0 if column == "secret" else 1]
        try:
            return "" if sealed is None else self._seal.decrypt(sealed).decode()
        except InvalidToken:  # the sealing key was lost: no code is right until the administrator resets the factor
            return ""

    def _step_of(self, secret: str, code: str) -> int | None:
        return one_time_codes.step_of(secret, code, self._clock())


def _digest(code: str) -> str:
    """Of a recovery code, which has 80 random bits."""
    return sha256(code.strip().lower().encode()).hexdigest()
