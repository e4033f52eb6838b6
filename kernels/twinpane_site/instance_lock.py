"""One agent per site folder: two would let things out twice."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ConfigError

FILE = "serve.lock"


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Lock the folder while serving it. Raises ConfigError if another process has it. The system unlocks it when a process dies."""
    try:
        handle = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"{folder / FILE} cannot be opened: {error.strerror}.") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"{folder} is being served already by another process. Stop that one first.") from None
        yield
    finally:
        os.close(handle)
