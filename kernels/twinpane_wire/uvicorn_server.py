"""Serve the switchboard and a site's review pages with uvicorn behind a connection limiter.

uvicorn bounds the number of requests and the time of idle connections. It has no bound for a head that never ends, for a body that
drips, for an answer that nobody takes, or for connections of one address; and its bound on messages is the same for everybody. These
protocols add the missing bounds. They also give a stranger's bytes to a parser only in small portions: a head of so many lines, as much
of a body as was announced, a few frames. Otherwise bytes that cost nothing to send (chunks of one byte, headers of one letter, empty
pings) would keep everybody else waiting.
"""

import asyncio
import contextlib
import os
import resource
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import ProtocolError
from websockets.frames import Frame
from websockets.http11 import Request

from .connection_limiter import LOOPBACK, Bounds, ConnectionLimiter, behind, neighbourhood
from .request_head import HEAD, RequestHead, Unfit

STRANGER = 4096
"""Bytes of a message, at most, until the application calls ``proven``."""
FRAMES = 8
"""Frames of a stranger, at most. An agent sends one before it is known, a pane none."""
UNREAD = 4
"""Messages of a stranger that may wait for the application, at most."""
UNTAKEN = 64 * 1024
"""Bytes of pongs that may wait to be sent, at most."""
BACKLOG = 128
"""Length of the listen queue. It is short, because the whole queue is accepted, with a descriptor each, before the limiter sees any."""
SPARE = 256
"""File descriptors for everything but connections in the limiter."""


class OfSockets(TypedDict, total=False):
    """uvicorn's WebSocket settings that differ between applications: bytes of a message, compression, and seconds between pings."""

    ws_max_size: int
    ws_per_message_deflate: bool
    ws_ping_interval: float | None
    ws_ping_timeout: float | None


class Guarded(uvicorn.Config):
    """uvicorn's configuration, with a connection limiter. ``proxies``: addresses whose ``X-Forwarded-For`` is believed."""

    def __init__(
        self, app: Callable[..., Awaitable[None]], bounds: Bounds, proxies: Iterable[str] = LOOPBACK, *, sockets: bool = False,
        body: int = 0, beside: int = 0, **more: Unpack[OfSockets],
    ) -> None:  # fmt: skip
        """``sockets``: serve WebSockets too. ``body``: bytes of a request's body, at most.

        ``beside``: connections that other limiters of this process let in.
        """
        self.body, self.beside = body, beside
        self.limiter: ConnectionLimiter[asyncio.WriteTransport] = ConnectionLimiter(bounds, lambda transport: transport.abort())
        self.proxies = frozenset(proxies)
        super().__init__(
            app, http=GuardedHttp, ws=GuardedSocket if sockets else "none", h11_max_incomplete_event_size=HEAD, backlog=BACKLOG,
            lifespan="off", access_log=False, server_header=False, log_config=None, timeout_graceful_shutdown=2, **more,
        )  # fmt: skip

    def origin(self, transport: asyncio.BaseTransport, forwarded: str = "") -> tuple[str, str]:
        """The address that a connection counts under, empty while a proxy's client is unknown; and that proxy, empty where there is none.

        At a unix socket the address is the connecting process, whose ``X-Forwarded-For`` is not believed.
        """
        plug = transport.get_extra_info("socket")
        if plug is not None and plug.family == socket.AF_UNIX:
            return f"process {struct.unpack('3i', plug.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]}", ""
        found = transport.get_extra_info("peername")
        peer = str(found[0]) if isinstance(found, tuple) else ""
        if peer not in self.proxies:
            return neighbourhood(peer), ""
        return neighbourhood(behind(peer, forwarded, self.proxies)), peer


class _Plain(h11.Connection):
    """Our end of HTTP/1.1. It accepts only bodies whose length is announced."""

    def __init__(self, most: int) -> None:
        super().__init__(h11.SERVER, HEAD)
        self._most = most
        self.announced = 0
        """Bytes of the current request's body."""

    def next_event(self) -> "h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]":
        """The next event; raises RemoteProtocolError."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            said = dict(event.headers)  # h11 has checked that there is only one length, and that it is a number
            self.announced = int(said.get(b"content-length", b"0"))
            if b"transfer-encoding" in said or self.announced > self._most:
                raise h11.RemoteProtocolError("a body that nothing here takes")
        return event


class GuardedHttp(H11Protocol):
    """A connection is a stranger until its request is whole, and again after the answer. It may send nothing more before the answer."""

    config: Guarded
    conn: _Plain

    def __init__(
        self, config: Guarded, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = _Plain(self.config.body)
        self._head: RequestHead | None = RequestHead()
        """None while a request is being handled."""
        self._left = 0
        """Bytes of its body that have not come yet."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Tell the limiter of the connection; the limiter may end this one or another at once."""
        super().connection_made(transport)
        address, through = self.config.origin(transport)
        self.config.limiter.arrive(transport, address, self.loop.time(), through)

    def connection_lost(self, exc: Exception | None) -> None:
        """Out of the book."""
        self.config.limiter.leave(self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, and serve a whole request. Bytes that come before the answer to the last request end the connection."""
        if self._head is not None:
            try:
                whole = self._head.add(data)
            except Unfit as error:
                self.send_400_response(str(error))
                return
            if whole is None:
                return
            head, data = whole
            self._head, self.conn.announced = None, 0
            super().data_received(head)
            self._left = self.conn.announced
        if self.transport.is_closing():
            return
        if len(data) > self._left:
            self.transport.abort()
            return
        if data:
            self._left -= len(data)
            super().data_received(data)
        self._note()

    def on_response_complete(self) -> None:
        """After an answer, give the next request a time of its own. The rest of a body is still read, in that time, and thrown away."""
        super().on_response_complete()
        address, through = self.config.origin(self.transport)
        self.config.limiter.wait(self.transport, address, self.loop.time(), through)
        self._note()

    def _note(self) -> None:
        if self._head is None and not self._left and (self.cycle is None or self.cycle.response_complete):
            self._head = RequestHead()
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body:
            self.config.limiter.serve(self.transport, self.loop.time())


class GuardedSocket(WebSocketsSansIOProtocol):
    """A WebSocket is a stranger, limited to small messages, until the application calls ``proven`` in the connection's state."""

    config: Guarded

    def __init__(
        self, config: Guarded, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._known = False
        self._frames = 0
        self._take, self.conn.recv_frame = self.conn.recv_frame, self._recv_frame  # type: ignore[method-assign]  # its one call per frame
        self.conn.max_message_size = STRANGER

    def proven(self) -> None:
        """The application knows who it is: allow messages as large as the link carries, and lift the time limit."""
        self._known = True
        self.conn.max_message_size = self.config.ws_max_size
        self.config.limiter.proven(self.transport)

    def data_received(self, data: bytes) -> None:
        """Take what came. End a stranger that sends more at once than a head and a small message, before looking at any of it."""
        if not self._known and len(data) > 2 * HEAD:
            self.transport.abort()
            return
        super().data_received(data)

    def _recv_frame(self, frame: Frame) -> None:
        """Take one frame. A stranger's frames of all kinds are limited in number, because many small ones would cost everybody time."""
        self._frames += 1
        if not self._known and self._frames > FRAMES:
            raise ProtocolError("more frames than who has not proven who it is may send")
        self._take(frame)

    def handle_connect(self, event: Request) -> None:
        """The head is whole: learn the address behind a proxy, and give the application ``proven`` to call."""
        forwarded = ",".join(event.headers.get_all("X-Forwarded-For"))
        self.config.limiter.named(self.transport, self.config.origin(self.transport, forwarded)[0])
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope["state"]["proven"] = self.proven

    async def send(self, message: Any) -> None:
        """Send the application's message; after a close message the connection may not linger."""
        await super().send(message)
        if message["type"] == "websocket.close":
            self.config.limiter.ending(self.transport, self.loop.time())

    def keepalive_timeout(self) -> None:
        """The other end is gone, so it will not answer a close frame either."""
        super().keepalive_timeout()
        self.config.limiter.ending(self.transport, self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        """Out of the book."""
        self.config.limiter.leave(self.transport)
        super().connection_lost(exc)

    def send_receive_event_to_app(self) -> None:
        """Hand a message on. End a stranger that sends too many before the application reads them."""
        super().send_receive_event_to_app()
        if not self._known and self.queue.qsize() > UNREAD:
            self.transport.abort()

    def handle_ping(self) -> None:
        """Answer a ping. End a peer that pings and reads no answers, which would otherwise fill the memory."""
        super().handle_ping()
        if self.transport.get_write_buffer_size() > UNTAKEN:
            self.transport.abort()


def _have_descriptors(limiter: ConnectionLimiter[asyncio.WriteTransport], beside: int) -> None:
    """Raise the limit of file descriptors to one per connection and some more. If the system allows fewer, admit fewer connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    own = limiter.bounds.connections
    most = SPARE + own + beside if hard == resource.RLIM_INFINITY else min(hard, SPARE + own + beside)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    limiter.bounds = replace(limiter.bounds, connections=max(1, (most - SPARE) * own // (own + beside)))


class _Server(uvicorn.Server):
    config: Guarded

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the program that we run in."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; once a second, end connections whose time is up."""
        if counter % 10 == 0:
            self.config.limiter.end_late(asyncio.get_running_loop().time())
        return await super().on_tick(counter)


def bound(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError where the port is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # If the protocol is named, asyncio sets TCP_NODELAY on accepted sockets. Without it, a small frame after another waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def bound_at(path: Path) -> socket.socket:
    """A listening unix socket that only this user reaches. It replaces what an earlier process left there. Raises OSError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")  # the folder's own name may be longer than a socket's address
        path.chmod(0o600)  # nobody can connect before it listens
    except OSError:
        listener.close()
        raise
    finally:
        os.close(folder)
    return listener


@contextlib.asynccontextmanager
async def serving_on(config: Guarded, listener: socket.socket) -> AsyncIterator[None]:
    """Serve at a socket while the block runs, then close the socket."""
    _have_descriptors(config.limiter, config.beside)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the server did not start")
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
        listener.close()


@contextlib.asynccontextmanager
async def serving(config: Guarded, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve while the block runs; gives ``host:port``. Raises OSError where the port is in use."""
    listener = bound(host, port)
    async with serving_on(config, listener):
        shown = f"[{host}]" if ":" in host else host
        yield f"{shown}:{listener.getsockname()[1]}"
