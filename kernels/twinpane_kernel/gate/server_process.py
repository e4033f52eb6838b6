"""The server's sandbox as the gate holds it: the process, its output, and the line over which it hands out its ends of the forwarders.

The server gets no socket of the machine's network, not even for its own port: a process with a TCP socket can shut it down and connect it
anew, to anywhere that network reaches. Instead the server listens on a unix socket that the gate made; its connections cannot be
redirected. It also listens on loopback ports of its own, empty network, and hands their listening sockets to the gate.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from twinpane_sandbox import launch, server_sandbox
from twinpane_sandbox.bubblewrap import PRIVATE
from twinpane_sandbox.cgroups import Group
from twinpane_sandbox.host import Host
from twinpane_sandbox.limits import rlimits
from twinpane_sandbox.server_sandbox import ServerBox

from .acceptor import close_aside, refuse_descriptors
from .forwarder import listens

LAUNCHER = f"{PRIVATE}/launcher"
"""Where the launcher's socket is, as the server sees it."""
PATIENCE = 30.0
"""Seconds until a server that has just started hands out its listening sockets."""


class ServerProcess:
    """A server in its sandbox."""

    def __init__(self, process: "subprocess.Popen[bytes]", group: Group, line: socket.socket) -> None:
        self.process = process
        self._group = group
        self._line = line
        line.setblocking(False)

    async def listeners(self, count: int) -> list[socket.socket]:
        """The sockets that the server hands out, one for each port that it may reach; raises OSError for anything but listening ones."""
        loop = asyncio.get_running_loop()
        there = asyncio.Event()
        loop.add_reader(self._line, there.set)
        try:
            await asyncio.wait_for(there.wait(), PATIENCE)
        finally:
            loop.remove_reader(self._line)
        _, descriptors, _, _ = socket.recv_fds(self._line, 1, count)
        refuse_descriptors(self._line)
        found = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        if len(found) != count or not all(listens(each) for each in found):
            close_aside(found)
            raise OSError("the server did not hand out the sockets it should")
        return found

    def listen(self, hear: Callable[[bytes], None]) -> None:
        """Pass on what the server says, from now on."""
        assert self.process.stdout is not None
        said = self.process.stdout.fileno()
        loop = asyncio.get_running_loop()
        os.set_blocking(said, False)  # the server can open the pipe for reading too, and take what has just woken us

        def take() -> None:
            try:
                chunk = os.read(said, 65536)
            except BlockingIOError:
                return
            hear(chunk)
            if not chunk:
                loop.remove_reader(said)

        loop.add_reader(said, take)

    async def ended(self) -> None:
        """Wait until the server has ended."""
        while self.process.poll() is None:
            await asyncio.sleep(0.1)

    def ask_to_end(self) -> None:
        """Tell the server to end by itself."""
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the server and everything in its sandbox."""
        launch.end(self.process)
        self._group.remove()
        close_aside([self._line])  # this also drops everything that the server sent along it and nobody took


def start(box: ServerBox, host: Host, environment: Mapping[str, str], http: Path, reach: tuple[int, ...]) -> ServerProcess:
    """Start the server, which listens at ``http`` and sees these ports, of which it hands out its ends; raises OSError, SandboxError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, launch.listen(http) as listener:
        told = {"http": listener.fileno(), "line": theirs.fileno(), "reach": reach, "rlimits": rlimits(box.limits)}
        try:
            process, group = server_sandbox.start(
                box, host, command(), {**environment, "TWINPANE_ROOM": json.dumps(told), "TWINPANE_LAUNCHER": LAUNCHER},
                (listener.fileno(), theirs.fileno()),
            )  # fmt: skip
        except BaseException:
            ours.close()
            raise
    return ServerProcess(process, group, ours)


def command() -> list[str]:
    """What runs in the sandbox: this interpreter, isolated from the environment and the working directory."""
    return [sys.executable, "-I", "-m", "twinpane_kernel.server"]
