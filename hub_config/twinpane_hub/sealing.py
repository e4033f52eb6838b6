"""The key under which the hub keeps what a provider gave of a person."""

import secrets
from pathlib import Path

from twinpane_ground import atomic

FILE = "sealing.key"
"""In the hub's state folder."""


def key(state: Path) -> bytes:
    """The key; it is made where it is missing. Whoever loses it makes everybody sign in again, and nobody's second factor is good."""
    file = state / FILE
    if not file.exists():
        atomic.write(file, secrets.token_bytes(32))
    return file.read_bytes()
