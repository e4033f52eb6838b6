"""Remove what a killed host left on the machine. The next host does so.

Each private folder says in a file of its own who made it and what belongs to it. Kernels die with their host, so only folders and
control groups should be left. A process that is left all the same is ended.
"""

import contextlib
import json
import os
import signal
import stat
import time
from collections.abc import Sequence
from pathlib import Path

from .overlay_views import STAGE
from .poll import readable

OWNER = "owner.json"
"""The file's name in a private folder."""
UNKNOWN_S = 24 * 3600.0
"""Seconds after which a folder without such a file is removed: its host was killed before it could write one."""
TOLD = 64 * 1024
"""Bytes of such a file, at most."""


def sign(private: Path, sandbox: int, groups: Sequence[Path]) -> None:
    """Say in the private folder that this process made it, for that sandbox's first process and those control groups."""
    told = {"host": identity(os.getpid()), "sandbox": identity(sandbox), "groups": [str(group) for group in groups]}
    descriptor = os.open(private / OWNER, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w") as file:
        json.dump(told, file)


def identity(pid: int) -> list[int]:
    """A process's number and the time it started at, which together name it for good; an empty list where it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return [pid, int(file.read().rpartition(b")")[2].split()[19])]
    except (OSError, IndexError):
        return []


def remove_leftovers(prefix: str, folder: Path = Path("/tmp"), below: str = "") -> int:  # noqa: S108
    """End and remove what this user's hosts left: the folders whose names begin with ``prefix``. Returns how many were removed.

    ``below`` is the private folder's name within the folder that is removed. Call it before anything is started. Never raises.
    """
    from shutil import rmtree  # imported late: launching a kernel imports this module, and must stay quick

    removed = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for path in [Path(entry.path) for entry in entries if entry.name.startswith(prefix)]:
            if _is_ours(path) and _is_left(path / below):
                _end(path / below)
                rmtree(path, ignore_errors=True)
                removed += not path.exists()
    return removed


def _is_ours(path: Path) -> bool:
    with contextlib.suppress(OSError):
        status = os.lstat(path)
        return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
    return False


def _is_left(private: Path) -> bool:
    told = _told(private)
    if told is None:
        with contextlib.suppress(OSError):
            return time.time() - os.lstat(private.parent if not private.exists() else private).st_mtime > UNKNOWN_S
        return False
    return not _lives(told["host"])


def _told(private: Path) -> dict[str, list[int]] | None:
    try:
        descriptor = os.open(private / OWNER, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            told = json.loads(file.read(TOLD))
        return told if all(isinstance(told[name], list) for name in ("host", "sandbox", "groups")) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _named(private: Path) -> list[int]:
    """Processes whose command line names the private folder as bubblewrap's does: by its path, or by a place in its views where just this
    folder is found. Many sandboxes' folders have the same name."""
    path, staged, own = os.fsencode(private), f"{STAGE}/b/".encode(), _file(os.fsencode(private))
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
            if b"--bind" not in words or (os.geteuid() != 0 and os.fstat(file.fileno()).st_uid != os.geteuid()):
                continue
            root = f"/proc/{pid}/root".encode()
            if path in words or any(own and own == _file(root + word) for word in words if word.startswith(staged)):
                found.append(int(pid))
    return found


def _file(path: bytes) -> tuple[int, int] | None:
    """Device and inode of the file; None if there is none that we may see."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _lives(named: list[int]) -> bool:
    return bool(named) and identity(int(named[0])) == named


def _end(private: Path) -> None:
    for pid in _named(private):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    told = _told(private)
    if told is None:
        return
    if _lives(told["sandbox"]):
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(told["sandbox"][0])
            try:
                if _lives(told["sandbox"]):  # asked again: the descriptor cannot come to mean another process
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    readable(descriptor, 5)
            finally:
                os.close(descriptor)
    for group in told["groups"]:
        if os.path.basename(str(group)).startswith("twinpane-"):
            with contextlib.suppress(OSError):
                os.rmdir(str(group))
