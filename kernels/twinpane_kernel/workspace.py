"""The researcher's workspace folder: which of its files changed and go inside with the next cell.

Both runs write their own files below ``/project``. A file that a cell made outside holds the twin. It must not replace the file that the
same cell made inside from real rows. So a file that changes while a cell runs is the cell's own and stays; a file that changes between
cells is the researcher's and is pushed. The cells' own files are remembered from session to session, outside the reach of cells.
Otherwise tomorrow's first cell would carry today's synthetic files inside, and results from them would look real.

Look for changes when a cell is requested, before the kernel can begin it, and only when no cell runs: a cell that has begun may already
have written files. While a cell of another notebook in the same workspace runs, its changes and the researcher's look the same, and
files wait.
"""

import base64
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from twinpane_ground import atomic, limits
from twinpane_sandbox.errors import UnsafePath
from twinpane_sandbox.files import safe_read
from twinpane_wire.messages import WorkspaceFile

IGNORED = frozenset({"__pycache__", "releases", "node_modules"})
"""Folders that are never pushed; names that begin with a dot are not either. ``releases`` holds what came out."""
SITE = {"site.toml", "keys"}
"""What a site's folder holds: one that lies in the workspace (a run with sites on this machine) is not pushed, or each site would get
the others' keys and rows."""
ENTRIES = 5_000
"""Entries looked at, at most: a workspace is a folder of notebooks and helper modules, not a data store."""
TOTAL = 12 * 2**20
"""Bytes of all files that go with one cell: what one message of the link carries beside the cell itself."""


@dataclass(frozen=True)
class Stamp:
    """The attributes that show that a file changed, without reading it."""

    size: int
    modified_ns: int
    inode: int


class Workspace:
    """The folder as it stood when last looked at. ``memory``: the folder where it is remembered which files are cells' own."""

    def __init__(self, root: Path, memory: Path, covered: tuple[str, ...] = ()) -> None:
        self._covered = frozenset(covered)
        self._root = root
        self._memory = memory / f"{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:32]}.json"
        self._lock: int | None = None
        self._told: set[str] = set()
        self._pushed: set[str] = set()
        self._later: dict[str, Stamp | None] = {}
        """Changes of the researcher that go with a later cell, as they stood when looked at."""
        self._blind = False
        """A cell ended that may have made files beyond those looked at: what turns up later may be its own."""
        own = self._remembered()
        found, _ = self._look()
        self._known = {path: stamp for path, stamp in found.items() if own.get(path) == stamp}

    def changed(self) -> tuple[tuple[WorkspaceFile, ...], tuple[str, ...]]:
        """The files that the researcher changed since the last look, and sentences about those that cannot be pushed.

        Call it before a cell begins, and not while one runs.
        """
        alone = self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB)
        if alone is None:
            return (), ()  # a cell of another notebook runs in this workspace
        try:
            return self._changed()
        finally:
            os.close(alone)

    def _changed(self) -> tuple[tuple[WorkspaceFile, ...], tuple[str, ...]]:
        now, whole = self._look()
        own = self._remembered()
        if self._blind:
            unseen = {path: stamp for path, stamp in now.items() if path not in self._known}
            self._remember(unseen)
            own |= unseen
            self._blind = not whole
        files: list[WorkspaceFile] = []
        self._later.clear()
        notes, room = [], TOTAL
        if not whole and self._once(""):
            notes.append(f"The workspace holds more than {ENTRIES:,} files and folders: those beyond are not sent to the sites.")
        gone = set(self._known) - set(now) if whole else set()
        for path in sorted(set(now) | gone):
            stamp = now.get(path)
            if stamp == self._known.get(path) or path.endswith(".ipynb") or (stamp is not None and own.get(path) == stamp):
                continue
            if stamp is not None and stamp.size > limits.FILE:
                notes.append(f"{path} is larger than {limits.FILE // 2**20} MiB and was not sent to the sites.")
            elif len(files) >= limits.FILES or (stamp is not None and stamp.size > room):
                if self._once(path):
                    notes.append(f"{path} goes to the sites with a later cell: {limits.FILES} files and {TOTAL // 2**20} MiB go with one.")
                self._wait(now, path)
            elif stamp is None:
                files.append(WorkspaceFile(path=path, content=None))
            elif (content := self._read(path)) is None or len(content) > room:
                self._wait(now, path)  # gone, or grown, or something else by now: the next look tells
            else:
                room -= len(content)
                self._pushed.add(path)
                files.append(WorkspaceFile(path=path, content=base64.b64encode(content).decode()))
        if not whole:
            now = {path: stamp for path, stamp in self._known.items() if path not in now} | now
        self._known = now
        return tuple(files), tuple(notes)

    def cell_begins(self) -> None:
        """Note that a cell runs. Until it ends, other notebooks of this workspace cannot tell its files from the researcher's."""
        if self._lock is None:
            self._lock = self._locked(fcntl.LOCK_SH)

    def cell_ended(self) -> tuple[str, ...]:
        """Take note of what the cell itself wrote: it stays outside, as its counterpart stays inside.

        Returns sentences about files of the researcher that count as the cell's from now on.
        """
        now, whole = self._look()
        for path in [path for path, stamp in self._later.items() if now.get(path) == stamp]:
            self._wait(now, path)
        own = {path: stamp for path, stamp in now.items() if stamp != self._known.get(path)}
        self._blind = self._blind or not whole
        self._known = now if whole else self._known | now
        if own:
            self._remember(own)
        self.close()
        taken = sorted(self._pushed & set(own))
        self._pushed -= set(own)
        return tuple(
            f"{path} changed while a cell ran and counts as the cell's own: save it again while none runs to send it." for path in taken
        )

    def close(self) -> None:
        """No cell runs any more."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _wait(self, now: dict[str, Stamp], path: str) -> None:
        """Leave a path as it was known, so that the next look finds it changed again."""
        self._later[path] = now.pop(path, None)
        if path in self._known:
            now[path] = self._known[path]

    def _once(self, what: str) -> bool:
        new = what not in self._told
        self._told.add(what)
        return new

    def _locked(self, how: int) -> int | None:
        try:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._memory.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return None
        try:
            fcntl.flock(handle, how)
        except OSError:
            os.close(handle)
            return None
        return handle

    def _remembered(self) -> dict[str, Stamp]:
        try:
            return {path: Stamp(*stamp) for path, stamp in json.loads(self._memory.read_text()).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _remember(self, own: dict[str, Stamp]) -> None:
        # Another session of the same workspace may have noted files meanwhile: theirs stay.
        noted = self._remembered() | own
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        stamps = json.dumps({path: [s.size, s.modified_ns, s.inode] for path, s in noted.items()})
        atomic.write(self._memory, stamps.encode(), durable=False)

    def _read(self, path: str) -> bytes | None:
        try:
            # A cell's process may still plant links here, at any step of the path. Following one would copy a file of the host.
            return safe_read(self._root, path, limits.FILE)
        except (OSError, UnsafePath):
            return None

    def _look(self) -> tuple[dict[str, Stamp], bool]:
        """The files as they stand, and whether they are all."""
        found = dict(self._scan())
        whole = found.pop("", None) is None
        return found, whole

    def _scan(self) -> Iterator[tuple[str, Stamp]]:
        left = ENTRIES
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                entries = sorted(os.scandir(self._root / folder), key=lambda entry: entry.name)
            except OSError:
                continue
            if {entry.name for entry in entries} >= SITE:
                continue
            for entry in entries:
                if left <= 0:
                    yield "", Stamp(0, 0, 0)
                    return
                left -= 1
                if entry.name.startswith(".") or entry.name in IGNORED or not entry.name.isprintable() or "\\" in entry.name:
                    continue
                path = f"{folder}/{entry.name}".lstrip("/")
                if path in self._covered:
                    continue
                try:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(path)
                    elif entry.is_file(follow_symlinks=False) and len(path) <= 240:
                        stat = entry.stat(follow_symlinks=False)
                        yield path, Stamp(stat.st_size, stat.st_mtime_ns, stat.st_ino)
                except OSError:
                    continue  # gone since
