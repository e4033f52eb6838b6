"""Files that are wholly there or not at all, and still there after a power cut."""

import contextlib
import os
import secrets
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, content: bytes | int, *, mode: int = 0o600) -> None:
    """Put ``content`` at ``path`` by writing beside it, syncing and renaming; raises OSError and leaves what was there.

    ``content``: bytes, or the descriptor of a file that is copied whole, without passing through this process.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            if isinstance(content, int):
                _copy(content, file.fileno())
            else:
                file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def _copy(source: int, target: int) -> None:
    at, size = 0, os.fstat(source).st_size
    while at < size and (count := os.sendfile(target, source, at, size - at)):
        at += count
