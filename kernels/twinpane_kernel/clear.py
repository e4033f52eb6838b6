"""The clear kernel: the sandboxed kernel that the researcher sees. It holds the twin and what was released, nothing else."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from twinpane_sandbox.bubblewrap import PROJECT, Sandbox
from twinpane_sandbox.launch import KernelProcess, launch
from twinpane_sandbox.leftovers import remove_leftovers

PREFIX = "tp-"
"""Of the names of clear kernels' folders."""


@dataclass(frozen=True)
class Place:
    """Folders of one clear kernel: the twin's (read-only inside), the private one of its sockets, the workspace."""

    root: Path
    data: Path
    private: Path
    workspace: Path
    cwd: str
    covered: tuple[str, ...] = ()
    """What of the workspace neither the kernel sees nor the sites get: sites' own folders and data, in a run on one machine."""

    @classmethod
    def make(cls, workspace: Path, start: Path, covered: tuple[str, ...] = ()) -> "Place":
        """New folders below the shortest temporary folder there is: socket paths end at 107 bytes."""
        remove_leftovers(PREFIX, below="k")
        root = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp" if os.access("/tmp", os.W_OK) else None))  # noqa: S108
        data, private = root / "data", root / "k"
        data.mkdir()
        private.mkdir(mode=0o700)
        below = start.resolve().is_relative_to(workspace.resolve())
        cwd = str(start.resolve().relative_to(workspace.resolve())) if below else "."
        return cls(root, data, private, workspace, "" if cwd == "." else cwd, covered)

    def remove(self) -> None:
        """Delete everything but the workspace."""
        shutil.rmtree(self.root, ignore_errors=True)


def start(place: Place, seed: int, key: str, session: str) -> KernelProcess:
    """Start the clear kernel, with the clients' key and the pane's session id; raises SandboxUnavailable where it cannot be boxed in."""
    cwd = f"{PROJECT}/{place.cwd}".rstrip("/")
    sandbox = Sandbox(
        data=place.data, project=place.workspace, private=place.private, cwd=cwd, seed=seed, covered=place.covered, loopback=True
    )
    return launch(sandbox, key=key, session=session)
