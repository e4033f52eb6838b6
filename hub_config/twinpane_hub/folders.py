"""Where a user's files of a project lie: a workspace that cells write, and beside it what only the server writes."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .accounts import NAME


@dataclass(frozen=True)
class Folders:
    """The folders of one user and project."""

    workspace: Path
    """The notebooks and files that people and cells write; the server shows it and nothing else."""
    server: Path
    """Configuration, runtime and settings of the Jupyter server: no cell reaches it."""

    def make(self) -> None:
        """Make what is missing, for this user alone."""
        for folder in (self.workspace, *(self.server / name for name in ("config", "data", "runtime", "lab", "home", "ipython"))):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def folders(state: Path, user: str, project: str) -> Folders:
    """The folders of a user and project; raises ValueError for a name that is not one (it came from a request)."""
    if not re.fullmatch(NAME, user) or not re.fullmatch(r"[a-z][a-z0-9-]{0,29}", project):
        raise ValueError("not a name of a user or project")
    base = state / "users" / user / project
    return Folders(base / "workspace", base / "server")


def lay_out_notebooks(source: Path | None, found: Folders) -> str | None:
    """Copy the notebooks into a new workspace, each one once: what people changed or removed stays so.

    Returns the first notebook's path in the workspace, None where there is none.
    """
    if source is None or not source.is_dir():
        return None
    noted = found.server / "notebooks.copied"
    copied = set(noted.read_text("utf-8").split("\n")) if noted.exists() else set()
    target = found.workspace / "notebooks"
    names = sorted((path.name for path in source.glob("*.ipynb")), key=lambda name: (not name.startswith("first"), name))
    for name in names:
        if name in copied:
            continue
        # The workspace is the cells' to write: a link that one put here is not followed.
        if target.is_symlink() or (target / name).is_symlink():
            continue
        target.mkdir(exist_ok=True)
        if not (target / name).exists():
            shutil.copyfile(source / name, target / name)
        copied.add(name)
    noted.write_text("\n".join(sorted(copied)), "utf-8")
    return next((f"notebooks/{name}" for name in names if (target / name).is_file()), None)
