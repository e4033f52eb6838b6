"""Read and change files of a folder that a kernel can write, without following any link that the kernel may have put there.

A kernel can plant links that point anywhere on the host, pipes that block whoever opens them, and swap a folder for a link between a
look and a use. So every step of a path is opened from the step before it, by descriptor and without following links. ``project`` is the
folder's own path; for an open folder, it is ``/proc/self/fd/N/.``.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .errors import UnsafePath

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
DEEPEST = 40
"""Levels of folders that are searched, at most."""


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file below the folder: its path relative to it, its size in bytes and the time it changed, in nanoseconds."""

    path: str
    size: int
    changed: int


def safe_read(project: Path | str, relpath: str, limit: int) -> bytes:
    """The content of a regular file below ``project``.

    Raises UnsafePath where the path leads through a link or is no regular file, or the file is larger than ``limit`` bytes;
    FileNotFoundError where there is none.
    """
    with open(safe_open(project, relpath), "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise UnsafePath(f"{relpath} is larger than {limit} bytes")
    return content


def safe_open(project: Path | str, relpath: str) -> int:
    """A descriptor, for reading, of a regular file below ``project``; the caller closes it. Raises UnsafePath and FileNotFoundError."""
    with parent_of(project, relpath, make=False) as (folder, name):
        return regular(name, os.O_RDONLY, folder, relpath)


def safe_write(project: Path | str, relpath: str, content: bytes) -> None:
    """Put a file below ``project``, making folders on the way; what was there before is replaced whole. Raises UnsafePath."""
    with parent_of(project, relpath, make=True) as (folder, name):
        partial = f".twinpane-{secrets.token_hex(8)}"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
            os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            os.unlink(partial, dir_fd=folder)
            raise UnsafePath(f"{relpath} cannot be written ({error.strerror})") from None


def safe_delete(project: Path | str, relpath: str) -> None:
    """Delete a file or link below ``project``; nothing happens where there is none. Raises UnsafePath for a folder."""
    try:
        with parent_of(project, relpath, make=False) as (folder, name):
            os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError) as error:
        raise UnsafePath(f"{relpath} cannot be deleted ({error.strerror})") from None


def safe_walk(project: Path | str, entries: int) -> Iterator[Found]:
    """The regular files below ``project``, at most that many entries looked at; links, pipes and sockets are passed over.

    Raises UnsafePath where there are more entries: a kernel may make very many.
    """
    left = [entries]
    root = os.open(project, FOLDER)
    try:
        yield from _walk(root, "", left, 0)
    finally:
        os.close(root)


def _walk(folder: int, above: str, left: list[int], depth: int) -> Iterator[Found]:
    with os.scandir(folder) as entries:
        listed = []
        for entry in entries:
            left[0] -= 1
            if left[0] < 0:
                raise UnsafePath("the folder holds more files than are looked at")
            listed.append(entry.name)
    for name in sorted(listed):
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                yield Found(above + name, status.st_size, status.st_mtime_ns)
            elif stat.S_ISDIR(status.st_mode) and depth < DEEPEST:
                inner = os.open(name, FOLDER, dir_fd=folder)
                try:
                    yield from _walk(inner, f"{above}{name}/", left, depth + 1)
                finally:
                    os.close(inner)
        except OSError:
            continue  # gone, or something else by now


def regular(name: str, flags: int, folder: int, relpath: str) -> int:
    """A descriptor of the regular file of that name in an open folder; raises FileNotFoundError, and UnsafePath for anything else."""
    descriptor = open_step(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, folder, relpath)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnsafePath(f"{relpath} is not a regular file")
    return descriptor


@contextmanager
def parent_of(project: Path | str, relpath: str, *, make: bool) -> Iterator[tuple[int, str]]:
    """The open folder that holds the path's last part, and that part's name; raises UnsafePath, and FileNotFoundError unless ``make``."""
    parts = relpath.split("/")
    if not relpath or "\0" in relpath or any(part in ("", ".", "..") for part in parts):
        raise UnsafePath(f"{relpath!r} does not stay below the folder")
    folder = os.open(project, FOLDER)
    try:
        for part in parts[:-1]:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=folder)
            inner = open_step(part, FOLDER, folder, relpath)
            os.close(folder)
            folder = inner
        yield folder, parts[-1]
    finally:
        os.close(folder)


def open_step(name: str, flags: int, folder: int, relpath: str) -> int:
    """A descriptor of what lies in an open folder; ``flags`` say that no link is followed. Raises FileNotFoundError and UnsafePath."""
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnsafePath(f"{relpath} leads through a link or is no file ({error.strerror})") from None
