"""List and change folders that a kernel can write. As in `files`, every step is opened by descriptor and no link is followed.

``root`` is a folder of the host, ``relpath`` lies below it ("" is the root itself, where that makes sense).
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import UnsafePath
from .files import DEEPEST, FOLDER, open_step, parent_of, regular, safe_write

BLOCK = 2**20
"""Bytes that are copied at a time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A regular file or a folder: its name, whether it is a folder, its size in bytes, when it changed (nanoseconds), and whether its
    owner may write it."""

    name: str
    is_folder: bool
    size: int
    changed: int
    writable: bool

    @classmethod
    def of(cls, name: str, status: os.stat_result) -> "Entry | None":
        """None for a link, a pipe, a socket or a device."""
        is_folder = stat.S_ISDIR(status.st_mode)
        if not is_folder and not stat.S_ISREG(status.st_mode):
            return None
        return cls(name, is_folder, status.st_size, status.st_mtime_ns, bool(status.st_mode & stat.S_IWUSR))


@contextmanager
def opened(root: Path, relpath: str) -> Iterator[int]:
    """A descriptor of the folder; raises UnsafePath and FileNotFoundError."""
    if not relpath:
        descriptor = os.open(root, FOLDER)
    else:
        with parent_of(root, relpath, make=False) as (folder, name):
            descriptor = open_step(name, FOLDER, folder, relpath)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def look(root: Path, relpath: str) -> Entry:
    """What lies at the path; raises FileNotFoundError, and UnsafePath where it is neither a file nor a folder."""
    if not relpath:
        found = Entry.of("", os.stat(root, follow_symlinks=False))
    else:
        with parent_of(root, relpath, make=False) as (folder, name):
            found = Entry.of(name, os.stat(name, dir_fd=folder, follow_symlinks=False))
    if found is None:
        raise UnsafePath(f"{relpath} is a link or no file")
    return found


def listed(root: Path, relpath: str, most: int) -> list[Entry]:
    """Files and folders of a folder, by name. Raises UnsafePath where it holds more than ``most`` entries: a kernel may make very many."""
    found = []
    with opened(root, relpath) as folder:
        for name in _names(folder, most):
            try:
                entry = Entry.of(name, os.stat(name, dir_fd=folder, follow_symlinks=False))
            except OSError:
                continue  # gone since
            if entry is not None:
                found.append(entry)
    return found


def make_folder(root: Path, relpath: str) -> None:
    """Make one folder in a parent that exists; raises FileExistsError, FileNotFoundError and UnsafePath."""
    with parent_of(root, relpath, make=False) as (folder, name):
        os.mkdir(name, 0o755, dir_fd=folder)


def append(root: Path, relpath: str, content: bytes) -> None:
    """Append to a regular file that exists; raises FileNotFoundError and UnsafePath."""
    with (
        parent_of(root, relpath, make=False) as (folder, name),
        open(regular(name, os.O_WRONLY | os.O_APPEND, folder, relpath), "ab") as file,
    ):
        file.write(content)


def move(root: Path, old: str, new: str, *, make: bool = False) -> None:
    """Rename a file or folder within ``root``; with ``make``, also make missing parent folders.

    Raises FileExistsError if there is something at ``new``, FileNotFoundError and UnsafePath.
    """
    look(root, old)
    with parent_of(root, old, make=False) as (source, name), parent_of(root, new, make=make) as (target, new_name):
        try:
            os.stat(new_name, dir_fd=target, follow_symlinks=False)
        except FileNotFoundError:
            os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
        else:
            raise FileExistsError(new)


def give(root: Path, relpath: str, owner: int) -> None:
    """Give a file or folder to that user and to the group of the same number. Only root can.

    Raises FileNotFoundError, and UnsafePath for any other kind of file or a file with a second hard link, which may lie anywhere.
    """
    if not relpath:
        os.chown(root, owner, owner, follow_symlinks=False)
        return
    with parent_of(root, relpath, make=False) as (folder, name):
        descriptor = open_step(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, folder, relpath)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISDIR(status.st_mode) and not (stat.S_ISREG(status.st_mode) and status.st_nlink == 1):
            raise UnsafePath(f"{relpath} is no folder and no file with one name")
        os.fchown(descriptor, owner, owner)
    finally:
        os.close(descriptor)


def give_all(root: Path | str, owner: int) -> None:
    """Give a folder and everything in it to that user. Only root can, and only while no process uses the folder.

    Symbolic links keep their owner, and so do files with a second hard link, which may lie anywhere.
    """
    for _, names, files, place in os.fwalk(root, follow_symlinks=False):
        for name in (*names, *files):
            status = os.stat(name, dir_fd=place, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1):
                os.chown(name, owner, owner, dir_fd=place, follow_symlinks=False)
        os.fchown(place, owner, owner)


def remove(root: Path, relpath: str) -> None:
    """Delete a file or link, or a folder with all that it holds; raises FileNotFoundError and UnsafePath."""
    with parent_of(root, relpath, make=False) as (folder, name):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)


def copy_file(root: Path, relpath: str, target: Path, new: str, limit: int) -> int:
    """Copy a regular file below ``root`` to a path below ``target``, whose parent exists; returns its size in bytes.

    Raises FileExistsError, FileNotFoundError, and UnsafePath if it is no regular file or larger than ``limit`` bytes.
    """
    with parent_of(root, relpath, make=False) as (folder, name), parent_of(target, new, make=False) as (to, new_name):
        return _copy_file(folder, name, to, new_name, limit)


def copy_folder(root: Path, old: str, new: str, limit: int, most: int) -> None:
    """Copy a folder within ``root``: files and folders, no links, at most ``limit`` bytes and ``most`` entries.

    Raises FileExistsError, FileNotFoundError and UnsafePath; what was copied until then is removed.
    """
    if f"{new}/".startswith(f"{old}/"):
        raise UnsafePath(f"{new} lies within {old}")
    with opened(root, old) as source:
        make_folder(root, new)
        try:
            with opened(root, new) as target:
                _copy(source, target, [limit, most], 0)
        except BaseException:
            remove(root, new)
            raise


def put(root: Path, relpath: str, content: bytes) -> None:
    """Write a file into a folder that exists, replacing any earlier file as a whole; raises FileNotFoundError and UnsafePath."""
    with parent_of(root, relpath, make=False):
        safe_write(root, relpath, content)


def _names(folder: int, most: int) -> list[str]:
    with os.scandir(folder) as entries:
        names: list[str] = []
        for entry in entries:
            if len(names) >= most:
                raise UnsafePath("the folder holds more files than are looked at")
            names.append(entry.name)
    return sorted(names)


def _copy(source: int, target: int, left: list[int], depth: int) -> None:
    if depth > DEEPEST:
        raise UnsafePath("the folders are too deep")
    names = _names(source, left[1])
    left[1] -= len(names)
    for name in names:
        kind = os.stat(name, dir_fd=source, follow_symlinks=False).st_mode
        if stat.S_ISREG(kind):
            left[0] -= _copy_file(source, name, target, name, left[0])
        elif stat.S_ISDIR(kind):
            os.mkdir(name, 0o755, dir_fd=target)
            inner, made = open_step(name, FOLDER, source, name), open_step(name, FOLDER, target, name)
            try:
                _copy(inner, made, left, depth + 1)
            finally:
                os.close(inner)
                os.close(made)


def _copy_file(source: int, name: str, target: int, new: str, limit: int) -> int:
    copied = 0
    with (
        open(regular(name, os.O_RDONLY, source, name), "rb") as old,
        open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=target), "wb") as file,
    ):
        while block := old.read(BLOCK):
            copied += len(block)
            if copied > limit:
                raise UnsafePath(f"{name} is larger than {limit} bytes")
            file.write(block)
    return copied
