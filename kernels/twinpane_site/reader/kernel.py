"""Reads an inside kernel's sockets as if the kernel were hostile. No message of the kernel leaves this process unchanged."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from twinpane_sandbox import protocol
from twinpane_sandbox.frames import Unread, parse
from twinpane_site.verdict import Run
from twinpane_wire.canonical import DisplayNames, Outputs

log = logging.getLogger(__name__)

MESSAGE = 64 * 2**20
"""Bytes of one frame that is taken from a kernel; a longer one cuts its connection, which ends the kernel."""
QUEUE = 20_000
"""Messages that may wait in a socket; beyond them the kernel loses its own words."""
IDLE_S = 10.0
"""Seconds after the reply that the last outputs may take; a kernel that lost its own `idle` is not waited for longer."""
INSISTS, INSIST_S = 20, 0.3
"""How often, and at which seconds, a cell is interrupted that was to be before it began."""
START_S = 60.0
PROBE_S = 1.0

Prompt = Callable[[], Awaitable[str | None]]
"""Gives the client's reply to the cell's next prompt; None where the clear run had no such prompt."""


@dataclass
class _Running:
    msg_id: str
    outputs: Outputs
    prompt: Prompt
    interrupted: bool = False
    """It was to be interrupted before it began: an idle kernel would not notice."""
    error: dict[str, Any] | None = None
    count: int | None = None
    begun: bool = False
    replied: bool = False
    idle: bool = False
    asking: asyncio.Task[None] | None = None
    """The prompt that waits for its reply."""
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Kernel:
    """One inside kernel, at the addresses of ``connection`` (Jupyter's connection file). One cell runs at a time."""

    def __init__(self, connection: dict[str, Any], session: str) -> None:
        self._connection = connection
        self._session = session
        self._key = str(connection["key"]).encode()
        self._names = DisplayNames()
        self._context = zmq.asyncio.Context()
        self._sockets: dict[str, zmq.asyncio.Socket] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._running: _Running | None = None
        self._up: set[str] = set()
        self._ready = asyncio.Event()
        self.died = asyncio.Event()
        """The kernel has ended, or one of its connections was cut: what it said since is lost."""

    async def start(self) -> bool:
        """Connect and wait until the kernel answers; False where it does not."""
        for channel, kind in (("shell", zmq.DEALER), ("control", zmq.DEALER), ("stdin", zmq.DEALER), ("iopub", zmq.SUB)):
            socket = self._context.socket(kind)
            socket.linger = 0
            socket.rcvhwm = QUEUE
            socket.setsockopt(zmq.MAXMSGSIZE, MESSAGE)
            socket.setsockopt(zmq.HANDSHAKE_IVL, 0)  # a kernel that boots on a busy machine is not cut off
            socket.reconnect_ivl = 10
            if kind == zmq.SUB:
                socket.subscribe(b"")
            else:
                socket.setsockopt(zmq.IDENTITY, self._session.encode())
            self._tasks.append(asyncio.create_task(self._watch(socket.get_monitor_socket(zmq.EVENT_DISCONNECTED))))
            socket.connect(f"ipc://{self._connection['ip']}-{self._connection[f'{channel}_port']}")
            self._sockets[channel] = socket
            self._tasks.append(asyncio.create_task(self._read(channel)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                while not self._ready.is_set() and not self.died.is_set():
                    await self._send("shell", "kernel_info_request", {})
                    # Ask seldom: before its first cell, a booting kernel answers every question that came meanwhile.
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._ready.wait(), PROBE_S)
        return self._ready.is_set()

    async def execute(self, cell: dict[str, Any], source: str, prompt: Prompt) -> Run:
        """Run a cell to its end, however long it takes; a dead kernel ends it at once."""
        running = self._running = _Running(cell["msg_id"], Outputs(self._names), prompt, cell["interrupted"])
        try:
            await self._send("shell", "execute_request", {
                "code": source, "silent": cell["silent"], "store_history": cell["store_history"],
                "user_expressions": cell["user_expressions"], "allow_stdin": cell["allow_stdin"], "stop_on_error": False,
            }, msg_id=cell["msg_id"])  # fmt: skip
            done, died = asyncio.create_task(running.done.wait()), asyncio.create_task(self.died.wait())
            await asyncio.wait({done, died}, return_when=asyncio.FIRST_COMPLETED)
            for waiting in (done, died, running.asking):
                if waiting is not None:
                    waiting.cancel()
            return Run(running.outputs, running.error, not running.done.is_set(), running.count)
        finally:
            self._running = None

    async def comm(self, msg_type: str, content: dict[str, Any], msg_id: str, buffers: tuple[bytes, ...]) -> None:
        """Pass on a client's comm message."""
        await self._send("shell", msg_type, content, msg_id=msg_id, buffers=buffers)

    async def interrupt(self) -> None:
        """Interrupt the running cell, by message. If the kernel has not begun it, interrupt it as soon as it begins."""
        if self._running is None:
            return
        if not self._running.begun:
            self._running.interrupted = True
            return
        await self._send("control", "interrupt_request", {})

    async def close(self) -> None:
        """Let go of the sockets."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._context.destroy(linger=0)

    async def _send(
        self, channel: str, msg_type: str, content: dict[str, Any], msg_id: str | None = None, buffers: tuple[bytes, ...] = ()
    ) -> None:
        head = protocol.header(msg_type, self._session, msg_id)
        await self._sockets[channel].send_multipart(protocol.frames(self._key, head, content, buffers=buffers))

    async def _watch(self, monitor: zmq.asyncio.Socket) -> None:
        """Watch for a cut connection, and do not restore it: the kernel ended it, or sent more than may be read."""
        while parse_monitor_message(await monitor.recv_multipart())["event"] != zmq.EVENT_DISCONNECTED:
            pass
        self.died.set()

    async def _read(self, channel: str) -> None:
        socket = self._sockets[channel]
        while True:
            frames = await socket.recv_multipart()
            await asyncio.sleep(0)  # a socket that always has something to say may not keep the loop from everything else
            try:
                await self._take(channel, frames)
            except Exception:
                log.exception("a message of an inside kernel could not be taken")
                self._drop()

    async def _take(self, channel: str, frames: list[bytes]) -> None:
        message = parse(frames, self._key, channel)
        if message is Unread.too_large:
            self._drop()
        if isinstance(message, Unread):
            return
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

    def _drop(self) -> None:
        """Note that an output of the running cell may be lost: the cell never counts as the same as its twin, and reviewers are told."""
        if self._running is not None:
            self._running.outputs.dropped += 1

    async def _begun(self, running: _Running) -> None:
        begins, running.begun = not running.begun, True
        if begins and running.interrupted:
            self._tasks.append(asyncio.create_task(self._insist(running)))

    async def _insist(self, running: _Running) -> None:
        """Interrupt a cell only once it has begun: before its first line, the interrupt or the cell's reply would be lost."""
        for _ in range(INSISTS):
            await asyncio.sleep(INSIST_S)
            if running is not self._running or running.done.is_set():
                return
            await self._send("control", "interrupt_request", {})

    async def _answer(self, running: _Running) -> None:
        # Look only at the fact that the kernel asked, not at its question.
        reply = await running.prompt()
        if running is not self._running:
            return  # that cell is over: nothing of it may reach the next one
        if reply is None:
            await self.interrupt()
        else:
            await self._send("stdin", "input_reply", {"value": reply, "status": "ok"})
