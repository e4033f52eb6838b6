"""An inside kernel, as the agent knows it: a sandbox that the agent started, and a reader that reports on it.

The agent believes only the types of ``reader.reports``, and each only if it asked for it. After any other report the kernel counts as
dead.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twinpane_sandbox.cgroups import Use
from twinpane_sandbox.launch import KernelProcess
from twinpane_wire import messages as wire
from twinpane_wire.prefix_code import Outcome, lines_of
from twinpane_wire.transient_errors import is_transient

from .parts.port import Frame, Port, PortError, sealed_size
from .reader import reports
from .verdict import Finding, Judgement

log = logging.getLogger(__name__)

WAITING = 64 * 2**20
"""Bytes for a reader that may wait; one that takes nothing for so long is dead."""
POLL_S = 0.2
LOGGED = 300
"""Characters of a dead kernel's words that the site's log shows, escaped: a kernel writes no lines there."""

Given = wire.Twin | wire.Answer | wire.Input


@dataclass(frozen=True)
class Kept:
    """Outputs to hold: a descriptor of the sealed bytes, which the receiver closes, and the reader's counts.

    The descriptor is None if the bytes were lost on the way; then only a note of the loss is held.
    """

    descriptor: int | None
    told: reports.Held

    def close(self) -> None:
        """Close the descriptor: nobody will take the outputs."""
        if self.descriptor is not None:
            os.close(self.descriptor)


@dataclass(frozen=True)
class Ended:
    """One inside run of a cell: its finding, and the outputs that may have to be held."""

    finding: Finding
    kept: Kept | None = None


class InsideKernel:
    """One session's inside kernel. One cell runs at a time. Messages from outside go to the reader in the order of arrival."""

    def __init__(self, process: KernelProcess, end: socket.socket, session: str, end_reader: Callable[[], None]) -> None:
        """``end`` is our end of the reader's port, ``end_reader`` kills the reader."""
        self._process = process
        self._end_reader = end_reader
        self._port = Port(end)
        self._session = session
        self._out: asyncio.Queue[tuple[Mapping[str, object], bytes | None]] = asyncio.Queue()
        self._waiting = 0
        self._running: tuple[int, asyncio.Future[Ended]] | None = None
        self._lines = 1
        self._values: dict[tuple[int, int], asyncio.Future[float | None]] = {}
        self._up = asyncio.Event()
        self.died = asyncio.Event()
        self._tasks = [asyncio.create_task(work) for work in (self._write(), self._read(), self._watch())]

    @property
    def outlived(self) -> bool:
        """Whether a process in its sandbox still lives after it was closed."""
        return self._process.outlived

    def use(self) -> Use:
        """What it uses of the machine, with all that it started."""
        return self._process.group.use()

    async def start(self) -> bool:
        """Wait until the kernel answers; False where it does not."""
        await self._first(self._up.wait())
        return self._up.is_set() and not self.died.is_set()

    async def execute(self, cell: wire.Cell, room: int, interrupted: bool = False) -> Ended | None:
        """Run a cell to its end, however long it takes; None if the kernel died of it. ``room``: bytes of its outputs that may be held.

        ``interrupted``: the cell was interrupted before it began. It still counts, and is interrupted as it begins.
        """
        ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._running, self._lines = (cell.cell, ended), lines_of(cell.source)
        try:
            self._put({
                "kind": "run", "cell": cell.cell, "msg_id": cell.msg_id, "silent": cell.silent, "store_history": cell.store_history,
                "allow_stdin": cell.allow_stdin, "user_expressions": cell.user_expressions, "room": room, "interrupted": interrupted,
            }, cell.source.encode("utf-8", "surrogatepass"))  # fmt: skip
            await self._first(ended)
            return None if ended.cancelled() or not ended.done() else ended.result()
        except asyncio.CancelledError:
            if ended.done() and not ended.cancelled() and (kept := ended.result().kept) is not None:
                kept.close()
            raise
        finally:
            self._running = None

    def give(self, message: Given) -> None:
        """Pass on a message from outside about a cell."""
        match message:
            case wire.Answer():
                head = {"kind": "answer", "cell": message.cell, "call": message.call, "call_kind": message.call_kind}
                self._put(head | {"error": message.error}, json.dumps(message.value).encode())
            case wire.Input():
                head = {"kind": "input", "cell": message.cell, "nth": message.nth}
                self._put(head, message.value.encode("utf-8", "surrogatepass"))
            case wire.Twin():
                self._put({"kind": "twin", "cell": message.cell})

    async def value(self, cell: int, call: int) -> float | None:
        """The value that the inside run reveals in that call, as soon as it does; None if it reveals none or the kernel is gone."""
        asked = self._values.setdefault((cell, call), asyncio.get_running_loop().create_future())
        self._put({"kind": "want", "cell": cell, "call": call})
        await self._first(asyncio.shield(asked))
        self._values.pop((cell, call), None)
        return asked.result() if asked.done() and not asked.cancelled() else None

    def comm(self, message: wire.Comm) -> None:
        """Pass on a client's comm message."""
        head = {"kind": "comm", "msg_type": message.msg_type, "msg_id": message.msg_id}
        self._put(head, json.dumps({"content": message.content, "buffers": message.buffers}).encode())

    def interrupt(self) -> None:
        """Interrupt the running cell, if there is one."""
        if self._running is not None:
            self._put({"kind": "interrupt", "cell": self._running[0]})

    async def close(self) -> None:
        """End the kernel at once, whatever it or its reader does. Then end everything that waits for it."""
        self.died.set()
        await asyncio.gather(asyncio.to_thread(self._process.close), asyncio.to_thread(self._end_reader))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._port.close()

    # ------------------------------------------------------------ to the reader

    def _put(self, head: Mapping[str, object], bulk: bytes | None = None) -> None:
        self._waiting += len(bulk or b"")
        if self._waiting > WAITING:
            self._lost("its reader takes nothing of what waits for it")
            return
        self._out.put_nowait((head, bulk))

    async def _write(self) -> None:
        try:
            while True:
                head, bulk = await self._out.get()
                await self._sent(head, bulk)
                self._waiting -= len(bulk or b"")
        except (OSError, PortError) as error:
            self._lost(str(error))

    async def _sent(self, head: Mapping[str, object], bulk: bytes | None) -> None:
        while True:
            try:
                return await (self._port.send(head) if bulk is None else self._port.send_bulk(head, bulk))
            except OSError as error:
                if not is_transient(error):
                    raise
                # Another session may have caused this; it must not cost this session its kernel.
                log.error("nothing can be handed to the reader of session %s for now: %s", self._session, error)

    # ------------------------------------------------------------ from the reader

    async def _read(self) -> None:
        try:
            while (frame := await self._port.receive()) is not None:
                try:
                    self._take(reports.told(frame.head), frame)
                except BaseException:
                    frame.close()
                    raise
            self._lost("its reader has ended")
        except (PortError, OSError) as error:
            self._lost(str(error))

    def _take(self, told: reports.Told, frame: Frame) -> None:
        match told:
            case reports.Up() if not self._up.is_set():
                self._up.set()
            case reports.Ended() if self._running is not None and self._running[0] == told.cell and not self._running[1].done():
                self._running[1].set_result(Ended(self._finding(told), self._kept(told, frame)))
                return
            case reports.Value() if (asked := self._values.get((told.cell, told.call))) is not None and not asked.done():
                asked.set_result(told.value)
            case reports.Gone():
                self._lost("it has ended", told.words)
            case _:
                raise PortError("a reader said something that was not asked for")
        frame.close()

    def _finding(self, told: reports.Ended) -> Finding:
        if told.failure is None:
            return Finding(told.outputs, Judgement(Outcome.differs))
        return Finding(told.outputs, Judgement(Outcome.failed, told.failure, min(told.line, self._lines)))

    @staticmethod
    def _kept(told: reports.Ended, frame: Frame) -> Kept | None:
        if told.held is None:
            frame.close()
            return None
        if not frame.descriptors and told.held.outputs == 0:
            return Kept(None, told.held)
        if len(frame.descriptors) != 1:
            raise PortError("a reader announced outputs and sent none")
        sealed_size(frame.descriptors[0], reports.SAID)
        return Kept(frame.descriptors[0], told.held)

    # ------------------------------------------------------------ its end

    async def _first(self, awaited: Awaitable[object]) -> None:
        """Wait for it, or for the kernel's death."""
        waiting: set[asyncio.Future[Any]] = {asyncio.ensure_future(awaited), asyncio.ensure_future(self.died.wait())}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                if not each.done():
                    each.cancel()

    def _lost(self, why: str, words: str = "") -> None:
        if not self.died.is_set():
            log.warning("the inside kernel of session %s is gone: %s %r", self._session, why, words[-LOGGED:])
        self.died.set()

    async def _watch(self) -> None:
        while self._process.poll() is None:
            await asyncio.sleep(POLL_S)
        # Its last words may still be on their way through the reader.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.died.wait(), POLL_S)
        self._lost("its process has ended")
