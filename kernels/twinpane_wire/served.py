"""How the outside's switchboard and a site's review pages are served: uvicorn, with a door before it.

uvicorn has a bound on requests and a time for idle connections; it has none for a head that never ends, for a body that drips, for an
answer that nobody takes, or for connections of one address, and one bound on messages for all. These protocols add them.
"""

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from .door import Bounds, Door, behind, neighbourhood

HEAD = 16 * 1024
"""Bytes of a request's head."""
STRANGER = 4096
"""Bytes of a message, until the application says ``proven``."""
UNREAD = 4
"""Messages of a stranger that may wait for the application."""
UNTAKEN = 64 * 1024
"""Bytes of answers to pings that may wait for who pings."""
BACKLOG = 128
"""Connections that the system holds for us: few, since as many are taken at once, each with a descriptor, before the door sees one."""
SPARE = 256
"""Descriptors for what is not a connection, or not yet one."""
LOOPBACK = frozenset({"127.0.0.1", "::1"})


class Guarded(uvicorn.Config):
    """How an application is served behind a door. ``proxies``: addresses whose ``X-Forwarded-For`` is believed."""

    def __init__(self, app: Any, bounds: Bounds, proxies: Iterable[str] = LOOPBACK, *, sockets: bool = False, **more: Any) -> None:
        """``sockets``: serve WebSockets too."""
        self.door = Door(bounds, lambda transport: transport.abort())  # type: ignore[attr-defined]
        self.proxies = frozenset(proxies)
        super().__init__(
            app, http=GuardedHttp, ws=GuardedSocket if sockets else "none", h11_max_incomplete_event_size=HEAD, backlog=BACKLOG,
            lifespan="off", access_log=False, server_header=False, log_config=None, timeout_graceful_shutdown=2, **more,
        )  # fmt: skip

    def address(self, transport: asyncio.BaseTransport, forwarded: str = "") -> str:
        """What counts as the address of a connection; empty for one of our proxies, of whose client nothing is known yet."""
        peer = transport.get_extra_info("peername")
        return neighbourhood(behind(str(peer[0]) if isinstance(peer, tuple) else "", forwarded, self.proxies))


class GuardedHttp(H11Protocol):
    """A connection is a stranger until its request is whole, and again when it is answered."""

    config: Guarded

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Into the door's book; the door may end it, or another, at once."""
        super().connection_made(transport)
        self.config.door.arrive(transport, self.config.address(transport), self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        """Out of the book."""
        self.config.door.leave(self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """What came; a whole request is served."""
        super().data_received(data)
        self._note()

    def on_response_complete(self) -> None:
        """Answered: what comes next has its own time."""
        super().on_response_complete()
        self.config.door.wait(self.transport, self.config.address(self.transport), self.loop.time())
        self._note()

    def _note(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body:
            self.config.door.serve(self.transport, self.loop.time())


class GuardedSocket(WebSocketsSansIOProtocol):
    """A WebSocket is a stranger, with small messages, until the application calls ``proven`` of the connection's state."""

    config: Guarded

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._known = False
        self.conn.max_message_size = STRANGER

    def proven(self) -> None:
        """The application knows who it is: messages may be as large as the link carries, and its time is its own."""
        self._known = True
        self.conn.max_message_size = self.config.ws_max_size
        self.config.door.proven(self.transport)

    def data_received(self, data: bytes) -> None:
        """What came; a stranger who says more at once than a head and a small message may is ended before any of it is looked at."""
        if not self._known and len(data) > 2 * HEAD:
            self.transport.abort()
            return
        super().data_received(data)

    def handle_connect(self, event: Request) -> None:
        """The head is whole: learn the address behind a proxy, and lend the application the key."""
        forwarded = ",".join(event.headers.get_all("X-Forwarded-For"))
        self.config.door.named(self.transport, self.config.address(self.transport, forwarded))
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope["state"]["proven"] = self.proven

    async def send(self, message: Any) -> None:
        """What the application says; after its last word the connection may not linger."""
        await super().send(message)
        if message["type"] == "websocket.close":
            self.config.door.ending(self.transport, self.loop.time())

    def keepalive_timeout(self) -> None:
        """The other end is gone, and takes no good-bye either."""
        super().keepalive_timeout()
        self.config.door.ending(self.transport, self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        """Out of the book."""
        self.config.door.leave(self.transport)
        super().connection_lost(exc)

    def send_receive_event_to_app(self) -> None:
        """Hand a message on; a stranger who says much before anyone listens is ended."""
        super().send_receive_event_to_app()
        if not self._known and self.queue.qsize() > UNREAD:
            self.transport.abort()

    def handle_ping(self) -> None:
        """Answer; who pings and takes no answer is ended, or the answers would fill the memory."""
        super().handle_ping()
        if self.transport.get_write_buffer_size() > UNTAKEN:
            self.transport.abort()


def _have_descriptors(door: Door) -> None:
    """One for each connection and some for the rest; where the system gives fewer, the door lets in fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = SPARE + door.bounds.connections if hard == resource.RLIM_INFINITY else min(hard, SPARE + door.bounds.connections)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    door.bounds = replace(door.bounds, connections=max(1, min(door.bounds.connections, most - SPARE)))


class _Server(uvicorn.Server):
    config: Guarded

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program that we run in."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; once a second, end what is late."""
        if counter % 10 == 0:
            self.config.door.end_late(asyncio.get_running_loop().time())
        return await super().on_tick(counter)


def bound(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError where the port is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY on what it accepts: without, a small frame after a small frame waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.asynccontextmanager
async def serving(config: Guarded, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve while the block runs; gives ``host:port``. Raises OSError where the port is in use."""
    _have_descriptors(config.door)
    listener = bound(host, port)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the server did not start")
            await asyncio.sleep(0.01)
        shown = f"[{host}]" if ":" in host else host
        yield f"{shown}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
        listener.close()
