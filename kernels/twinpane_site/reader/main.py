"""A reader's life: confine itself, connect to its kernel, do what the agent asks until one of the three ends."""

import asyncio
import base64
import contextlib
import json
import logging
import os
import socket
from collections import deque
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from twinpane_ground import limits
from twinpane_sandbox.call_server import CallError, CallServer
from twinpane_sandbox.confine import confine
from twinpane_site.held_form import pack
from twinpane_site.parts.port import Frame, Port, PortError
from twinpane_site.verdict import UNREADABLE, Finding, Run, find
from twinpane_wire.transient_errors import is_transient

from . import reports
from .cell_inputs import CellInputs
from .kernel import Kernel

log = logging.getLogger(__name__)

BULK = 2 * limits.FRAME
"""Bytes of what the agent sends along, at most."""
SAID_KEPT = 256 * 1024
"""Bytes of the kernel's own stdout and stderr that are kept for the site's log."""


def main(end: socket.socket, settings: Mapping[str, Any]) -> None:
    """Run as a part; see `twinpane_site.parts.fork_server`. ``settings``: private (the folder of the kernel's sockets), connection,
    session."""
    calls, said = settings["descriptors"]
    private = confine(Path(settings["private"]))
    connection = {**settings["connection"], "ip": f"{private}/kernel"}
    asyncio.run(Reader(Port(end), Kernel(connection, settings["session"])).run(socket.socket(fileno=calls), said))


class Reader:
    """One session's reader."""

    def __init__(self, port: Port, kernel: Kernel) -> None:
        self._port = port
        self._kernel = kernel
        self._cells: dict[int, CellInputs] = {}
        self._done: set[int] = set()
        self._work: asyncio.Queue[tuple[dict[str, Any], Any]] = asyncio.Queue()
        self._current: CellInputs | None = None
        self._said: deque[bytes] = deque()
        self._tasks: set[asyncio.Task[object]] = set()

    async def run(self, listener: socket.socket, said: int) -> None:
        """Read until the agent closes the port, or the kernel is gone."""
        # Connected now, the context's thread made: nothing else has to be opened once the world is empty.
        calls = CallServer(None, self._call)
        await calls.start(listener)
        os.set_blocking(said, False)  # the kernel can open the pipe for reading too, and take what has just woken us
        asyncio.get_running_loop().add_reader(said, self._drain, said)
        obeying, living = self._spawn(self._obey()), self._spawn(self._live())
        await asyncio.wait({obeying, living}, return_when=asyncio.FIRST_COMPLETED)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._kernel.close()
        with contextlib.suppress(OSError):
            await self._port.send(reports.Gone(words=self._words()).model_dump())

    async def _live(self) -> None:
        if not await self._kernel.start():
            return
        await self._tell(reports.Up())
        running = self._spawn(self._run_all())
        dying = self._spawn(self._kernel.died.wait())
        await asyncio.wait({running, dying}, return_when=asyncio.FIRST_COMPLETED)

    # ------------------------------------------------------------ what the agent asks

    async def _obey(self) -> None:
        while (frame := await self._port.receive()) is not None:
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        head = frame.head
        bulk = frame.bulk(BULK) if frame.descriptors else b""
        match head["kind"]:
            case "run":
                self._work.put_nowait((head, bulk.decode("utf-8", "surrogatepass")))
            case "comm":
                self._work.put_nowait((head, json.loads(bulk)))
            case "answer":
                self._cell(head).answer(head["call"], head["call_kind"], json.loads(bulk), head["error"])
            case "input":
                self._cell(head).input(head["nth"], bulk.decode("utf-8", "surrogatepass"))
            case "twin":
                self._cell(head).end_twin()
                self._forget(head["cell"])
            case "want":
                desk = self._cell(head)
                desk.wanted.add(head["call"])
                self._spawn(self._values(head["cell"], desk))
            case "interrupt":
                self._interrupt(self._cell(head))

    def _interrupt(self, desk: CellInputs) -> None:
        if desk is self._current:
            self._spawn(self._kernel.interrupt())
        else:
            desk.interrupted = True

    def _cell(self, head: Mapping[str, Any]) -> CellInputs:
        if head["cell"] in self._done:
            return CellInputs.closed()
        return self._cells.setdefault(head["cell"], CellInputs())

    def _forget(self, cell: int) -> None:
        """Forget a cell that is over on both sides, except for the numbers that it revealed: somebody may still ask for them."""
        if cell in self._cells and self._cells[cell].done and not self._cells[cell].values:
            del self._cells[cell]
            self._done.add(cell)

    async def _values(self, cell: int, desk: CellInputs) -> None:
        """Tell the numbers that the agent waits for, as soon as they are there."""
        for call, value in desk.answerable().items():
            await self._tell(reports.Value(cell=cell, call=call, value=value))
        self._forget(cell)

    # ------------------------------------------------------------ the kernel

    async def _run_all(self) -> None:
        while True:
            head, what = await self._work.get()
            try:
                if head["kind"] == "comm":
                    buffers = tuple(base64.b64decode(buffer) for buffer in what["buffers"])
                    await self._kernel.comm(head["msg_type"], what["content"], head["msg_id"], buffers)
                else:
                    await self._run(head, what)
            except PortError:
                raise
            except Exception:
                log.exception("%s could not be passed on to the inside kernel", head["kind"])
                if head["kind"] == "run":
                    await self._tell(reports.Ended(cell=head["cell"], outputs=None, failure="Other"))

    async def _run(self, head: dict[str, Any], source: str) -> None:
        desk = self._current = self._cell(head)
        try:
            run = await self._kernel.execute({**head, "interrupted": head["interrupted"] or desk.interrupted}, source, desk.next_input)
        finally:
            self._current = None
            desk.end()
        if run.died:
            return  # the agent learns of a kernel that is gone, and knows which cells it owes
        await self._ended(head, run, source)
        await self._values(head["cell"], desk)
        self._forget(head["cell"])

    async def _ended(self, head: dict[str, Any], run: Run, source: str) -> None:
        finding = _found(run, source)
        judgement = finding.otherwise
        told = {"cell": head["cell"], "outputs": finding.digest, "failure": judgement.failure, "line": judgement.line or 1}
        if not run.outputs:
            await self._tell(reports.Ended(**told))
            return
        packed = pack(run.outputs, head["room"], run.outputs.dropped)
        held = reports.Held(sha256=packed.sha256, outputs=packed.outputs, bytes=packed.bytes, dropped=packed.dropped)
        try:
            await self._port.send_bulk(reports.Ended(**told, held=held).model_dump(), packed.content)
        except OSError as error:
            if not is_transient(error):
                raise
            # The error has lasted too long and has another cause. The cell's finding stands, and reviewers are told of the loss.
            log.error("outputs of cell %d cannot be handed to the agent: %s", head["cell"], error)
            lost = held.model_copy(update={"outputs": 0, "dropped": held.outputs + held.dropped})
            await self._tell(reports.Ended(**told, held=lost))

    async def _call(self, kind: str, args: dict[str, Any]) -> Any:
        """A ``tp`` call of the inside kernel: the running cell's next."""
        if self._current is None:
            raise CallError("no_cell", "tp calls are answered only while a cell runs")
        desk, cell = self._current, next(number for number, desk in self._cells.items() if desk is self._current)
        waiting = asyncio.ensure_future(desk.call(kind, args))
        await asyncio.sleep(0)
        await self._values(cell, desk)
        return await waiting

    def _drain(self, descriptor: int) -> None:
        try:
            chunk = os.read(descriptor, 65536)
        except BlockingIOError:
            return
        if not chunk:
            asyncio.get_running_loop().remove_reader(descriptor)
            self._kernel.died.set()
            return
        self._said.append(chunk)
        while sum(map(len, self._said)) > SAID_KEPT:
            self._said.popleft()

    def _words(self) -> str:
        return b"".join(self._said)[-reports.WORDS :].decode("ascii", "replace")[-reports.WORDS :]

    async def _tell(self, what: reports.Told) -> None:
        await self._port.send(what.model_dump())

    def _spawn(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        task: asyncio.Task[object] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _found(run: Run, source: str) -> Finding:
    try:
        return find(run, source)
    except Exception:
        log.exception("an inside run could not be read")
        return UNREADABLE
