"""Each sandbox's own view of the machine's folders: overlays in a mount namespace of its own, from which bubblewrap then binds.

Two sandboxes that see one folder by plain bind mounts share its inodes, and with them whatever the kernel keeps at an inode: locks,
leases, watches, hints, times. Through an overlay each has inodes of its own, over the same pages. The upper layer is a small private
file system in memory, so that sizes tell nothing of the disk either. Bubblewrap has no option for overlays before 0.11.
"""

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from . import namespaces
from .namespaces import BIND, NEWNS, NEWTIME, NODEV, NOSUID, PRIVATE, RECURSIVE

STAGE = "/sys"
"""Where the private file system is mounted, out of everybody's sight: a folder that every machine has and no sandbox shows."""
FIXED = f"{STAGE}/f"
"""Files with fixed content, written anew for each sandbox."""
EMPTY_FILE, EMPTY_FOLDER = f"{FIXED}/empty", f"{STAGE}/none"
SIZE, INODES = 4 * 2**20, 4096
"""Size of the private file system, in bytes and files. Only what this module makes is ever written there."""
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
"""The device files of bubblewrap's /dev: made anew where we may, so that not even their inodes are shared."""
STAGED, NAME = "twinpane", "twinpane-view-"
"""What the mount table calls the private file system, and the overlays before their number."""
OPTIONS = "index=off"


@dataclass(frozen=True, slots=True)
class OverlayViews:
    """What is made for one sandbox: overlays of ``folders``, files below FIXED, device files where ``devices`` is true, and binds of
    ``found_here``: folders that the user whom the sandbox runs under could not reach by their paths.

    ``holder`` is the process whose mount namespace holds /project (see ``volume_holder``); 0 where there is none.
    """

    folders: tuple[str, ...]
    sources: Mapping[str, tuple[int, str]]
    """Folder or file of the machine -> the number of its overlay, and its name there (empty: the overlay's root)."""
    files: Mapping[str, bytes]
    devices: bool
    holder: int = 0
    found_here: tuple[str, ...] = ()

    def place(self, source: str) -> str:
        """Where a folder or file of the machine is found in this view."""
        if source in self.found_here:
            # Named by its last part too: what a host that was killed left is found by it (``leftovers``).
            return f"{STAGE}/b/{self.found_here.index(source)}/{os.path.basename(source)}"
        number, name = self.sources[source]
        return f"{STAGE}/v/{number}/{name}".rstrip("/")

    def name(self, source: str) -> tuple[str, str]:
        """What the mount table says of that folder or file: its file system's name, and the place in it."""
        number, name = self.sources[source]
        return f"{NAME}{number}", f"/{name}"

    def make(self) -> None:
        """Make it all, in a child that has one thread and becomes bubblewrap next; raises OSError."""
        umask = os.umask(0o022)  # so that the sandbox's user can walk here
        if self.holder:
            enter_holder(self.holder)
            namespaces.unshare(NEWNS | NEWTIME)
        else:
            own_mounts(NEWTIME)
        namespaces.mount(STAGED, STAGE, "tmpfs", NOSUID | (0 if self.devices else NODEV), f"size={SIZE},nr_inodes={INODES},mode=0755")
        for folder in ("v", "u", "w", "f", "d", "b", "none"):
            os.mkdir(f"{STAGE}/{folder}", 0o755)
        for path, content in self.files.items():
            os.makedirs(os.path.dirname(f"{FIXED}/{path}"), 0o755, exist_ok=True)
            write(f"{FIXED}/{path}", content)
        for number, folder in enumerate(self.folders):
            self._overlay(number, folder)
        for folder in self.found_here:
            os.makedirs(self.place(folder), 0o755)
            namespaces.mount(folder, self.place(folder), flags=BIND | RECURSIVE)
        for name, (major, minor) in DEVICES.items() if self.devices else ():
            os.mknod(f"{STAGE}/d/{name}", stat.S_IFCHR, os.makedev(major, minor))
            os.chmod(f"{STAGE}/d/{name}", 0o666)  # noqa: S103 - as on any machine
            namespaces.mount(f"{STAGE}/d/{name}", f"/dev/{name}", flags=BIND)
        os.umask(umask)

    def _overlay(self, number: int, folder: str) -> None:
        for layer in "vuw":
            os.mkdir(f"{STAGE}/{layer}/{number}", 0o755)
        # By descriptor: a path may hold the characters that separate options, and no kernel needs to read the host's paths.
        lower = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            xattrs = "" if namespaces.may_make_devices() else ",userxattr"
            options = f"lowerdir=/proc/self/fd/{lower},upperdir={STAGE}/u/{number},workdir={STAGE}/w/{number},{OPTIONS}{xattrs}"
            namespaces.mount(f"{NAME}{number}", f"{STAGE}/v/{number}", "overlay", NOSUID | NODEV, options)
        except OSError as error:
            raise OSError(error.errno, f"a view of {folder}: {error.strerror}") from None
        finally:
            os.close(lower)


def plan(sources: Iterable[str], files: Mapping[str, bytes], holder: int = 0, found_here: Iterable[str] = ()) -> OverlayViews:
    """The views that these folders and files of the machine need."""
    folders: dict[str, int] = {}
    found = {}
    for source in sources:
        real = os.path.realpath(source)
        lower, name = (real, "") if os.path.isdir(real) else os.path.split(real)
        found[source] = (folders.setdefault(lower, len(folders)), name)
    return OverlayViews(tuple(folders), found, files, namespaces.may_make_devices(), holder, tuple(found_here))


def own_mounts(more: int = 0) -> None:
    """Enter a mount namespace of our own that propagates nothing, in a user namespace of our own if we need one. Raises OSError."""
    if not namespaces.may_mount():
        namespaces.own_user()
    namespaces.unshare(NEWNS | more)
    namespaces.mount("none", "/", flags=RECURSIVE | PRIVATE)


def enter_holder(pid: int) -> None:
    """Enter the namespaces of the process that holds /project; raises OSError."""
    found = []
    for name, kind in (("user", namespaces.NEWUSER), ("mnt", NEWNS)):
        if os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}"):
            found.append((os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), kind))
    for descriptor, kind in found:
        namespaces.enter(descriptor, kind)
        os.close(descriptor)


def write(path: str, content: bytes) -> None:
    """Write a small file that everybody may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
