"""The disk below a folder: whether it is encrypted, what is free, and who may read which file."""

import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from twinpane_sandbox.limits import MIB

from .diagnosis import Diagnosis, fine, warning, wrong

SYS = Path("/sys/dev/block")
IN_MEMORY = ("tmpfs", "ramfs")


@dataclass(frozen=True, slots=True)
class Mount:
    """What lies below a folder: the file system's kind, and what it was mounted from."""

    kind: str
    source: str


def mount_of(folder: Path, mountinfo: str) -> Mount | None:
    """The mount of a folder (an existing one, without links), from the text of /proc/self/mountinfo. The last one at a place counts."""
    best, found = -1, None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), before.split()[4])
        if Path(point) in (folder, *folder.parents) and len(Path(point).parts) >= best:
            kind, source = after.split()[:2]
            best, found = len(Path(point).parts), Mount(kind, source)
    return found


def is_encrypted(device: Path) -> bool:
    """Whether a block device (its folder in /sys) lies on dm-crypt, at whichever depth."""
    try:
        if (device / "dm" / "uuid").read_text().startswith("CRYPT-"):
            return True
    except OSError:
        pass
    below = list((device / "slaves").iterdir()) if (device / "slaves").is_dir() else []
    return bool(below) and all(is_encrypted(each) for each in below)


def _device(source: str) -> Path | None:
    try:
        number = os.stat(source).st_rdev
        return (SYS / f"{os.major(number)}:{os.minor(number)}").resolve(strict=True)
    except OSError:
        return None


def encryption(folder: Path, mountinfo: str | None = None, device_of: Callable[[str], Path | None] = _device) -> Diagnosis:
    """Whether what is written below the folder is encrypted on the disk."""
    place = _existing(folder)
    mount = mount_of(place, mountinfo if mountinfo is not None else Path("/proc/self/mountinfo").read_text())
    remedy = f"put {folder} on a disk that is encrypted (LUKS), or make sure that the storage below this machine is"
    if mount is None:
        return warning("disk encryption", f"what {place} lies on cannot be told", remedy)
    if mount.kind in IN_MEMORY:
        return warning(
            "disk encryption", f"{place} lies in memory ({mount.kind})", "choose a folder on a disk: here all is lost at power-off"
        )
    device = device_of(mount.source)
    if device is None:
        return warning("disk encryption", f"whether {mount.source} ({mount.kind}) is encrypted cannot be told", remedy)
    if not is_encrypted(device):
        return warning("disk encryption", f"{mount.source}, below {place}, is not encrypted by this machine", remedy)
    return fine("disk encryption", f"{mount.source}, below {place}, is encrypted")


def free_space(folder: Path, need: int, why: str) -> Diagnosis:
    """Whether the disk has room for ``need`` bytes; ``why`` says what for."""
    place = _existing(folder)
    state = os.statvfs(place)
    free = state.f_bavail * state.f_frsize
    found = f"{free // MIB:,} MB are free below {place}; {need // MIB:,} MB are needed: {why}"
    if free < need:
        return wrong("free space", found, "free some space, or lower those settings")
    return fine("free space", found)


def private(name: str, paths: Iterable[Path]) -> Diagnosis:
    """Whether secret files and folders, those that exist, are this user's alone. Links are not followed."""
    there = [path for path in paths if os.path.lexists(path)]
    for path in there:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode) or not stat.S_IMODE(found.st_mode) & 0o077:
            continue
        return wrong(name, f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):04o})", f"chmod go-rwx {path}")
    return fine(name, f"{len(there)} secret files and folders are this user's alone")


def _existing(folder: Path) -> Path:
    place = folder.resolve()
    return next(each for each in (place, *place.parents) if each.exists())
