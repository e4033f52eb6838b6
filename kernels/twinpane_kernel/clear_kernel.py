"""The clear kernel: the sandboxed kernel that the researcher sees. It holds only the twin and what was released.

A pane outside a server's sandbox starts it itself. A pane inside one asks the gate (`gate_kernel`), because sandboxes do not nest. People
wait for a session's start, so this module imports only what it needs to start the kernel.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from twinpane_sandbox.bubblewrap import PROJECT, Sandbox
from twinpane_sandbox.errors import SandboxError
from twinpane_sandbox.launch import Connection, KernelProcess, launch
from twinpane_sandbox.leftovers import remove_leftovers

PREFIX = "tp-"
"""Of the names of clear kernels' folders."""
LAUNCHER = "TWINPANE_LAUNCHER"
"""The variable that names the gate's socket, for a pane that cannot start a sandbox itself."""


@dataclass(frozen=True)
class Place:
    """The place of a notebook: its workspace, and its folder inside it."""

    workspace: Path
    cwd: str
    covered: tuple[str, ...] = ()
    """What of the workspace neither the kernel sees nor the sites get: sites' own folders and data, in a run on one machine."""

    @classmethod
    def of(cls, workspace: Path, start: Path, covered: tuple[str, ...] = ()) -> "Place":
        """The place of a notebook in the folder ``start``. If that lies outside the workspace, the workspace itself."""
        below = start.resolve().is_relative_to(workspace.resolve())
        cwd = str(start.resolve().relative_to(workspace.resolve())) if below else "."
        return cls(workspace, "" if cwd == "." else cwd, covered)


class ClearKernel(Protocol):
    """A clear kernel, whoever started it."""

    @property
    def connection(self) -> Connection:
        """The content of the Jupyter connection file."""

    @property
    def calls(self) -> Path:
        """The address where the kernel's ``tp`` calls arrive."""

    @property
    def listener(self) -> socket.socket | None:
        """The socket that listens there, if it exists already."""

    @property
    def outlived(self) -> bool:
        """Whether a process in its sandbox still lives after it was closed."""

    def poll(self) -> int | None:
        """None while it runs, else its exit status."""

    def said(self) -> bytes:
        """The end of what it wrote to its own stdout and stderr."""

    def lay(self, twin: Path) -> None:
        """Lay out a twin's files as its /data; raises OSError."""

    def close(self) -> None:
        """End what still runs and remove its folders."""


class OwnKernel:
    """A clear kernel that this process started."""

    listener = None

    def __init__(self, process: KernelProcess, root: Path) -> None:
        self._process = process
        self._root = root
        self.connection = process.connection
        self.calls = process.private / "calls.sock"

    @classmethod
    def start(cls, place: Place, seed: int, key: str, session: str) -> "OwnKernel":
        """Start it, in new folders below the shortest temporary folder there is: socket paths end at 107 bytes."""
        remove_leftovers(PREFIX, below="k")
        root = _folder()
        try:
            (root / "data").mkdir()
            sandbox = Sandbox(
                data=root / "data", project=place.workspace, private=root / "k", cwd=f"{PROJECT}/{place.cwd}".rstrip("/"), seed=seed,
                covered=place.covered, loopback=True,
            )  # fmt: skip
            return cls(launch(sandbox, key=key, session=session), root)
        except BaseException:
            _remove(root)
            raise

    @property
    def outlived(self) -> bool:
        """See `ClearKernel`."""
        return self._process.outlived

    def poll(self) -> int | None:
        """See `ClearKernel`."""
        return self._process.poll()

    def said(self) -> bytes:
        """See `ClearKernel`."""
        return self._process.said()

    def lay(self, twin: Path) -> None:
        """See `ClearKernel`; files are linked where that can be."""
        from shutil import copyfile

        for file in twin.iterdir():
            try:
                os.link(file, self._root / "data" / file.name)
            except OSError:  # another file system
                copyfile(file, self._root / "data" / file.name)

    def close(self) -> None:
        """See `ClearKernel`."""
        self._process.close()
        _remove(self._root)


def _folder() -> Path:
    """A new folder that is ours alone, below the shortest temporary folder there is."""
    if os.access("/tmp", os.W_OK):  # noqa: S108
        root = Path(f"/tmp/{PREFIX}{os.urandom(5).hex()}")  # noqa: S108
        root.mkdir(mode=0o700)
        return root
    from tempfile import mkdtemp

    return Path(mkdtemp(prefix=PREFIX))


def _remove(root: Path) -> None:
    from shutil import rmtree

    rmtree(root, ignore_errors=True)


def start(place: Place, seed: int, key: str, session: str) -> ClearKernel:
    """Start the clear kernel, with the clients' key and the pane's session id; raises SandboxError where it cannot be boxed in."""
    launcher = os.environ.get(LAUNCHER)
    if launcher is None:
        return OwnKernel.start(place, seed, key, session)
    if place.covered:
        raise SandboxError("a pane in a server's sandbox has nothing to cover: unset TWINPANE_COVERED")
    from .gate_kernel import GateKernel

    return GateKernel.start(Path(launcher), place.cwd, seed, key, session)
