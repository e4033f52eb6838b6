"""Copy a kernel's folder to another place without following links, and within a bound of bytes and entries.

What a kernel leaves may be hostile: links to anywhere, one file under a thousand names, files that are nearly all holes, folders without
end. Links are copied as links, which nobody on the host follows; pipes and sockets are left out.
"""

import errno
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .as_user import acting_as
from .files import DEEPEST, FOLDER

CHUNK = 2**20
FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFull(OSError):
    """The disk has no room for the copy, or would have less left than it must keep."""


@dataclass(slots=True)
class Copying:
    """A copy under way: bytes and entries that may still come, and what was left out.

    ``floor``: bytes that the target's disk must keep free, else DiskFull is raised. None: what does not fit is left out.
    """

    size: int
    entries: int
    floor: int | None = None
    left_out: int = 0

    def folder(self, source: int, target: int, depth: int = 0) -> None:
        """Copy what is in one open folder into another."""
        with os.scandir(source) as found:
            names = [entry.name for _, entry in zip(range(self.entries + 1), found, strict=False)]
        for name in names:  # not sorted: a hundred thousand long names take a third of a second, in which no other thread runs
            self.entries -= 1
            if self.entries < 0:
                self.left_out += 1
                continue
            try:
                self._leave_free(target)
                self._one(name, source, target, depth)
            except DiskFull:
                raise
            except OSError as error:
                if self.floor is not None and error.errno in FULL:
                    raise DiskFull(error.errno, error.strerror) from None
                self.left_out += 1

    def _leave_free(self, target: int) -> None:
        if self.floor is None:
            return
        state = os.fstatvfs(target)
        if state.f_bavail * state.f_frsize - CHUNK < self.floor:
            raise DiskFull(errno.ENOSPC, f"the disk keeps {self.floor} bytes free")

    def _one(self, name: str, source: int, target: int, depth: int) -> None:
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        mode = stat.S_IMODE(status.st_mode) & 0o777
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        elif stat.S_ISREG(status.st_mode):
            self._file(name, source, target, mode, status.st_size)
        elif stat.S_ISDIR(status.st_mode) and depth < DEEPEST:
            os.mkdir(name, 0o700, dir_fd=target)
            inner, copy = os.open(name, FOLDER, dir_fd=source), os.open(name, FOLDER, dir_fd=target)
            try:
                self.folder(inner, copy, depth + 1)
                os.fchmod(copy, mode | 0o700)
            finally:
                os.close(inner)
                os.close(copy)
        else:
            self.left_out += 1
            return
        os.utime(name, ns=(status.st_mtime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)

    def _file(self, name: str, source: int, target: int, mode: int, length: int) -> None:
        if length > self.size:
            raise FileNotFoundError(name)
        reading = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=source)
        with open(reading, "rb") as one:
            writing = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=target)
            with open(writing, "wb") as other:
                left = length
                while left > 0 and (chunk := one.read(min(CHUNK, left))):
                    self._leave_free(target)
                    other.write(chunk)
                    left -= len(chunk)
                    self.size -= len(chunk)
                os.fchmod(writing, mode)


def copy_into(source: int, target: int, size: int, entries: int, floor: int | None = None) -> int:
    """Copy an open folder's content into another, at most that many bytes and entries; returns how many entries were left out.

    ``floor``: see `Copying`.
    """
    copying = Copying(size, entries, floor)
    os.lseek(source, 0, os.SEEK_SET)  # an earlier listing by this descriptor, perhaps cut off, moved its position
    copying.folder(source, target)
    return copying.left_out


def replace(source: int, place: Path, size: int, entries: int, floor: int = 0, owner: int = 0) -> int:
    """Make ``place`` a copy of the open folder, whole or not at all; returns how many entries were left out.

    The copy belongs to ``owner`` (0: to us), who must be able to read all of it.
    Raises OSError: DiskFull if the disk would not keep ``floor`` bytes free, and then the place is as it was.
    """
    new, old = place.with_name(f".{place.name}.new"), place.with_name(f".{place.name}.old")
    restore(place)
    os.mkdir(new, 0o700)
    if owner:
        os.chown(new, owner, owner)
    target = os.open(new, FOLDER)
    try:
        with acting_as(owner):
            left_out = copy_into(source, target, size, entries, floor)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    finally:
        os.close(target)
    os.rename(place, old)
    os.rename(new, place)
    shutil.rmtree(old, ignore_errors=True)
    return left_out


def restore(place: Path) -> None:
    """Restore a folder to its earlier state after a ``replace`` that was cut off."""
    new, old = place.with_name(f".{place.name}.new"), place.with_name(f".{place.name}.old")
    if not place.exists() and old.exists():
        with suppress(OSError):
            os.rename(old, place)
    for path in (new, old):
        shutil.rmtree(path, ignore_errors=True)
