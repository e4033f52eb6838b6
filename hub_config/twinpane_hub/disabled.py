"""People whom the administrator has shut out of this hub, whatever an account store or a provider says."""

from pathlib import Path
from typing import Annotated

import tomlkit
from pydantic import Field

from twinpane_broker import Closed
from twinpane_ground import atomic, strict_toml

from .accounts import Name

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


def save(state: Path, names: frozenset[str]) -> None:
    """Write the list."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    atomic.write(state / FILE, tomlkit.dumps({"names": sorted(names)}).encode())
