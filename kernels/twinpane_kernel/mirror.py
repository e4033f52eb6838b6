"""The pane's end of the link: messages to each site in order and until acknowledged, crossings from each site once.

The pane may lose the switchboard, and a site the pane: nothing is lost, because each message to a site carries a number and is
kept until the site has it on disk, and each crossing carries a name and a second copy of it is dropped.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from twinpane_broker.closed import Closed
from twinpane_wire import limits
from twinpane_wire import messages as wire

log = logging.getLogger(__name__)

WAITING = 256 * 2**20
"""Bytes kept for one offline site; beyond them the session goes on without it."""


@dataclass
class Waiting:
    """What one site has not acknowledged yet."""

    n: int = 0
    frames: OrderedDict[int, str] = field(default_factory=OrderedDict)
    size: int = 0
    lost: bool = False

    def add(self, site: str, body: Closed) -> tuple[int, str]:
        """Number a message and keep its frame."""
        self.n += 1
        frame = wire.encode(wire.ToSite(site=site, n=self.n, body=body))
        self.frames[self.n] = frame
        self.size += len(frame)
        if self.size > WAITING:
            self.lost = True
            self.frames.clear()
        return self.n, frame

    def acknowledge(self, n: int) -> None:
        """Forget what the site has."""
        while self.frames and next(iter(self.frames)) <= n:
            self.size -= len(self.frames.popitem(last=False)[1])


class Mirror:
    """Joins the pane to the switchboard and reconnects for as long as the session lasts."""

    def __init__(
        self, url: str, token: str, project: str, session: str,
        on_site: Callable[[wire.SiteState], None], on_crossing: Callable[[str, Closed], None],
    ) -> None:  # fmt: skip
        self._url = f"{url.rstrip('/')}/pane?project={project}"
        self._token = token
        self._session = session
        self._on_site = on_site
        self._on_crossing = on_crossing
        self._waiting: dict[str, Waiting] = {}
        self._seen: set[str] = set()
        self._out: asyncio.Queue[str] = asyncio.Queue()
        self._socket: ClientConnection | None = None
        self.welcomed = asyncio.Event()
        self.refused = ""
        """Why the switchboard will not have us, in its words; empty while it may."""

    @property
    def sites(self) -> list[str]:
        """The project's sites, in the hub's order."""
        return list(self._waiting)

    def send(self, site: str, body: Closed) -> int:
        """Queue a message for a site; returns its number."""
        n, frame = self._waiting[site].add(site, body)
        if self._socket is not None:
            self._out.put_nowait(frame)
        return n

    def send_all(self, body: Closed) -> dict[str, int]:
        """Queue a message for every site of the project."""
        return {site: self.send(site, body) for site in self._waiting}

    async def run(self) -> None:
        """Stay connected until cancelled."""
        delay = 0.1
        while True:
            try:
                async with connect(
                    self._url, additional_headers={"Authorization": f"token {self._token}"}, max_size=limits.FRAME, open_timeout=10,
                    compression=None, proxy=None,
                ) as socket:  # fmt: skip
                    delay = 0.1
                    await self._connected(socket)
            except InvalidStatus as error:
                self.refused = f"the switchboard answered {error.response.status_code}"
                log.warning("link refused: %s", error)
            except (OSError, WebSocketException, TimeoutError) as error:
                log.info("link down: %s", error)
            finally:
                self._lost()
            await asyncio.sleep(delay)
            delay = min(5.0, delay * 2)

    async def _connected(self, socket: ClientConnection) -> None:
        writer: asyncio.Task[None] | None = None
        try:
            async for frame in socket:
                try:
                    message = wire.decode(wire.ToPane, frame)
                except wire.WireError as error:
                    log.warning("from the switchboard: %s", error)
                    continue
                if isinstance(message, wire.Welcome):
                    for site in message.sites:
                        self._waiting.setdefault(site.site, Waiting())
                        self._on_site(site)
                    self.refused = ""
                    self._resend()
                    self._socket = socket
                    self.welcomed.set()
                    writer = asyncio.create_task(self._write(socket))
                elif isinstance(message, wire.SiteState):
                    self._site(message)
                else:
                    self._crossing(message)
        finally:
            if writer:
                writer.cancel()
                with contextlib.suppress(asyncio.CancelledError, WebSocketException):
                    await writer

    async def _write(self, socket: ClientConnection) -> None:
        while True:
            await socket.send(await self._out.get())

    def _resend(self) -> None:
        self._out = asyncio.Queue()
        for waiting in self._waiting.values():
            for frame in waiting.frames.values():
                self._out.put_nowait(frame)

    def _site(self, state: wire.SiteState) -> None:
        known = state.site in self._waiting
        waiting = self._waiting.setdefault(state.site, Waiting())
        self._on_site(state)
        if known and state.online:
            for frame in waiting.frames.values():
                self._out.put_nowait(frame)

    def _crossing(self, message: wire.FromSite) -> None:
        body, site = message.body, message.site
        if site not in self._waiting:
            return
        if isinstance(body, wire.Link) and body.code is wire.LinkCode.ack:
            self._waiting[site].acknowledge(body.n)
        if isinstance(body, wire.Catalogued | wire.Link):
            self._on_crossing(site, body)
            return
        name = wire.crossing_id(body)
        received = wire.Received(session=self._session, ids=(name,))
        self._out.put_nowait(wire.encode(wire.ToSite(site=site, n=0, body=received)))
        if f"{site} {name}" not in self._seen:
            self._seen.add(f"{site} {name}")
            self._on_crossing(site, body)

    def _lost(self) -> None:
        was = self._socket
        self._socket = None
        if was is not None:
            for site in self._waiting:
                self._on_site(wire.SiteState(site=site, online=False))

    async def flush(self) -> None:
        """Wait until everything queued is on the wire."""
        while self._socket is not None and not self._out.empty():
            await asyncio.sleep(0.01)
