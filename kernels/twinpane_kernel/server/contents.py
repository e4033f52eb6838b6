"""Files of the workspace folder, as the contents API shows them: no link is followed, nothing is served raw.

A cell writes the workspace from within its sandbox; this server reads it from outside. A symbolic link that a cell plants would be
followed with the server's rights, so none is, and a file is checked again once it is open.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.filecheckpoints import AsyncFileCheckpoints
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import HTTPError


class LinkRefused(HTTPError, OSError):
    """A path goes through a symbolic link: 404 for whoever asks, ELOOP for a listing, which then leaves the entry out."""

    def __init__(self, name: str) -> None:
        super().__init__(404, f"{name} is a link: links are not followed here")
        self.errno = errno.ELOOP


def check_no_links(root: str, os_path: str) -> None:
    """Raise LinkRefused where a part of the path below ``root`` is a symbolic link."""
    place = Path(root)
    for part in Path(os.path.abspath(os_path)).relative_to(os.path.abspath(root)).parts:
        place /= part
        if place.is_symlink():
            raise LinkRefused(place.name)


class _NoLinks:
    """What the contents manager and its checkpoints have in common."""

    root_dir: str

    def _get_os_path(self, path: str) -> str:
        os_path: str = super()._get_os_path(path)  # type: ignore[misc]
        check_no_links(self.root_dir, os_path)
        return os_path

    @contextmanager
    def open(self, os_path: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Open a file; a link that came in between the check and the opening is found out before anything is read."""
        with super().open(os_path, *args, **kwargs) as file:  # type: ignore[misc]
            real = os.path.realpath(f"/proc/self/fd/{file.fileno()}")
            if not real.startswith(os.path.realpath(self.root_dir) + os.sep):
                raise HTTPError(404, "this file is not in the workspace")
            yield file


class WorkspaceCheckpoints(_NoLinks, AsyncFileCheckpoints):
    """Checkpoints beside the files, under the same rule."""


class WorkspaceContents(_NoLinks, AsyncLargeFileManager):
    """The contents manager of a workspace folder."""

    def get_extra_handlers(self) -> list[Any]:
        """Called by the web application: the base class would serve ``/files/…`` raw."""
        return []

    def _checkpoints_class_default(self) -> type[WorkspaceCheckpoints]:
        return WorkspaceCheckpoints
