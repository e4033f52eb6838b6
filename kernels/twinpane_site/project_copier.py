"""Copies a user's /project between disk and volume in its own process: a kernel determines names, sizes and numbers of files.

The agent only waits for it. An interrupted copy leaves the folder as it was.
"""

import contextlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from twinpane_sandbox.as_user import acting_as
from twinpane_sandbox.copying import copy_into, replace
from twinpane_sandbox.files import FOLDER
from twinpane_sandbox.volume_holder import INODES

from .parts.fork_server import ForkServer
from .parts.port import BlockingPort, PortError

MODULE = "twinpane_site.project_copier"
NICENESS = 10
"""Added to the agent's: moving files keeps nobody from the processor."""
LIMITS = {"RLIMIT_DATA": 512 * 2**20, "RLIMIT_CORE": 0}
TRIES = 3
"""How often keeping is begun whose process ended before it was done: what a session changed is lost otherwise."""


class ProjectCopier(Protocol):
    """Both return how many entries were left out, and raise OSError. Folder and volume belong to ``owner`` (0: to us)."""

    def fill(self, root: Path, volume: int, size: int, owner: int = 0) -> int:
        """Copy the folder into the open, empty volume, at most that many bytes."""

    def keep(self, volume: int, root: Path, size: int, floor: int, owner: int = 0) -> int:
        """Make the folder a copy of the open volume, whole or not at all, leaving ``floor`` bytes of the disk free."""


class LocalCopier:
    """Copies in this process; the other copier uses it in its fork."""

    def fill(self, root: Path, volume: int, size: int, owner: int = 0) -> int:
        """See `ProjectCopier`."""
        source = os.open(root, FOLDER)
        try:
            with acting_as(owner):
                return copy_into(source, volume, size, INODES)
        finally:
            os.close(source)

    def keep(self, volume: int, root: Path, size: int, floor: int, owner: int = 0) -> int:
        """See `ProjectCopier`."""
        return replace(volume, root, size, INODES, floor, owner)


class ForkedCopier:
    """In a process forked for each move. Blocks until it is done: call it from a thread.

    If that process ends too early, ``keep`` is tried again, since it is whole or nothing. ``fill`` is not: a half-filled volume would
    later count as the folder's content, and replace it.
    """

    def __init__(self, fork_server: ForkServer) -> None:
        self._fork_server = fork_server

    def fill(self, root: Path, volume: int, size: int, owner: int = 0) -> int:
        """See `ProjectCopier`."""
        return self._moved(volume, {"move": "fill", "root": str(root), "size": size, "owner": owner}, 1)

    def keep(self, volume: int, root: Path, size: int, floor: int, owner: int = 0) -> int:
        """See `ProjectCopier`."""
        return self._moved(volume, {"move": "keep", "root": str(root), "size": size, "floor": floor, "owner": owner}, TRIES)

    def _moved(self, volume: int, asked: Mapping[str, object], tries: int) -> int:
        for _ in range(tries):
            if (left_out := self._tried(volume, asked)) is not None:
                return left_out
        raise OSError("the process that copies it ended before it was done")

    def _tried(self, volume: int, asked: Mapping[str, object]) -> int | None:
        """How many entries were left out; None where the process ended before it was done."""
        _, end = self._fork_server.fork(MODULE, asked, (volume,), LIMITS, NICENESS)
        try:
            with contextlib.closing(BlockingPort(end)) as port:
                frame = port.receive()
        except PortError as error:
            raise OSError(f"the process that copies it said what it may not say ({error})") from None
        if frame is None:
            return None
        frame.close()
        match frame.head:
            case {"left_out": int(number)} if number >= 0:
                return number
            case {"failed": str(why)}:
                raise OSError(why)
        raise OSError("the process that copies it said what it may not say")


def main(end: socket.socket, settings: Mapping[str, Any]) -> None:
    """Run as a part, see `twinpane_site.parts.fork_server`: one move, one answer."""
    here, root, size, owner = LocalCopier(), Path(settings["root"]), settings["size"], settings["owner"]
    (volume,) = settings["descriptors"]
    try:
        filling = settings["move"] == "fill"
        left_out = here.fill(root, volume, size, owner) if filling else here.keep(volume, root, size, settings["floor"], owner)
        answer: dict[str, object] = {"left_out": left_out}
    except OSError as error:
        answer = {"failed": error.strerror or str(error)}
    BlockingPort(end).send(answer)
