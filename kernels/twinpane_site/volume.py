"""A user's inside ``/project``: what the agent writes there from the workspace, and opens there for the review.

An inside kernel may plant links below it at any time, so no path is followed: the sandbox's own file functions open each folder
on its own.
"""

import base64
import logging
from collections.abc import Sequence
from pathlib import Path

from twinpane_sandbox.errors import UnsafePath
from twinpane_sandbox.files import safe_delete, safe_open, safe_write
from twinpane_wire.messages import WorkspaceFile

log = logging.getLogger(__name__)


class Volume:
    """The folder ``root`` of one user in one project."""

    def __init__(self, root: Path) -> None:
        """Make the folder if it is not there; where that cannot be done, no kernel starts in it, and the log says why."""
        self.root = root
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            log.error("%s cannot be made: %s", root, error)

    def push(self, files: Sequence[WorkspaceFile]) -> None:
        """Write the researcher's changed files, delete the deleted; one that cannot be written stays as it is, and is logged here alone."""
        for file in files:
            try:
                if file.content is None:
                    safe_delete(self.root, file.path)
                else:
                    safe_write(self.root, file.path, base64.b64decode(file.content))
            except (ValueError, OSError) as error:  # what is not base64, too
                log.warning("workspace file not written inside: %s", error)

    def open(self, path: str) -> int | None:
        """A descriptor of a file, for reading by others; None where there is none, or where a link is in the way."""
        try:
            return safe_open(self.root, path)
        except (UnsafePath, OSError):
            return None

    def make_folder(self, path: str) -> None:
        """Make a folder, for a kernel to start in; does nothing where something is in the way."""
        marker = f"{path}/.twinpane"
        try:
            safe_write(self.root, marker, b"")
            safe_delete(self.root, marker)
        except (UnsafePath, OSError) as error:
            log.warning("no folder to start in: %s", error)
