"""People whom the administrator has shut out of this hub, whatever an account store or a provider says."""

import fcntl
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import tomlkit
from pydantic import Field

from twinpane_broker import Closed
from twinpane_ground import atomic, strict_toml

from .accounts import Name

log = logging.getLogger("JupyterHub")
FILE = "disabled.toml"
"""In the hub's state folder."""


class DisabledError(ValueError):
    """The list cannot be used; the message names file and remedy."""


class _File(Closed):
    names: Annotated[tuple[Name, ...], Field(max_length=100_000)] = ()


def load(state: Path) -> frozenset[str]:
    """The names; none where there is no list. Raises DisabledError: a list that cannot be read lets nobody in."""
    file = state / FILE
    return frozenset(strict_toml.read(file, _File, DisabledError).names) if file.exists() else frozenset()


def change(state: Path, how: Callable[[frozenset[str]], frozenset[str]]) -> None:
    """Change the list; changes at the same time wait for each other. It is given to whom the folder belongs, whoever changes it."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (state / f".{FILE}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        atomic.write(state / FILE, tomlkit.dumps({"names": sorted(how(load(state)))}).encode())
        if os.geteuid() == 0:
            owner = state.stat()
            os.chown(state / FILE, owner.st_uid, owner.st_gid)


class DisabledList:
    """The list as of now; after a broken edit the last good one, so that whoever was shut out stays out. The log says why."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._names: frozenset[str] | None = None

    def __call__(self) -> frozenset[str]:
        """The names. Raises DisabledError where the list could never be read."""
        try:
            self._names = load(self._state)
        except (DisabledError, OSError) as error:
            if self._names is None:
                raise
            log.error("The list of who is shut out cannot be read, so the last good one holds: %s", error)
        return self._names
