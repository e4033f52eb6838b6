"""Write files atomically and durably: a file is there whole or not at all, and survives a power cut.

Use it in folders that we alone write. For folders where a stranger may put links, see ``twinpane_sandbox.files``.
"""

import contextlib
import glob
import os
import secrets
from pathlib import Path


def write(path: Path, content: bytes | int, *, mode: int | None = 0o600, durable: bool = True) -> None:
    """Put ``content`` at ``path`` by writing beside it, syncing and renaming; raises OSError and leaves what was there.

    ``content``: bytes, or the descriptor of a file that is copied whole, without passing through this process. ``mode``: the file's,
    exactly; None: as the umask says. A file that root replaces stays its owner's. Not ``durable``: a reader still never meets half a
    file, but a power cut may lose it; for files that can be made again.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}.new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if mode is None else mode)
        with os.fdopen(descriptor, "wb") as file:
            if isinstance(content, int):
                _copy(content, file.fileno())
            else:
                file.write(content)
            file.flush()
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            _keep_owner(path, file.fileno())
            if durable:
                os.fsync(file.fileno())
        os.replace(fresh, path)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
    if durable:
        sync(path.parent)


def replace(fresh: Path, path: Path) -> None:
    """Put a file that was written beside ``path`` in its place, durably; raises OSError."""
    sync(fresh)
    os.replace(fresh, path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Make a file's content, or the names in a folder, durable; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(path: Path) -> None:
    """Clear away what writers of ``path`` that were killed left behind. Nobody else may be writing it."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.new"):
        left.unlink(missing_ok=True)


def _copy(source: int, target: int) -> None:
    at, size = 0, os.fstat(source).st_size
    while at < size and (count := os.sendfile(target, source, at, size - at)):
        at += count


def _keep_owner(path: Path, descriptor: int) -> None:
    if os.geteuid() != 0:
        return
    with contextlib.suppress(FileNotFoundError):
        before, now = os.lstat(path), os.fstat(descriptor)  # of a link itself: its target is somebody else's
        if (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
            os.fchown(descriptor, before.st_uid, before.st_gid)
