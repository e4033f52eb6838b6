"""A sized volume for /project: mounted in the namespaces of a small process that holds it, at the very path where the folder is.

Sandboxes enter those namespaces before they make their views, so that they find the volume where everybody else finds the folder. The host
reaches it through a descriptor, also where it is no root and the volume lies in another user namespace.
"""

import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from twinpane_ground import atomic

from . import namespaces
from .errors import SandboxUnavailable
from .fork_exec import ChildSetup, spawn
from .namespaces import NODEV, NOSUID
from .overlay_views import own_mounts

INODES = 100_000
"""Files and folders of a volume: each takes about a kilobyte of the machine's memory beside its content."""
WAIT = ["/bin/sh", "-c", "echo; exec sleep infinity 0<&- 1>&- 2>&-"]
MOUNT = """
device=$(losetup --find --show -- "$1") || exit 1
mount -t ext4 -o nosuid,nodev,noatime "$device" "$2"; mounted=$?
losetup --detach "$device"
[ $mounted = 0 ] && echo 0 > "/sys/fs/ext4/${device#/dev/}/extent_max_zeroout_kb" && echo && exec sleep infinity 0<&- 1>&- 2>&-
"""
"""Detached at once, so that the device goes with its last mount. Zeroes are written out: any other way gives the space back to the disk."""
REMEDY = 'choose another `volume` under [session]: "memory", "image" (the agent is root), or "folder" with accept_unlimited_project = true'


@dataclass(frozen=True, slots=True)
class Memory:
    """A file system in memory, of a size in bytes, over the folder ``place``; it belongs to ``owner`` (0: to us)."""

    place: Path
    size: int
    owner: int = 0

    def make(self) -> None:
        """Mount it, in a child; raises OSError."""
        own_mounts()
        options = f"size={self.size},nr_inodes={INODES},mode=0700" + (f",uid={self.owner},gid={self.owner}" if self.owner else "")
        namespaces.mount("twinpane-project", str(self.place), "tmpfs", NOSUID | NODEV, options)


@dataclass(frozen=True, slots=True)
class OwnMounts:
    """A mount namespace of its own, for a command that mounts the rest."""

    def make(self) -> None:
        """Leave the host's mount namespace, in a child; raises OSError."""
        own_mounts()


class VolumeHolder:
    """The process that holds a volume. ``descriptor`` is the volume's root, for the host."""

    def __init__(self, process: "subprocess.Popen[bytes]", place: Path) -> None:
        self.process = process
        self.descriptor = os.open(f"/proc/{process.pid}/root{place}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @property
    def pid(self) -> int:
        """Whose namespaces a sandbox enters."""
        return self.process.pid

    def close(self) -> None:
        """Let the volume go; what runs in it keeps it until it ends."""
        os.close(self.descriptor)
        self.process.kill()
        self.process.wait()


def hold_memory(place: Path, size: int, owner: int = 0) -> VolumeHolder:
    """A volume in memory over the folder, see `Memory`; call from a thread that lives as long. Raises SandboxUnavailable."""
    return _hold(WAIT, ChildSetup(Memory(place.resolve(), size, owner)), place.resolve())


def hold_image(place: Path, image: Path) -> VolumeHolder:
    """The image's file system over the folder, through a loop device: only root may. Raises SandboxUnavailable."""
    holder = _hold(["/bin/sh", "-c", MOUNT, "holder", str(image), str(place.resolve())], ChildSetup(OwnMounts()), place.resolve())
    with suppress(OSError):
        os.rmdir("lost+found", dir_fd=holder.descriptor)
    return holder


def make_image(image: Path, size: int) -> None:
    """A new ext4 file system in a file whose space is taken at once; one that is there is kept. Raises SandboxUnavailable."""
    if image.exists():
        return
    partial = image.with_suffix(".partial")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "wb") as file:
            file.truncate(size)
        options = "nodiscard,lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0"  # zero now: later zeroing would give space back
        done = subprocess.run(
            ["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-E", options, str(partial)],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"},
        )  # fmt: skip
        if done.returncode != 0:
            raise OSError(done.returncode, done.stderr.strip()[-300:])
        with open(partial, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        atomic.replace(partial, image)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SandboxUnavailable(f"no image of {size} bytes can be made at {image} ({error.strerror})", REMEDY) from None


def _hold(line: list[str], setup: ChildSetup, place: Path) -> VolumeHolder:
    try:
        process = spawn(line, setup, env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})
    except OSError as error:
        raise SandboxUnavailable(f"no volume can be held ({error})", REMEDY) from None
    assert process.stdout is not None
    said = process.stdout.readline()
    if said != b"\n":
        said += process.stdout.read()
        process.stdout.close()
        process.wait()
        raise SandboxUnavailable(f"no volume can be mounted at {place} ({said.decode(errors='replace').strip()[-300:]})", REMEDY)
    process.stdout.close()
    try:
        return VolumeHolder(process, place)
    except OSError as error:
        process.kill()
        process.wait()
        raise SandboxUnavailable(f"the volume at {place} cannot be reached ({error})", REMEDY) from None
