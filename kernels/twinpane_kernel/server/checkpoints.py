"""Keeps one checkpoint per file, in the server's own folder. No cell reaches that folder, so none can plant a link there.

A checkpoint of ``deep/a.txt`` is ``d-deep/f-a.txt``, so that a file and a folder that once had the same name never meet.
"""

from pathlib import Path
from typing import Any, Protocol

from jupyter_server.services.contents.checkpoints import AsyncCheckpoints
from tornado.web import HTTPError

from twinpane_sandbox import folders
from twinpane_sandbox.errors import UnsafePath
from twinpane_sandbox.files import safe_read, safe_write

from .models import when

ONLY = "checkpoint"
"""The id of every checkpoint."""
LARGEST = 64 * 2**20
"""Bytes of a file that gets a checkpoint, at most."""


def name_of(path: str, *, folder: bool = False) -> str:
    """Where the checkpoint of a file lies, or those of a folder's files, below the folder of checkpoints."""
    *above, last = path.strip("/").split("/")
    return "/".join([*(f"d-{part}" for part in above), f"{'d' if folder else 'f'}-{last}"])


class Workspace(Protocol):
    """The interface of the contents manager that checkpoints need."""

    @property
    def root(self) -> Path:
        """The workspace folder."""

    def shown(self, path: str) -> str:
        """The path as the file functions take it; raises HTTPError for a hidden one."""


class WorkspaceCheckpoints(AsyncCheckpoints):
    """Checkpoints of a `WorkspaceContents`, which is the parent."""

    @property
    def _place(self) -> Path:
        assert self.parent is not None
        place = Path(self.parent.checkpoint_dir)
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        return place

    async def create_checkpoint(self, contents_mgr: Workspace, path: str) -> dict[str, Any]:
        """See the base class."""
        try:
            safe_write(self._place, name_of(path), safe_read(contents_mgr.root, contents_mgr.shown(path), LARGEST))
        except (OSError, UnsafePath):
            raise HTTPError(400, "no checkpoint can be made of this") from None
        return (await self.list_checkpoints(path))[0]

    async def restore_checkpoint(self, contents_mgr: Workspace, checkpoint_id: str, path: str) -> None:
        """See the base class."""
        try:
            folders.put(contents_mgr.root, contents_mgr.shown(path), safe_read(self._place, name_of(path), LARGEST))
        except (OSError, UnsafePath):
            raise HTTPError(404, "there is no such checkpoint, or no place for it") from None

    async def list_checkpoints(self, path: str) -> list[dict[str, Any]]:
        """See the base class."""
        try:
            entry = folders.look(self._place, name_of(path))
        except (OSError, UnsafePath):
            return []
        return [{"id": ONLY, "last_modified": when(entry.changed)}]

    async def delete_checkpoint(self, checkpoint_id: str, path: str) -> None:
        """See the base class."""
        try:
            folders.remove(self._place, name_of(path))
        except (OSError, UnsafePath):
            raise HTTPError(404, "there is no such checkpoint") from None

    async def delete_all_checkpoints(self, path: str) -> None:
        """Called when a file or folder was deleted."""
        for name in (name_of(path), name_of(path, folder=True)):
            try:
                folders.remove(self._place, name)
            except (OSError, UnsafePath):
                continue

    async def rename_all_checkpoints(self, old_path: str, new_path: str) -> None:
        """Called when a file or folder was renamed. Removes the checkpoints of an earlier file with the new name."""
        await self.delete_all_checkpoints(new_path)
        for folder in (False, True):
            old, new = name_of(old_path, folder=folder), name_of(new_path, folder=folder)
            try:
                folders.move(self._place, old, new, make=True)
            except (OSError, UnsafePath):
                continue
