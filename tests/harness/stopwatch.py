"""A hub with a good clock: the agent dials it, it speaks the switchboard's side of the link, and notes when each frame left the agent.

Times are the kernel's own, taken as a packet is handed over on loopback, in nanoseconds of CLOCK_REALTIME: how busy this process is does
not show in them. Where it may, it runs ahead of everything else on the machine, as an outside with processors of its own would.
"""

import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from twinpane_sandbox.poll import readable
from twinpane_wire import messages as wire

SO_TIMESTAMPNS = 35
"""Linux's option, and its control message: <asm-generic/socket.h>."""
_TIMESPEC = struct.Struct("ll")
PRIORITY = 50


def ahead_of_all() -> bool:
    """Let this thread run before every ordinary one; what it starts does not inherit that. False where that is not allowed."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except PermissionError:
        return False
    return True


def as_all() -> None:
    """Run as every ordinary thread again."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@dataclass(frozen=True)
class Seen:
    """One thing that left the agent: a crossing's JSON, or ``pong`` with the ping's number."""

    at: int
    body: dict[str, Any]


@dataclass
class Stopwatch:
    """The hub's end of one agent's link."""

    principal: wire.Principal
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    seen: list[Seen] = field(default_factory=list)
    _socket: socket.socket | None = None
    _protocol: ServerProtocol = field(default_factory=ServerProtocol)

    @property
    def url(self) -> str:
        """What the agent dials."""
        return f"ws://127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self, seconds: float = 90) -> None:
        """Wait for the agent and go through the handshake until it has published."""
        self.listener.settimeout(seconds)
        self._protocol, self._socket = ServerProtocol(max_size=2**26), self.listener.accept()[0]
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tell(wire.Challenge(nonce=os.urandom(32).hex()))
        self.until(lambda body: body.get("kind") == "hello", seconds)
        self.tell(wire.Joined(projects=(self.principal.project,)))
        self.until(lambda body: body.get("kind") == "catalogue", seconds)

    def tell(self, message: Any) -> int:
        """Send a message of the link; returns when."""
        if not self._protocol.handshake_exc and self._protocol.state.name == "CONNECTING":
            self._handshake()
        self._protocol.send_text(wire.encode(message).encode())
        return self._flush()

    def send(self, n: int, body: Any) -> int:
        """Send a pane's message; returns when."""
        return self.tell(wire.ForAgent(principal=self.principal, n=n, body=body))

    def ping(self, number: int) -> int:
        """Send a ping of the WebSocket itself; returns when. Its pong is seen as ``{"kind": "pong", "n": number}``."""
        self._protocol.send_ping(str(number).encode())
        return self._flush()

    def listen(self, until: int) -> None:
        """Take in what leaves the agent until a time of the clock in nanoseconds."""
        while (left := until - time.time_ns()) > 0:
            self._take(left / 1e9)

    def until(self, wanted: Any, seconds: float) -> dict[str, Any]:
        """Take in until a crossing is ``wanted``; returns it. Raises TimeoutError."""
        end, at = time.monotonic() + seconds, len(self.seen)
        while True:
            for seen in self.seen[at:]:
                at += 1
                if wanted(seen.body):
                    return seen.body
            if time.monotonic() > end:
                raise TimeoutError("the agent did not answer")
            self._take(0.1)

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            if self._socket is not None:
                self._socket.close()
            self.listener.close()

    def _handshake(self) -> None:
        assert self._socket is not None
        while self._protocol.state.name == "CONNECTING":
            self._protocol.receive_data(self._socket.recv(65536))
            for event in self._protocol.events_received():
                if isinstance(event, Request):
                    self._protocol.send_response(self._protocol.accept(event))
            self._flush()

    def _flush(self) -> int:
        assert self._socket is not None
        now = time.time_ns()
        for data in self._protocol.data_to_send():
            self._socket.sendall(data)
        return now

    def _take(self, seconds: float) -> None:
        assert self._socket is not None
        if not readable(self._socket.fileno(), max(0.0, seconds)):
            return
        data, control, _, _ = self._socket.recvmsg(2**20, 128)
        if not data:
            raise ConnectionError("the agent hung up")
        at = next((_stamp(value) for level, kind, value in control if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS)), time.time_ns())
        self._protocol.receive_data(data)
        self.seen += [Seen(at, body) for body in self._bodies()]
        self._flush()

    def _bodies(self) -> Iterator[dict[str, Any]]:
        for event in self._protocol.events_received():
            if not isinstance(event, Frame):
                continue
            if event.opcode is Opcode.PONG:
                yield {"kind": "pong", "n": int(bytes(event.data) or b"0")}
            elif event.opcode in (Opcode.TEXT, Opcode.BINARY):
                frame = json.loads(bytes(event.data))
                yield frame.get("body", frame)


def _stamp(value: bytes) -> int:
    seconds, nanoseconds = _TIMESPEC.unpack(value[: _TIMESPEC.size])
    return seconds * 10**9 + nanoseconds
