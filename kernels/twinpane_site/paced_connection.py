"""The link's connection. It delays the library's automatic answers, so that they do not tell how busy the agent is.

A WebSocket answers a ping at once. An attacker at the hub could measure the agent's loop a thousand times a second. So a pong leaves after
a random time, one at a time, for the newest ping (RFC 6455, 5.5.3 allows that). The agent itself sends no pings: it takes a link for dead
when the hub's pings stop.
"""

import asyncio
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from .send_slots import smooth

PONG_S = 4.0
"""Seconds from a ping to the middle of its pong: hubs wait a minute for it, so it can be late and rare."""
PONG_SPREAD_S = 1.0
"""Standard deviation of that, never further than three of it from the middle."""
PAUSE_SPREAD_S = 0.06
"""The same of the pauses before a hello and before dialling again, which are rare."""
SILENCE_S = 90.0
"""Seconds without a byte from the hub, which pings every 20, until the link counts as dead."""


class PacedConnection(ClientConnection):
    """A connection whose pongs leave a drawn time after their ping."""

    def __init__(self, protocol: ClientProtocol, **more: Any) -> None:
        super().__init__(protocol, **more)
        self._pong: bytes | None = None
        self._heard = asyncio.get_running_loop().time()
        self._receive = protocol.recv_frame
        protocol.recv_frame = self._recv_frame  # type: ignore[method-assign]  # its one call for every frame

    def data_received(self, data: bytes) -> None:
        """Called by the event loop with what came."""
        self._heard = asyncio.get_running_loop().time()
        super().data_received(data)

    async def until_silent(self) -> None:
        """Wait until nothing has come for long, and then hang up."""
        while (left := self._heard + SILENCE_S - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(left)
        self.transport.abort()

    def _recv_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            asyncio.get_running_loop().call_later(drawn_pause(), self._close_late, frame)
            return
        if frame.opcode is not Opcode.PING:
            self._receive(frame)
            return
        if self._pong is None:
            asyncio.get_running_loop().call_later(PONG_S + smooth(PONG_SPREAD_S), self._answer)
        self._pong = bytes(frame.data)

    def _close_late(self, frame: Frame) -> None:
        """Take the other end's close now, and answer it."""
        self._receive(frame)
        events = self.protocol.events_received()
        self.send_data()
        for event in events:
            self.process_event(event)

    def _answer(self) -> None:
        data, self._pong = self._pong or b"", None
        if self.protocol.state is State.OPEN:
            self.protocol.send_pong(data)
            self.send_data()


def drawn_pause() -> float:
    """Random seconds to wait before an answer that would otherwise leave at once."""
    return 4 * PAUSE_SPREAD_S + smooth(PAUSE_SPREAD_S)
