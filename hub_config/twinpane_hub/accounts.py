"""Accounts of one machine: a TOML file of names, argon2 hashes and groups. Real deployments should use OpenID Connect."""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import argon2
import tomlkit
from pydantic import StringConstraints

from twinpane_broker import Closed
from twinpane_ground import atomic, strict_toml

NAME = r"^[a-z0-9][a-z0-9._@-]{0,79}$"
"""A user's name: safe as a folder's name and in an address. The hub compares names in lower case."""
Name = Annotated[str, StringConstraints(pattern=NAME)]
Group = Literal["researcher", "reviewer", "steward", "admin"]

_HASHER = argon2.PasswordHasher()


class AccountsError(ValueError):
    """The accounts file cannot be used; the message names file and remedy."""


class Account(Closed):
    """One account."""

    password: Annotated[str, StringConstraints(pattern=r"^\$argon2id\$")]
    """The argon2id hash, never the password."""
    groups: tuple[Group, ...] = ()


class _File(Closed):
    accounts: dict[Name, Account]


def load(path: Path) -> dict[str, Account]:
    """The accounts of a file; raises AccountsError with a text that repeats no hash."""
    return strict_toml.read(path, _File, AccountsError).accounts


class AccountsFile:
    """The accounts as of now. It is read again when it changed: every person is looked up in it again and again."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path, self._clock = path, clock
        self._seen: tuple[int, ...] | None = None
        self._accounts: dict[str, Account] = {}
        self._good = clock()

    def __call__(self) -> dict[str, Account]:
        """The accounts; raises AccountsError or OSError where the file cannot be read now."""
        found = self._path.stat() if self._path.exists() else None
        seen = None if found is None else (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
        if seen is None or seen != self._seen:
            self._seen = None
            self._accounts = load(self._path)
            self._seen = seen
        self._good = self._clock()
        return self._accounts

    @property
    def silent_s(self) -> float:
        """Seconds since the file could last be read."""
        return self._clock() - self._good


def mark(account: Account) -> str:
    """Differs where the password was changed. It tells nothing of the password."""
    return hashlib.sha256(account.password.encode()).hexdigest()


def save(path: Path, accounts: dict[str, Account]) -> None:
    """Write the accounts, readable by the file's owner alone. If it raises OSError, the previous accounts are still there."""
    document = tomlkit.document()
    document["accounts"] = {name: {"password": a.password, "groups": list(a.groups)} for name, a in accounts.items()}
    atomic.write(path, tomlkit.dumps(document).encode())


def change(path: Path, how: Callable[[dict[str, Account]], dict[str, Account]]) -> None:
    """Change the accounts; changes at the same time wait for each other. Raises AccountsError and OSError, and changes nothing then."""
    with (path.parent / f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        owner = path.stat() if path.exists() else None
        save(path, how(load(path) if owner else {}))
        if owner and os.geteuid() == 0:
            os.chown(path, owner.st_uid, owner.st_gid)


def check_name(name: str) -> None:
    """Raise AccountsError for what cannot be a user's name."""
    if not re.fullmatch(NAME, name):
        raise AccountsError(f"{name!r} cannot be a name: small letters, digits and ._@- only, a letter or digit first")


def new_password() -> str:
    """A password to print once: 80 random bits in four groups."""
    alphabet = "abcdefghijkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(4))


def hashed(password: str) -> str:
    """The argon2id hash of a password."""
    return _HASHER.hash(password)


_NOBODY = hashed(secrets.token_hex())


def verify(accounts: dict[str, Account], name: str, password: str) -> bool:
    """Whether the password is that account's. It takes as long for an unknown name, so that nobody can find out which names exist."""
    account = accounts.get(name)
    try:
        _HASHER.verify(_NOBODY if account is None else account.password, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return account is not None
