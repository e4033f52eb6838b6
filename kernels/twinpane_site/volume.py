"""A user's inside ``/project``: what the agent writes there from the workspace, and reads there for the review.

An inside kernel may plant links below it at any time, so no path is ever followed: each folder on the way is opened on its own,
without following links.
"""

import base64
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from twinpane_wire.messages import WorkspaceFile

log = logging.getLogger(__name__)

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Volume:
    """The folder ``root`` of one user in one project."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root = root

    def push(self, files: Sequence[WorkspaceFile]) -> None:
        """Write the researcher's changed files, delete the deleted; one that cannot be written is left as it is, and logged here alone."""
        for file in files:
            try:
                with self._parent(file.path, make=file.content is not None) as (folder, name):
                    if file.content is None:
                        os.unlink(name, dir_fd=folder)
                    else:
                        self._write(folder, name, base64.b64decode(file.content))
            except OSError as error:
                log.warning("workspace file not written inside: %s", error.strerror)

    def read(self, path: str, limit: int) -> bytes | None:
        """The bytes of a file, None where there is none, where a link is in the way, or where it is larger than ``limit`` bytes."""
        try:
            with self._parent(path, make=False) as (folder, name):
                handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
                with os.fdopen(handle, "rb") as file:
                    content = file.read(limit + 1)
        except OSError:
            return None
        return content if len(content) <= limit else None

    def make_folder(self, path: str) -> None:
        """Make a folder, for a kernel to start in; does nothing where something is in the way."""
        with suppress(OSError), self._parent(f"{path}/x", make=True):
            pass

    def remove(self) -> None:
        """Delete the volume."""
        shutil.rmtree(self.root, ignore_errors=True)

    @staticmethod
    def _write(folder: int, name: str, content: bytes) -> None:
        # A fresh file put in place of the old: what a kernel has open or linked is not written through.
        fresh = f".push-{os.urandom(8).hex()}"
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            with suppress(OSError):
                os.unlink(fresh, dir_fd=folder)
            raise

    @contextmanager
    def _parent(self, path: str, *, make: bool) -> Iterator[tuple[int, str]]:
        *folders, name = path.split("/")
        if not name or any(part in ("", ".", "..") for part in (*folders, name)):
            raise OSError(22, "not a path below the project")
        at = os.open(self.root, _FOLDER)
        try:
            for part in folders:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=at)
                below = os.open(part, _FOLDER, dir_fd=at)
                os.close(at)
                at = below
            yield at, name
        finally:
            os.close(at)
