"""The pane's end of the link: messages to each site in order and until acknowledged, crossings from each site once.

The pane may lose the switchboard, and a site may lose the pane, but no message is lost. Each message to a site has a number and is kept
until the site has it on disk. Each crossing has a name, and a second copy is dropped.

The loop that redials is our own. websockets' iterator redials at once after any connection. It would redial for ever if a switchboard
accepts a pane's connection and then refuses the pane.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from twinpane_ground import limits
from twinpane_ground.closing import Closing
from twinpane_wire import messages as wire
from twinpane_wire.address import stays_private

log = logging.getLogger(__name__)

SLOW_S = 5.0
WAITING = 256 * 2**20
"""Bytes kept for one offline site, and for the time before the switchboard is reached; beyond them the session goes on without."""
HEAD_START_S = 0.15
"""Seconds that news of a cell waits for what comes next, most often the cell's end: the client's answers go first, in the same thread
and, where sites are on the same machine, on the same processors."""
STALLED_S = 4.0
"""Seconds after which what a site says it lacks is sent again."""


@dataclass
class Waiting:
    """What one site has not acknowledged yet."""

    n: int = 0
    frames: OrderedDict[int, str] = field(default_factory=OrderedDict)
    size: int = 0
    acknowledged: int = 0
    lost: bool = False
    """More waited than is kept: nothing more goes to this site, as it could not be run without what is missing."""

    def add(self, site: str, body: wire.Inward) -> tuple[int, str | None]:
        """Number a message and keep its frame; None where the site is lost. Raises WireError, and then no number is taken."""
        if self.lost:
            return self.n + 1, None
        frame = wire.encode(wire.ToSite(site=site, n=self.n + 1, body=body))
        if self.size + len(frame) > WAITING:
            self.lost = True
            self.frames.clear()
            self.size = 0
            return self.n + 1, None
        self.n += 1
        self.frames[self.n] = frame
        self.size += len(frame)
        return self.n, frame

    def acknowledge(self, n: int) -> bool:
        """Forget the messages that the site has. Returns whether it lacks one: it repeats a number although more has been sent."""
        again = n == self.acknowledged and bool(self.frames)
        self.acknowledged = max(self.acknowledged, n)
        while self.frames and next(iter(self.frames)) <= n:
            self.size -= len(self.frames.popitem(last=False)[1])
        return again


class PaneLink:
    """Joins the pane to the switchboard and reconnects for as long as the session lasts."""

    def __init__(
        self, url: str, token: str, project: str, session: str,
        on_site: Callable[[wire.SiteState], None], on_crossing: Callable[[str, wire.Catalogued | wire.SessionCrossing], None],
    ) -> None:  # fmt: skip
        self._url = f"{url.rstrip('/')}/pane?project={project}"
        self._token = token
        self._session = session
        self._on_site = on_site
        self._on_crossing = on_crossing
        self._waiting: dict[str, Waiting] = {}
        self._early: list[wire.Inward] = []
        self._early_size = 0
        self._seen: set[str] = set()
        self._stalled: dict[str, asyncio.TimerHandle] = {}
        self._out: asyncio.Queue[str] = asyncio.Queue()
        self._go = asyncio.Event()
        self._go.set()
        self._socket: ClientConnection | None = None
        self.welcomed = asyncio.Event()
        self.refused = ""
        """Why the switchboard will not have us, in its words; empty while it may."""

    @property
    def sites(self) -> list[str]:
        """The project's sites, in the hub's order."""
        return list(self._waiting)

    def send(self, site: str, body: wire.Inward) -> int:
        """Queue a message for a site; returns its number. Raises WireError for one that the link does not carry."""
        n, frame = self._waiting[site].add(site, body)
        if self._socket is not None and frame is not None:
            self._out.put_nowait(frame)
            if not isinstance(body, wire.Cell):
                self._go.set()
            elif self._go.is_set():
                self._go.clear()
                asyncio.get_running_loop().call_later(HEAD_START_S, self._go.set)
        return n

    def send_all(self, body: wire.Inward) -> dict[str, int]:
        """Queue a message for every site of the project; returns its number at each. Raises WireError, and then no site gets it.

        While the switchboard was never reached and no site is known, it is kept, see ``early``.
        """
        size = len(wire.encode(wire.ToSite(site="x", n=10**9, body=body)))
        if not self.welcomed.is_set():
            self._early_size += size
            if self._early_size <= WAITING:
                self._early.append(body)
        return {site: self.send(site, body) for site in self._waiting}

    @property
    def early(self) -> tuple[wire.Inward, ...]:
        """The messages sent to all sites before the sites were known. Each site gets them after its ``open``."""
        return tuple(self._early) if self._early_size <= WAITING else ()

    def lost(self, site: str) -> bool:
        """Whether the session goes on without this site: too much waited for it."""
        return self._waiting[site].lost or self._early_size > WAITING

    async def run(self) -> None:
        """Stay connected until cancelled."""
        if not stays_private(self._url):
            self.refused = "the hub is on another machine and its address is not encrypted: use https:// (or wss://)"
            log.error("no link: %s", self.refused)
            await asyncio.Event().wait()
        delay = 0.1
        while True:
            try:
                async with connect(
                    self._url, additional_headers={"Authorization": f"token {self._token}"}, max_size=limits.FRAME, open_timeout=10,
                    compression=None, proxy=None,
                ) as socket:  # fmt: skip
                    await self._connected(socket)
            except InvalidStatus as error:
                self.refused = f"the switchboard answered {error.response.status_code}"
                log.warning("link refused: %s", error)
            except ConnectionClosed as closed:
                if self._socket is None and closed.rcvd:
                    self.refused = closed.rcvd.reason or f"the switchboard closed the link ({closed.rcvd.code})"
                    log.warning("link refused: %s", self.refused)
                elif closed.rcvd and closed.rcvd.code == Closing.malformed:
                    log.error("the switchboard does not know one of our messages; is it of another version? (%s)", closed.rcvd.reason)
                    self._link_down()
                    delay = SLOW_S  # the same message waits to be sent again
            except (OSError, WebSocketException, TimeoutError) as error:
                log.info("link down: %s", error)
            finally:
                delay = 0.1 if self._socket is not None else delay
                self._link_down()
            await asyncio.sleep(delay)
            delay = min(5.0, delay * 2)

    async def _connected(self, socket: ClientConnection) -> None:
        """Take frames until the link ends. Raises ConnectionClosed, also for an orderly end."""
        writer: asyncio.Task[None] | None = None
        try:
            while True:
                try:
                    message = wire.decode(wire.ToPane, await socket.recv())
                except wire.WireError as error:
                    log.warning("from the switchboard: %s", error)
                    continue
                if isinstance(message, wire.Welcome):
                    if writer is not None:
                        continue  # greeted already
                    self._welcome(message)
                    self._socket = socket
                    writer = asyncio.create_task(self._write(socket))
                elif writer is None:
                    log.warning("from the switchboard: it has to greet first")
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
            frames = [await self._out.get()]
            await self._go.wait()
            while not self._out.empty():
                frames.append(self._out.get_nowait())
            for frame in frames:
                await socket.send(frame)
                self._out.task_done()

    def _welcome(self, welcome: wire.Welcome) -> None:
        for state in welcome.sites:
            self._waiting.setdefault(state.site, Waiting())
            self._tell(partial(self._on_site, state))
        self.welcomed.set()
        self._early.clear()
        self.refused = ""
        self._out = asyncio.Queue()
        for site in self._waiting:
            # Announce the session even if nothing waits here: sites may have something to say to it.
            here = wire.Received(session=self._session, ids=())
            self._out.put_nowait(wire.encode(wire.ToSite(site=site, n=0, body=here)))
            self._resend(site)

    def _resend(self, site: str) -> None:
        for frame in self._waiting[site].frames.values():
            self._out.put_nowait(frame)

    def _site(self, state: wire.SiteState) -> None:
        known = state.site in self._waiting
        self._waiting.setdefault(state.site, Waiting())
        self._tell(partial(self._on_site, state))
        if known and state.online:
            self._resend(state.site)

    def _crossing(self, message: wire.FromSite) -> None:
        body, site = message.body, message.site
        if site not in self._waiting:
            return
        if not isinstance(body, wire.Catalogued) and body.session != self._session:
            return
        if isinstance(body, wire.Link) and body.code is wire.LinkCode.ack and self._waiting[site].acknowledge(body.n):
            self._lacks(site)
        spent = isinstance(body, wire.Link) and body.code is wire.LinkCode.spent and body.cell is not None
        if isinstance(body, wire.Catalogued | wire.Link) and not spent:
            self._tell(partial(self._on_crossing, site, body))
            return
        name = wire.crossing_id(body)
        if f"{site} {name}" not in self._seen and not self._tell(partial(self._on_crossing, site, body)):
            return  # not said to be received: the site sends it again
        self._seen.add(f"{site} {name}")
        received = wire.Received(session=self._session, ids=(name,))
        self._out.put_nowait(wire.encode(wire.ToSite(site=site, n=0, body=received)))

    def _lacks(self, site: str) -> None:
        """Send again the messages that the site could not take, but not at once: its disk may have been full."""
        if site in self._stalled:
            return
        first = next(iter(self._waiting[site].frames))

        def again() -> None:
            del self._stalled[site]
            if self._socket is not None and first in self._waiting[site].frames:
                self._resend(site)

        self._stalled[site] = asyncio.get_running_loop().call_later(STALLED_S, again)

    @staticmethod
    def _tell(act: Callable[[], None]) -> bool:
        """Act on a message; returns whether that worked. An error over one message must not end the link."""
        try:
            act()
        except Exception:
            log.exception("a message of the link could not be acted on")
            return False
        return True

    def _link_down(self) -> None:
        for handle in self._stalled.values():
            handle.cancel()
        self._stalled.clear()
        was = self._socket
        self._socket = None
        if was is not None:
            for site in list(self._waiting):
                self._tell(partial(self._on_site, wire.SiteState(site=site, online=False)))

    async def flush(self) -> None:
        """Wait until everything queued is on the wire."""
        if self._socket is not None:
            await self._out.join()
