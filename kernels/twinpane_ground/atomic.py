"""Write files atomically and durably: a file is there whole or not at all, and survives a power cut.

Use it in folders that we alone write. For folders where a stranger may put links, see ``twinpane_sandbox.files``.
"""

import contextlib
import fcntl
import os
import re
import secrets
import stat
import time
from functools import lru_cache
from pathlib import Path

_FRESH = re.compile(r"\..+\.[0-9a-f]{12}\.new")
"""Names of files that are being written. Whoever writes one holds a lock on it: without, its writer was killed."""
YOUNG_S = 60.0
"""So long nothing is taken for left behind: in a sandbox locks hold nothing."""


def write(path: Path, content: bytes | int, *, mode: int | None = 0o600, durable: bool = True) -> None:
    """Put ``content`` at ``path`` by writing beside it, syncing and renaming; raises OSError and leaves what was there.

    ``content``: bytes, or the descriptor of a file that is copied whole, without passing through this process. ``mode``: the file's,
    exactly; None: as the umask says. A file that root replaces stays its owner's. Not ``durable``: a reader still never meets half a
    file, but a power cut may lose it; for files that can be made again.
    """
    _sweep_once(path.parent)
    fresh, descriptor = _opened(path, 0o666 if mode is None else mode)
    try:
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


def sweep(folder: Path) -> None:
    """Clear away what writers that were killed left behind in a folder. Others may be writing in it."""
    with contextlib.suppress(OSError):
        for left in [Path(entry) for entry in os.scandir(folder) if _FRESH.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):
                _clear(left)


def _opened(path: Path, mode: int) -> tuple[Path, int]:
    """A new file beside ``path``, open and locked."""
    while True:
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        _locked(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return fresh, descriptor
        os.close(descriptor)  # another process swept it before it was locked


@lru_cache(maxsize=256)
def _sweep_once(folder: Path) -> None:
    """Sweep a folder before a process first writes in it: it may be the next after one that was killed."""
    sweep(folder)


def _clear(left: Path) -> None:
    descriptor = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        young = time.time() - found.st_mtime < YOUNG_S
        if stat.S_ISREG(found.st_mode) and not young and _locked(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            left.unlink()
    finally:
        os.close(descriptor)


def _locked(descriptor: int, how: int) -> bool:
    """Whether we alone hold the file now. Some file systems have no locks: there, nothing is ever cleared away."""
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, how)
        return True
    return False


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
