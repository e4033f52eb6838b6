"""Starts clear kernels for the panes of one server. The server runs in a sandbox and cannot do so itself: sandboxes do not nest.

A pane connects to a unix socket and asks. When the connection closes, the kernel is ended. The launcher chooses every folder. The pane
gets the number of the folder that both see, and the listening socket where the kernel's calls arrive.
"""

import asyncio
import contextlib
import itertools
import json
import logging
import os
import shutil
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twinpane_sandbox import folders
from twinpane_sandbox.bubblewrap import PROJECT, Sandbox
from twinpane_sandbox.errors import SandboxError, UnsafePath
from twinpane_sandbox.host import Host
from twinpane_sandbox.launch import KernelProcess, launch, listen, share
from twinpane_sandbox.strict_json import Unfit
from twinpane_wire.transient_errors import is_transient

from .acceptor import refuse_descriptors
from .gate_requests import FRAME, Lay, Start, parse

log = logging.getLogger(__name__)

WAIT = 5.0
"""Seconds that a start waits for the place of a kernel that is being ended."""
SPARE = 4
"""Connections beyond the kernels' number: those that wait for a place."""
TWIN_FILES, TWIN_BYTES = 500, 512 * 2**20
"""Files and bytes of all twins that are laid out for one kernel, at most: they lie in the hub's memory or on its disk."""
PAUSE = 0.1
"""Seconds to wait where no connection can be accepted for now."""
SAID = 2000
"""Bytes of a dead kernel's last words that its pane is told."""


@dataclass(frozen=True, slots=True)
class Places:
    """Folders that the launcher works with. ``sockets`` is what the server sees, read-only; ``data`` is the gate's own.

    ``owner`` is the machine's user that server and kernels run under; 0: ours.
    """

    workspace: Path
    server: Path
    sockets: Path
    data: Path
    owner: int = 0

    def listen(self, path: Path) -> socket.socket:
        """A unix socket that listens there, for server or kernels to connect to."""
        listener = listen(path)
        share(self.owner, path)
        return listener


class Launcher:
    """Serves the panes of one server; at most ``most`` kernels run at a time."""

    def __init__(self, places: Places, host: Host, most: int) -> None:
        self._places = places
        self._host = host
        self._most = most
        self._room = asyncio.Semaphore(most)
        self._laying = asyncio.Lock()
        """One twin is copied at a time, so that copies take no more than one of this process's threads: kernels are ended in others."""
        self._numbers = itertools.count(1)
        self._panes: set[asyncio.Task[None]] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(places.sockets / "launcher"))
        share(places.owner, places.sockets, places.sockets / "launcher")
        refuse_descriptors(self._listener)
        self._listener.listen(16)
        self._listener.setblocking(False)

    async def run(self) -> None:
        """Serve until cancelled; then every kernel is ended before this returns."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    pane, _ = await loop.sock_accept(self._listener)
                except OSError as error:  # no descriptor is left, above all
                    log.warning("no pane can connect for now: %s", error)
                    await asyncio.sleep(PAUSE)
                    continue
                if len(self._panes) >= self._most + SPARE:
                    pane.close()
                    continue
                task = asyncio.create_task(self._serve(pane))
                self._panes.add(task)
                task.add_done_callback(self._panes.discard)
        finally:
            self._listener.close()
            for task in self._panes:
                task.cancel()
            await asyncio.gather(*self._panes, return_exceptions=True)

    async def _serve(self, pane: socket.socket) -> None:
        pane.setblocking(False)
        try:
            request = await asyncio.wait_for(_heard(pane), WAIT)
            if not isinstance(request, Start):
                raise Unfit("a pane starts with its kernel")
            async with self._place(), self._kernel(pane, request) as (kernel, data):
                await self._attend(pane, kernel, data)
        except (Unfit, OSError, EOFError, TimeoutError) as error:
            log.info("a pane's connection ended: %s", error or type(error).__name__)
        except SandboxError as error:
            with contextlib.suppress(OSError):
                await _say(pane, {"refused": str(error)})
        finally:
            pane.close()

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(self._room.acquire(), WAIT)
        except TimeoutError:
            raise SandboxError(f"{self._most} kernels run already; shut one down first") from None
        try:
            yield
        finally:
            self._room.release()

    @asynccontextmanager
    async def _kernel(self, pane: socket.socket, request: Start) -> AsyncIterator[tuple[KernelProcess, Path]]:
        number = str(next(self._numbers))
        data, private = self._places.data / number, self._places.sockets / number
        data.mkdir(mode=0o700)
        sandbox = Sandbox(
            data=data, project=self._places.workspace, private=private, cwd=f"{PROJECT}/{request.cwd}".rstrip("/"), seed=request.seed,
            loopback=True, owner=self._places.owner,
        )  # fmt: skip
        try:
            kernel = launch(sandbox, self._host, key=request.key, session=request.session)
            try:
                with self._places.listen(private / "calls.sock") as calls:
                    # Send it together with the answer, which is small. A pane that does not read it is dropped when the kernel ends.
                    await _hand(pane, {"started": number}, calls)
                yield kernel, data
            finally:
                await _to_its_end(asyncio.create_task(asyncio.to_thread(kernel.close)))
                with contextlib.suppress(OSError):
                    pane.send(json.dumps({"outlived": kernel.outlived}).encode())
        finally:
            shutil.rmtree(data, ignore_errors=True)

    async def _attend(self, pane: socket.socket, kernel: KernelProcess, data: Path) -> None:
        """Do what the pane asks until it is gone or the kernel is."""
        ended, heard = asyncio.create_task(_end_of(kernel)), asyncio.create_task(_heard(pane))
        try:
            while True:
                await asyncio.wait({ended, heard}, return_when=asyncio.FIRST_COMPLETED)
                if ended.done():
                    await _say(pane, {"ended": kernel.said()[-SAID:].decode("utf-8", "replace")})
                    return
                request = heard.result()
                if not isinstance(request, Lay):
                    raise Unfit("a connection has one kernel")
                async with self._laying:
                    laid = asyncio.create_task(asyncio.to_thread(self._lay, request.twin, data))
                    await _to_its_end(laid)  # nothing is written where the kernel's folder is being removed
                await _say(pane, {"laid": laid.result()})
                heard = asyncio.create_task(_heard(pane))
        finally:
            ended.cancel()
            heard.cancel()
            await asyncio.gather(ended, heard, return_exceptions=True)

    def _lay(self, twin: str, data: Path) -> bool:
        """Copy a twin's files. The server wrote them, so none is opened by its whole path, and none becomes a link in the kernel.

        The limits cover everything laid out for one kernel, so files that exist already count, complete or not.
        """
        below = f"cache/twins/{twin}"
        try:
            there = [path.lstat().st_size for path in data.iterdir()]
            left = TWIN_BYTES - sum(there)
            for entry in folders.listed(self._places.server, below, TWIN_FILES - len(there)):
                if not entry.is_folder:
                    left -= folders.copy_file(self._places.server, f"{below}/{entry.name}", data, entry.name, left)
                    share(self._places.owner, data / entry.name)
        except (OSError, UnsafePath):
            return False
        return True


async def _heard(pane: socket.socket) -> Start | Lay:
    frame = await asyncio.get_running_loop().sock_recv(pane, FRAME + 1)
    if not frame:
        raise EOFError("the pane is gone")
    return parse(frame)


async def _hand(pane: socket.socket, message: dict[str, Any], calls: socket.socket) -> None:
    """Send a message with a descriptor. The kernel survives if its user has too many descriptors under way for now."""
    end = time.monotonic() + WAIT
    while True:
        try:
            socket.send_fds(pane, [json.dumps(message).encode()], [calls.fileno()])
            return
        except OSError as error:
            if not is_transient(error) or time.monotonic() > end:
                raise
        await asyncio.sleep(PAUSE)


async def _say(pane: socket.socket, message: dict[str, Any]) -> None:
    await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(pane, json.dumps(message).encode()), WAIT)


async def _to_its_end(work: asyncio.Task[object]) -> None:
    """Wait for work that must be finished, however often the caller is cancelled meanwhile."""
    stopped = False
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            stopped = True
    if stopped:
        raise asyncio.CancelledError


async def _end_of(kernel: KernelProcess) -> None:
    """Wait until the kernel's process has ended."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    descriptor = os.pidfd_open(kernel.process.pid)
    try:
        loop.add_reader(descriptor, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
