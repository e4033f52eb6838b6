"""The two ends of the switchboard, as an ASGI application: ``/pane?project=P`` and ``/agent``."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Collection
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from twinpane_ground.closing import Closing
from twinpane_wire.address import dialled, is_loopback
from twinpane_wire.messages import Catalogued, Challenge, FromAgent, Joined, SiteHello, Standing, ToSite, WireError, decode, encode

from .authentication import Identify, bearer, identified, new_nonce, verify_hello
from .catalogue_publisher import CataloguePublisher
from .catalogue_store import PinnedKeys
from .fair_queue import FairQueue
from .link_ended import LinkEnded, Unsaid
from .proposer import Proposer
from .router import Agent, Pane, Router
from .token_bucket import TokenBucket

log = logging.getLogger(__name__)


WORDS, WORDS_A_SECOND = 64 * 2**20, 8 * 2**20
"""Bytes that one site's link may send at once, and then per second. The limit exists because all links wait while they are read."""


@dataclass(frozen=True)
class Timing:
    """Seconds that the switchboard waits."""

    hello: float = 10
    """For an agent to send its hello."""
    send: float = 90
    """For the other end to take one frame."""
    stalled: float = 60
    """For a site to take anything from a lane that is full."""
    recheck: float = 20
    """Between two checks with the hub that a pane's token and membership are still valid."""
    silence: float = 600
    """For which a pane may go on while the hub does not answer."""


class Link:
    """One accepted WebSocket with its lanes: a reader, a sender, and one way to end it."""

    def __init__(self, socket: WebSocket, timing: Timing) -> None:
        """Wrap an accepted socket."""
        self.lanes = FairQueue()
        self._socket = socket
        self._timing = timing
        self._ended: asyncio.Future[LinkEnded] = asyncio.get_running_loop().create_future()

    def end(self, code: Closing, reason: str) -> None:
        """End the link from outside its own tasks; the first reason counts."""
        if not self._ended.done():
            self._ended.set_result(LinkEnded(code, reason))

    async def frame(self) -> str | bytes:
        """The next frame from the other end."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        return message.get("text") or message.get("bytes") or ""

    async def _sender(self) -> None:
        while True:
            frame = await self.lanes.get()
            try:
                async with asyncio.timeout(self._timing.send):
                    await self._socket.send_text(frame)
            except TimeoutError:
                raise LinkEnded(Closing.too_slow, "a message was not taken in time") from None

    async def _told(self) -> None:
        raise await asyncio.shield(self._ended)

    async def run(self, *parts: Awaitable[None]) -> None:
        """Run the parts and the sender until one of them ends; raises the error that ended it."""
        tasks = [asyncio.ensure_future(part) for part in (*parts, self._sender(), self._told())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()


@contextlib.asynccontextmanager
async def _closing(socket: WebSocket) -> AsyncIterator[None]:
    """End a socket with the code and reason of whatever ended it."""
    try:
        yield
    except LinkEnded as ended:
        log.info("link of %s ended: %s %s", socket.client, int(ended.code), ended.reason)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(5):
                if socket.application_state is WebSocketState.CONNECTING:
                    await socket.accept()
                await socket.close(int(ended.code), ended.reason)
    except (WebSocketDisconnect, OSError, RuntimeError) as error:
        if not isinstance(error, WebSocketDisconnect):
            log.info("link of %s broke: %r", socket.client, error)


def switchboard(
    router: Router,
    identify: Identify,
    pins: PinnedKeys,
    timing: Timing | None = None,
    prefix: str = "",
    addresses: Collection[str] = (),
    proposes: bool = False,
) -> Starlette:
    """The ASGI application. ``prefix`` is a further path below which it answers, for a proxy in front of it.

    ``addresses``: where sites reach it, in the form of ``dialled``. Sites on this machine may also use its own socket.
    ``proposes``: whether it asks sites to accept its projects, as a hub does.
    """
    timing = timing or Timing()

    async def pane_end(socket: WebSocket) -> None:
        async with _closing(socket):
            project = socket.query_params.get("project", "")
            token = bearer(socket.headers.get("authorization"))
            # Identify the pane before accepting it. Until then it may send nothing, afterwards as much as the link carries.
            principal = await identified(identify, token, project)
            await socket.accept()
            socket.state.proven()
            link = Link(socket, timing)
            pane = Pane(principal, link.lanes, link.end)
            router.join_pane(pane)
            try:
                await link.run(_read_pane(link, pane, router, timing), _recheck(identify, token, project, pane, timing))
            finally:
                router.leave_pane(pane)

    async def agent_end(socket: WebSocket) -> None:
        async with _closing(socket):
            if socket.client is None:  # no address: it came through the gates' own socket
                raise LinkEnded(Closing.not_admitted, "no site dials in from a researcher's server")
            await socket.accept()
            link = Link(socket, timing)
            site = await _hello(link, socket, router, pins, timing, {*addresses, *_own_socket(socket, prefix)})
            socket.state.proven()
            agent = Agent(site, link.lanes, link.end)
            link.lanes.put("switchboard", encode(Joined(projects=router.directory().projects_of_site(site))))
            router.join_agent(agent)
            try:
                published = CataloguePublisher(agent, router)
                asked = [Proposer(site, router.directory).run(link.lanes)] if proposes else []
                await link.run(_read_agent(link, agent, router, published), published.run(), *asked)
            finally:
                router.leave_agent(agent)

    async def health(_request: Request) -> JSONResponse:
        return JSONResponse({"ok": True})

    routes = [WebSocketRoute("/pane", pane_end), WebSocketRoute("/agent", agent_end), Route("/health", health)]
    return Starlette(routes=[*routes, *([Mount(prefix.rstrip("/"), routes=routes)] if prefix.strip("/") else [])])


async def _read_pane(link: Link, pane: Pane, router: Router, timing: Timing) -> None:
    while True:
        frame = await link.frame()
        try:
            routed = router.route_inward(pane, decode(ToSite, frame))
        except WireError as error:
            raise LinkEnded(Closing.malformed, str(error)) from None
        if routed is None:
            continue
        agent, onward = routed
        if agent.lanes.put(pane, onward):
            continue
        before = len(agent.lanes)
        try:
            async with asyncio.timeout(timing.stalled):
                await agent.lanes.put_waiting(pane, onward)
        except TimeoutError:
            if len(agent.lanes) >= before:
                agent.end(Closing.too_slow, f"site {agent.site} takes nothing of what waits for it: dial in again")
            raise LinkEnded(Closing.too_slow, f"site {agent.site} is slow and too much waits for it: dial in again") from None


async def _recheck(identify: Identify, token: str, project: str, pane: Pane, timing: Timing) -> None:
    """End the link within a minute after the membership ends, the project expires or the token is revoked."""
    heard = time.monotonic()
    while True:
        await asyncio.sleep(timing.recheck)
        try:
            if await identified(identify, token, project) != pane.principal:
                raise LinkEnded(Closing.not_proven, "this token now belongs to someone else")
            heard = time.monotonic()
        except Unsaid:
            if time.monotonic() - heard > timing.silence:
                raise


def _own_socket(socket: WebSocket, prefix: str) -> tuple[str, ...]:
    """Our socket's own address, for a connection from this machine that came through no proxy; empty for others."""
    host, port = socket.scope.get("server") or ("", None)
    if socket.client is None or not is_loopback(socket.client.host) or "x-forwarded-for" in socket.headers or not is_loopback(host):
        return ()
    address = dialled(f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}")
    return address, address + prefix.rstrip("/")


async def _hello(link: Link, socket: WebSocket, router: Router, pins: PinnedKeys, timing: Timing, own: Collection[str]) -> str:
    """Challenge an agent and verify its answer; returns its site."""
    nonce = new_nonce()
    await socket.send_text(encode(Challenge(nonce=nonce)))
    try:
        async with asyncio.timeout(timing.hello):
            frame = await link.frame()
    except TimeoutError:
        raise LinkEnded(Closing.too_late, f"no hello within {timing.hello:g} seconds") from None
    try:
        hello = decode(SiteHello, frame)
    except WireError as error:
        raise LinkEnded(Closing.malformed, str(error)) from None
    verify_hello(hello, nonce, router.directory(), pins, own)
    return hello.site


async def _read_agent(link: Link, agent: Agent, router: Router, published: CataloguePublisher) -> None:
    words = TokenBucket(WORDS, WORDS_A_SECOND)
    while True:
        frame = await link.frame()
        if wait := words.wait(len(frame), asyncio.get_running_loop().time()):
            await asyncio.sleep(wait)
        try:
            message = decode(FromAgent, frame)
        except WireError as error:
            router.counts[f"{agent.site}: malformed"] += 1
            log.warning("site %s sent a message that is not a crossing, dropped: %s", agent.site, error)
            continue
        if router.directory().sites.get(agent.site) is None:
            raise LinkEnded(Closing.not_admitted, f"site {agent.site} is no longer listed at this hub")
        if isinstance(message.body, Catalogued):
            published.put(message.body)
        elif isinstance(message.body, Standing):
            router.hear(agent, message.body)
        else:
            router.route_outward(agent, message.body)
