"""Frames from and to ZeroMQ sockets on an event loop, with as little done per frame as can be: each printed line passes here.

pyzmq's own methods for whole messages join flags as enumerations, frame by frame, which takes longer than the sending.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import zmq
from zmq.backend import Socket as Plain

Socket = zmq.Socket[bytes]

# The types of the plain methods know no choice made at run time, nor which options are numbers.
_send: Callable[[Socket, bytes, int, bool], object] = Plain.send  # type: ignore[assignment]
_number: Callable[[Socket, int], int] = Plain.get  # type: ignore[assignment]
_MORE, _NOW, _EVENTS, _READABLE = int(zmq.SNDMORE), int(zmq.NOBLOCK), int(zmq.EVENTS), int(zmq.POLLIN)
LARGE = 2**16
"""Bytes from which on a frame is sent without being copied."""
PARTS = 4096
"""Frames of one message, at most: what has more is dropped."""
TURN = 200
"""Messages that are read before others have a turn."""
FLOW = 8
"""Messages of a flow in a row, from which on it is read in gulps."""
GULP_S = 0.001
"""Seconds that a flow gathers before it is read on: waking for each of its messages takes longer than carrying it."""


def send(socket: Socket, parts: Sequence[bytes]) -> None:
    """Send one message."""
    *rest, last = parts
    for part in rest:
        _send(socket, part, _MORE, len(part) < LARGE)
    _send(socket, last, 0, len(last) < LARGE)


def receive(socket: Socket) -> list[bytes]:
    """The frames of the next message, none of one that has too many; raises zmq.Again where no message is there."""
    parts: list[bytes] = []
    while True:
        frame = Plain.recv(socket, _NOW, False)
        if len(parts) <= PARTS:
            parts.append(frame.bytes)
        if not frame.more:
            return parts if len(parts) <= PARTS else []


class Reader:
    """Calls back for each message of a socket, on the event loop.

    libzmq's file descriptor fires on edges: after a send the edge may have been spent, so the events are looked at again. The callback
    says of a message whether it is one of a flow, of which nobody waits for the next.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: Socket, callback: Callable[[list[bytes]], bool | None]) -> None:
        self._socket = socket
        self._loop = loop
        self._callback = callback
        self._waiting: deque[None] = deque(maxlen=1)
        self._flow = 0
        self._gulp: asyncio.TimerHandle | None = None
        self._file = _number(socket, zmq.FD)
        self._resume()

    def again(self) -> None:
        """Look once more, soon."""
        if not self._waiting and self._gulp is None and _number(self._socket, _EVENTS) & _READABLE:
            self._waiting.append(None)
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._waiting.clear()
        for _ in range(TURN):
            try:
                parts = receive(self._socket)
            except zmq.ZMQError:
                if self._flow >= FLOW and self._gulp is None:
                    self._loop.remove_reader(self._file)
                    self._gulp = self._loop.call_later(GULP_S, self._resume)
                return
            self._flow = self._flow + 1 if self._callback(parts) else 0
        self.again()

    def _resume(self) -> None:
        self._gulp = None
        self._loop.add_reader(self._file, self._drain)
        self.again()

    def close(self) -> None:
        """Stop reading."""
        self._loop.remove_reader(self._file)
        if self._gulp is not None:
            self._gulp.cancel()
