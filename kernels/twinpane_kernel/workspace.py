"""The researcher's workspace folder: which of its files changed and go inside with the next cell.

Both runs write their own files below ``/project``; a file that a cell made outside holds the twin, and must not replace the one
that the same cell made inside from real rows. So what changes while a cell runs is the cell's own and stays; what changes
between cells is the researcher's and is pushed. Which files are a cell's own is remembered from session to session, outside
the reach of cells: else tomorrow's first cell would carry today's synthetic files inside, and results from them would look real.
"""

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from twinpane_wire import limits
from twinpane_wire.messages import WorkspaceFile

IGNORED = frozenset({"__pycache__", "releases", "node_modules"})
"""Folders that are never pushed; names that begin with a dot are not either. ``releases`` holds what came out."""
ENTRIES = 5_000
"""Entries looked at, at most: a workspace is a folder of notebooks and helper modules, not a data store."""


@dataclass(frozen=True)
class Stamp:
    """What tells that a file changed, without reading it."""

    size: int
    modified_ns: int
    inode: int


class Workspace:
    """The folder as it stood when last looked at. ``memory``: the folder where it is remembered which files are cells' own."""

    def __init__(self, root: Path, memory: Path) -> None:
        self._root = root
        self._memory = memory / f"{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:32]}.json"
        self._own = self._remembered()
        """Files that a cell made or changed last."""
        self._known = {path: stamp for path, stamp in self._scan() if self._own.get(path) == stamp}

    def changed(self) -> tuple[tuple[WorkspaceFile, ...], tuple[str, ...]]:
        """The files that the researcher changed since the last look, and sentences about those that cannot be pushed."""
        now = dict(self._scan())
        files, notes = [], []
        for path in sorted(set(now) | set(self._known)):
            if now.get(path) == self._known.get(path):
                continue
            self._own.pop(path, None)
            if path.endswith(".ipynb"):
                continue
            if path not in now:
                files.append(WorkspaceFile(path=path, content=None))
            elif now[path].size > limits.FILE:
                notes.append(f"{path} is larger than {limits.FILE // 2**20} MiB and was not sent to the sites.")
            elif len(files) >= limits.FILES:
                notes.append(f"{path} goes to the sites with the next cell: only {limits.FILES} files go with one.")
                now.pop(path)
            else:
                content = self._read(path)
                if content is not None:
                    files.append(WorkspaceFile(path=path, content=base64.b64encode(content).decode()))
        self._known = now
        return tuple(files), tuple(notes)

    def cell_ended(self) -> None:
        """Take note of what the cell itself wrote: it stays outside, as its counterpart stays inside."""
        now = dict(self._scan())
        own = {path: stamp for path, stamp in now.items() if stamp != self._known.get(path)}
        self._known = now
        if own:
            self._own |= own
            self._remember()

    def _remembered(self) -> dict[str, Stamp]:
        try:
            return {path: Stamp(*stamp) for path, stamp in json.loads(self._memory.read_text()).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _remember(self) -> None:
        # Another session of the same workspace may have noted files meanwhile: theirs stay.
        noted = self._remembered() | self._own
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._memory.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps({path: [s.size, s.modified_ns, s.inode] for path, s in noted.items()}))
        fresh.replace(self._memory)

    def _read(self, path: str) -> bytes | None:
        try:
            # A cell may have put a link here; following it would carry a file of the host along.
            handle = os.open(self._root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with os.fdopen(handle, "rb") as file:
            return file.read(limits.FILE + 1)[: limits.FILE]

    def _scan(self) -> Iterator[tuple[str, Stamp]]:
        left = ENTRIES
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                entries = sorted(os.scandir(self._root / folder), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                if left <= 0:
                    return
                left -= 1
                if entry.name.startswith(".") or entry.name in IGNORED or not entry.name.isprintable() or "\\" in entry.name:
                    continue
                path = f"{folder}/{entry.name}".lstrip("/")
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif entry.is_file(follow_symlinks=False) and len(path) <= 240:
                    stat = entry.stat(follow_symlinks=False)
                    yield path, Stamp(stat.st_size, stat.st_mtime_ns, stat.st_ino)
