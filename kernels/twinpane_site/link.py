"""The agent's end of the link: it dials out, proves who it is, and stays connected. Nothing dials in.

The loop that redials is our own. websockets' iterator redials at once after any connection, however short it was, and cannot wait for a
random pause.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.frames import CloseCode

from twinpane_ground import limits
from twinpane_ground.closing import Closing
from twinpane_wire import messages as wire
from twinpane_wire.address import dialled, stays_private
from twinpane_wire.hello import hello_message

from .errors import ConfigError
from .keys import SiteKey
from .paced_connection import PacedConnection, drawn_pause

log = logging.getLogger(__name__)

REFUSED = (Closing.not_proven, Closing.not_admitted, CloseCode.POLICY_VIOLATION)
"""Close codes of a switchboard that will not have this site."""
WAITING = 10_000
"""Crossings that may wait for a slow link; more are dropped here and sent again from the outbox."""


STOOD_S, LONGEST_S = 60.0, 30.0
"""Seconds: a link that stood so long is dialled again at once; one that is cut soon waits longer each time, so long at most. Each time a
hub cuts it, it can look once at how long a handshake takes here."""


def check_address(url: str) -> None:
    """Raise ConfigError for an address where others could read the one-time token or pose as the hub."""
    try:
        dialled(url)
    except ValueError as error:
        raise ConfigError(f"{error}: give the hub's address as people open it in the browser.") from None
    if not stays_private(url):
        raise ConfigError(
            f"{url} is another machine, and not encrypted: whoever is between could read what goes there, or pass for the hub. "
            "Give the hub's address with https:// (or wss://); a hub without TLS is dialled on its own machine only."
        )


class SiteLink:
    """One site's connection to the switchboard at ``url`` (``wss://…``, on one machine ``ws://…``). Raises ConfigError for another.

    While ``frozen``, only the link's own messages go out: acknowledgements and errors from a fixed list.
    """

    def __init__(
        self, url: str, site: str, key: SiteKey, token: str,
        on_joined: Callable[[tuple[str, ...]], None], on_message: Callable[[wire.ForAgent], None], on_refused: Callable[[str], None],
        frozen: Callable[[], bool], on_proposed: Callable[[wire.Proposal], None] = lambda proposal: None,
    ) -> None:  # fmt: skip
        check_address(url)
        self._url = f"{url.rstrip('/')}/agent"
        self._hub = dialled(url)
        self._site = site
        self._key = key
        self._token = token
        self._on_joined = on_joined
        self._on_message = on_message
        self._on_refused = on_refused
        self._frozen = frozen
        self._on_proposed = on_proposed
        self._out: asyncio.Queue[tuple[bool, str]] | None = None
        self._joined: float | None = None

    @property
    def is_joined(self) -> bool:
        """Whether the hub has this site now."""
        return self._joined is not None

    def send(self, body: wire.Outward) -> None:
        """Put a crossing on the link if it stands."""
        if self._out is None:
            return
        with contextlib.suppress(asyncio.QueueFull):
            self._out.put_nowait((isinstance(body, wire.Link), wire.encode(wire.FromAgent(body=body))))

    async def run(self) -> None:
        """Stay connected until cancelled."""
        delay = 0.1
        while True:
            try:
                async with connect(
                    self._url,
                    max_size=limits.FRAME,
                    open_timeout=10,
                    compression=None,
                    proxy=None,
                    ping_interval=None,
                    create_connection=PacedConnection,
                ) as socket:
                    assert isinstance(socket, PacedConnection)  # as asked for above
                    await self._connected(socket)
            except ConnectionClosed as closed:
                reason = closed.rcvd.reason if closed.rcvd else ""
                if closed.rcvd and closed.rcvd.code in REFUSED:
                    self._on_refused(reason or "the switchboard refused this site")
                if closed.rcvd and closed.rcvd.code == Closing.replaced:
                    log.error("another agent dialled in as this site: %s", reason)
                    self._joined, delay = None, 5.0  # so that two agents of one site do not disconnect each other many times a second
                if closed.rcvd and closed.rcvd.code == Closing.malformed:
                    log.error("the switchboard does not know one of our messages; is it of another version? (%s)", reason)
                    self._joined, delay = None, 5.0  # the same message waits to be sent again
                log.info("link closed: %s", reason)
            except wire.WireError as error:
                log.warning("what answers at %s does not speak as a switchboard does: %s", self._url, error)
            except (OSError, WebSocketException, TimeoutError) as error:
                log.info("link down: %s", error)
            finally:
                stood = self._joined is not None and asyncio.get_running_loop().time() - self._joined > STOOD_S
                longest = 5.0 if self._joined is None else LONGEST_S
                delay = 0.1 if stood else delay
                self._out = self._joined = None
            await asyncio.sleep(delay + drawn_pause())
            delay = min(longest, delay * 2)

    async def _connected(self, socket: PacedConnection) -> None:
        challenge = wire.decode(wire.Challenge, await socket.recv())
        await asyncio.sleep(drawn_pause())
        signature = self._key.sign(hello_message(self._hub, self._site, challenge.nonce))
        hello = wire.SiteHello(
            hub=self._hub, site=self._site, public_key=self._key.public_hex, signature=signature, token=self._token
        )  # fmt: skip
        await socket.send(wire.encode(hello))
        joined = wire.decode(wire.Joined, await socket.recv())
        self._out, self._joined = asyncio.Queue(WAITING), asyncio.get_running_loop().time()
        beside = [asyncio.create_task(self._write(socket, self._out)), asyncio.create_task(socket.until_silent())]
        try:
            self._act(lambda: self._on_joined(joined.projects))
            async for frame in socket:
                try:
                    message = wire.decode(wire.ToAgent, frame)
                except wire.WireError as error:
                    log.warning("from the switchboard: %s", error)
                    continue
                if isinstance(message, wire.Proposed):
                    self._act(partial(self._on_proposed, message.proposal))
                else:
                    self._act(partial(self._on_message, message))
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    @staticmethod
    def _act(act: Callable[[], None]) -> None:
        """Act on one message. An error must end neither the site's link nor the site."""
        try:
            act()
        except Exception:
            log.exception("a message of the link could not be acted on")

    async def _write(self, socket: PacedConnection, out: "asyncio.Queue[tuple[bool, str]]") -> None:
        while True:
            own, text = await out.get()
            # The last place to stop at: what is dropped here waits in the outbox, and is sent again when the site is not frozen any more.
            if own or not self._frozen():
                await socket.send(text)
