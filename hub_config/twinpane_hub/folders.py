"""Where a user's files of a project lie: a workspace that cells and the server write, and beside it a folder that only the server writes.

Both may hold planted symbolic links, so the hub opens nothing in them by its full path. The hub's own notes lie beside them.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from twinpane_ground import atomic
from twinpane_sandbox import folders as safe
from twinpane_sandbox.errors import UnsafePath

from .accounts import NAME

SERVER = ("config", "data", "runtime", "lab", "home", "ipython", "cache")
"""Subfolders of a server's own folder."""
NOTEBOOK = 64 * 2**20
"""Bytes of a notebook that is copied into a workspace, at most."""


@dataclass(frozen=True)
class Folders:
    """The folders of one user and project."""

    workspace: Path
    """The notebooks and files that people and cells write; the server shows it and nothing else."""
    server: Path
    """Configuration, runtime files, settings and cache of the Jupyter server; no cell reaches it."""
    noted: Path
    """The hub's own note of the notebooks that were copied; neither cells nor the server reach it."""

    def make(self) -> None:
        """Make what is missing, for this user alone."""
        for folder in (self.workspace.parent, self.workspace, self.server):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in SERVER:
            with suppress(FileExistsError):
                safe.make_folder(self.server, name)


def folders(state: Path, user: str, project: str) -> Folders:
    """The folders of a user and project; raises ValueError for an invalid name, because names come from requests."""
    if not re.fullmatch(NAME, user) or not re.fullmatch(r"[a-z][a-z0-9-]{0,29}", project):
        raise ValueError("not a name of a user or project")
    base = state / "users" / user / project
    return Folders(base / "workspace", base / "server", base / "notebooks.copied")


def lay_out_notebooks(source: Path | None, found: Folders, owner: int = 0) -> str | None:
    """Copy each notebook into the workspace once, so that what people changed or removed stays so. ``owner`` owns the copies; 0: we do.

    Returns the first notebook's path in the workspace; None where there is none.
    """
    if source is None or not source.is_dir():
        return None
    copied = set(found.noted.read_text("utf-8").split("\n")) if found.noted.exists() else set()
    names = sorted((path.name for path in source.glob("*.ipynb")), key=lambda name: (not name.startswith("first"), name))
    for name in names:
        if name not in copied and _lay_out(source, name, found.workspace, owner):
            copied.add(name)
    atomic.write(found.noted, "\n".join(sorted(copied)).encode(), mode=None)
    return next((f"notebooks/{name}" for name in names if _is_file(found.workspace, f"notebooks/{name}")), None)


def _lay_out(source: Path, name: str, workspace: Path, owner: int) -> bool:
    """Copy a notebook, unless something of its name exists; return whether it need not be copied again."""
    try:
        with suppress(FileExistsError):
            safe.make_folder(workspace, "notebooks")
        safe.copy_file(source, name, workspace, f"notebooks/{name}", NOTEBOOK)
        for path in ("notebooks", f"notebooks/{name}") if owner else ():
            safe.give(workspace, path, owner)
    except FileExistsError:
        return _is_file(workspace, f"notebooks/{name}")
    except (OSError, UnsafePath):
        return False
    return True


def _is_file(workspace: Path, path: str) -> bool:
    try:
        return not safe.look(workspace, path).is_folder
    except (OSError, UnsafePath):
        return False
