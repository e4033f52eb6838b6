"""A pane that is only the link: it numbers messages, notes when each is acknowledged, and keeps what the site says."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from twinpane_ground import limits
from twinpane_wire import messages as wire

from .federation import PROJECT, TOKEN


class RawPane:
    """One connection, one session at one site."""

    def __init__(self, socket: ClientConnection, site: str) -> None:
        self.session = secrets.token_hex(16)
        self.site = site
        self.n = 0
        self.sent: dict[int, float] = {}
        self.acknowledged: dict[int, float] = {}
        """When each message was acknowledged, by number, in seconds of the monotonic clock."""
        self.crossings: list[Any] = []
        self._socket = socket

    async def send(self, body: Any) -> int:
        """Send the session's next message; returns its number."""
        self.n += 1
        self.sent[self.n] = time.monotonic()
        await self._socket.send(wire.encode(wire.ToSite(site=self.site, n=self.n, body=body)))
        return self.n

    async def acked(self, n: int, seconds: float = 30) -> float:
        """Wait until a message is acknowledged; returns the seconds that took."""
        await self.until(lambda: n in self.acknowledged, seconds)
        return self.acknowledged[n] - self.sent[n]

    async def until(self, holds: Callable[[], Any], seconds: float = 30) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.01)

    def said(self, kind: type) -> list[Any]:
        """What the site said, of a kind."""
        return [body for body in self.crossings if isinstance(body, kind)]

    async def listen(self) -> None:
        """Take what comes, until cancelled."""
        async for frame in self._socket:
            message = wire.decode(wire.ToPane, frame)
            if not isinstance(message, wire.FromSite):
                continue
            body = message.body
            if isinstance(body, wire.Link) and body.code is wire.LinkCode.ack:
                for n in range(1, body.n + 1):
                    self.acknowledged.setdefault(n, time.monotonic())
            self.crossings.append(body)


@contextlib.asynccontextmanager
async def raw_pane(url: str, site: str) -> AsyncIterator[RawPane]:
    """A pane while the block runs."""
    headers = {"Authorization": f"token {TOKEN}"}
    async with connect(f"{url}/pane?project={PROJECT}", additional_headers=headers, max_size=limits.FRAME, proxy=None) as socket:
        pane = RawPane(socket, site)
        listening = asyncio.create_task(pane.listen())
        try:
            yield pane
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
