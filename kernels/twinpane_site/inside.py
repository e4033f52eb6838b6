"""The inside kernel: a sandboxed kernel with the real rows. The agent speaks to it, believes nothing it says, and repeats none of it."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import zmq
import zmq.asyncio

from twinpane_sandbox import protocol
from twinpane_sandbox.calls import CallServer
from twinpane_sandbox.frames import KernelMessage, parse
from twinpane_sandbox.launch import KernelProcess
from twinpane_wire import messages as wire
from twinpane_wire.canonical import DisplayNames, Outputs

from .verdict import Run

log = logging.getLogger(__name__)

MESSAGE = 64 * 2**20
"""Bytes of one frame that the agent takes from a kernel."""
QUEUE = 20_000
"""Messages that may wait in a socket; beyond them the kernel loses its own words."""
IDLE_S = 10.0
"""Seconds after the reply that the last outputs may take; a kernel that lost its own `idle` is not waited for longer."""
START_S = 60.0
PROBE_S = 1.0

Prompt = Callable[[], Awaitable[str | None]]
"""Gives the client's reply to the cell's next prompt; None where the clear run had no such prompt."""


@dataclass
class _Running:
    msg_id: str
    outputs: Outputs
    prompt: Prompt
    error: dict[str, Any] | None = None
    count: int | None = None
    begun: bool = False
    replied: bool = False
    idle: bool = False
    interrupted: bool = False
    """It was to be interrupted before it began: an idle kernel would not notice."""
    asking: asyncio.Task[None] | None = None
    """The prompt that waits for its reply."""
    done: asyncio.Event = field(default_factory=asyncio.Event)


class InsideKernel:
    """One session's inside kernel. One cell runs at a time."""

    def __init__(self, process: KernelProcess, session: str, calls: CallServer) -> None:
        self._process = process
        self._calls = calls
        self._session = session
        self._key = str(process.connection["key"]).encode()
        self._names = DisplayNames()
        self._context = zmq.asyncio.Context()
        self._sockets: dict[str, zmq.asyncio.Socket] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._running: _Running | None = None
        self._up: set[str] = set()
        self._ready = asyncio.Event()
        self.died = asyncio.Event()

    async def start(self) -> bool:
        """Connect and wait until the kernel answers; False where it does not."""
        for channel, kind in (("shell", zmq.DEALER), ("control", zmq.DEALER), ("stdin", zmq.DEALER), ("iopub", zmq.SUB)):
            socket = self._context.socket(kind)
            socket.linger = 0
            socket.rcvhwm = QUEUE
            socket.setsockopt(zmq.MAXMSGSIZE, MESSAGE)
            socket.reconnect_ivl = 10
            if kind == zmq.SUB:
                socket.subscribe(b"")
            else:
                socket.setsockopt(zmq.IDENTITY, self._session.encode())
            connection = self._process.connection
            socket.connect(f"ipc://{connection['ip']}-{connection[f'{channel}_port']}")
            self._sockets[channel] = socket
            self._tasks.append(asyncio.create_task(self._read(channel)))
        self._tasks.append(asyncio.create_task(self._watch()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                while not self._ready.is_set() and not self.died.is_set():
                    await self._send("shell", "kernel_info_request", {})
                    # A kernel that boots answers all that was asked meanwhile before its first cell: ask seldom.
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._ready.wait(), PROBE_S)
        return self._ready.is_set()

    async def execute(self, cell: wire.Cell, prompt: Prompt) -> Run:
        """Run a cell to its end, however long it takes; a dead kernel ends it at once."""
        running = self._running = _Running(cell.msg_id, Outputs(self._names), prompt)
        try:
            await self._send("shell", "execute_request", {
                "code": cell.source, "silent": cell.silent, "store_history": cell.store_history, "user_expressions": cell.user_expressions,
                "allow_stdin": cell.allow_stdin, "stop_on_error": False,
            }, msg_id=cell.msg_id)  # fmt: skip
            done, died = asyncio.create_task(running.done.wait()), asyncio.create_task(self.died.wait())
            await asyncio.wait({done, died}, return_when=asyncio.FIRST_COMPLETED)
            for waiting in (done, died, running.asking):
                if waiting is not None:
                    waiting.cancel()
            return Run(running.outputs, running.error, not running.done.is_set(), running.count)
        finally:
            self._running = None

    async def comm(self, message: wire.Comm, buffers: tuple[bytes, ...]) -> None:
        """Pass on a client's comm message."""
        await self._send("shell", message.msg_type, message.content, msg_id=message.msg_id, buffers=buffers)

    async def interrupt(self) -> None:
        """Interrupt whatever runs, by message; a cell that the kernel has not begun, as soon as it begins."""
        if self._running is not None and not self._running.begun:
            self._running.interrupted = True
            return
        await self._send("control", "interrupt_request", {})

    async def close(self) -> None:
        """End the kernel and everything that waits for it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._context.destroy(linger=0)
        await self._calls.close()
        await asyncio.to_thread(self._process.close)
        self.died.set()

    async def _send(
        self, channel: str, msg_type: str, content: dict[str, Any], msg_id: str | None = None, buffers: tuple[bytes, ...] = ()
    ) -> None:
        head = protocol.header(msg_type, self._session, msg_id)
        await self._sockets[channel].send_multipart(protocol.frames(self._key, head, content, buffers=buffers))

    async def _read(self, channel: str) -> None:
        socket = self._sockets[channel]
        while True:
            message = parse(await socket.recv_multipart(), self._key, channel)
            if message is None:
                continue
            try:
                await self._take(channel, message)
            except Exception:
                log.exception("a message of an inside kernel could not be taken")
                if self._running is not None:
                    self._running.outputs.dropped += 1

    async def _take(self, channel: str, message: KernelMessage) -> None:
        if not self._ready.is_set():
            self._up.add(channel)
            if {"shell", "iopub"} <= self._up:
                self._ready.set()
        running = self._running
        if running is None or message.parent_msg_id != running.msg_id:
            return
        match channel, message.msg_type:
            case "iopub", "status":
                running.idle = running.idle or message.content.get("execution_state") == "idle"
                await self._begun(running)
            case "iopub", "execute_input":
                count = message.content.get("execution_count")
                running.count = count if isinstance(count, int) else None
            case "iopub", "error":
                running.error = dict(message.content)
                running.outputs.add("error", message.content)
            case "iopub", kind:
                running.outputs.add(kind, message.content, message.buffers)
            case "shell", "execute_reply":
                running.replied = True
                asyncio.get_running_loop().call_later(IDLE_S, running.done.set)
                if message.content.get("status") == "error" and running.error is None:
                    running.error = dict(message.content)
            case "stdin", "input_request" if running.asking is None or running.asking.done():
                # One at a time, as kernels ask; a hostile one may not heap them up.
                running.asking = asyncio.get_running_loop().create_task(self._answer(running))
        if running.replied and running.idle:
            running.done.set()

    async def _begun(self, running: _Running) -> None:
        begins, running.begun = not running.begun, True
        if begins and running.interrupted:
            await self.interrupt()

    async def _answer(self, running: _Running) -> None:
        # What the kernel asked is not looked at: only that it asked.
        reply = await running.prompt()
        if running is not self._running:
            return  # that cell is over: nothing of it may reach the next one
        if reply is None:
            await self.interrupt()
        else:
            await self._send("stdin", "input_reply", {"value": reply, "status": "ok"})

    async def _watch(self) -> None:
        while self._process.poll() is None:
            await asyncio.sleep(0.2)
        self.died.set()
