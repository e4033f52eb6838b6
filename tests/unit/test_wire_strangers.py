"""What a server lets a stranger do at a WebSocket, a unix socket or a port, and how it ends who does more."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from twinpane_wire import uvicorn_server
from twinpane_wire.connection_limiter import Bounds, ConnectionLimiter
from twinpane_wire.request_head import HEAD
from twinpane_wire.uvicorn_server import Guarded, bound, bound_at, serving, serving_on

WORDS = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Echoes messages; at ``/deaf`` it listens to none, at ``/proven`` it knows who it is."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/bye":
        await send({"type": "websocket.close", "code": 1000})
        return
    if scope["path"] == "/deaf":
        await asyncio.sleep(20)
    if scope["path"] == "/proven":
        scope["state"]["proven"]()
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


@contextlib.asynccontextmanager
async def at(path: str, **more: Any) -> AsyncIterator[ClientConnection]:
    """A connection that has shaken hands."""
    async with (
        serving(Guarded(app, Bounds(), sockets=True, **more)) as address,
        connect(f"ws://{address}{path}", ping_interval=None, close_timeout=1) as link,
    ):
        yield link


async def ended(link: ClientConnection) -> bool:
    """Whether the other side ends it soon."""
    with contextlib.suppress(ConnectionClosed):
        await asyncio.wait_for(link.recv(), 10)
        return False
    return True


async def test_a_stranger_is_heard_in_small_messages() -> None:
    async with at("/") as link:
        await link.send("hello")
        assert await asyncio.wait_for(link.recv(), 10) == "hello"


async def test_a_stranger_who_says_much_at_once_is_ended() -> None:
    async with at("/") as link:
        link.transport.write(b"x" * (4 * HEAD))
        assert await ended(link)


async def test_a_stranger_who_says_many_small_frames_is_ended() -> None:
    async with at("/") as link:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(uvicorn_server.FRAMES + 1):
                await link.ping()
        assert await ended(link)


async def test_a_stranger_who_speaks_before_anyone_listens_is_ended() -> None:
    async with at("/deaf") as link:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(uvicorn_server.UNREAD + 2):
                await link.send("hello")
        assert await ended(link)


async def test_a_proven_client_may_send_many_and_large_messages() -> None:
    """Who has proven who it is may say many and large messages."""
    async with at("/proven") as link:
        large = "x" * (4 * HEAD)
        for _ in range(2 * uvicorn_server.FRAMES):
            await link.send(large)
            assert await asyncio.wait_for(link.recv(), 10) == large


async def test_who_pings_and_takes_no_answer_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn_server, "UNTAKEN", -1)
    async with at("/proven") as link:
        await link.ping()
        assert await ended(link)


async def test_who_answers_no_ping_is_ended() -> None:
    """It is gone, or says so: its time is a stranger's again."""
    async with at("/proven", ws_ping_interval=0.05, ws_ping_timeout=0.05) as link:
        link.transport.pause_reading()
        await asyncio.sleep(0.5)
        link.transport.resume_reading()
        assert await ended(link)


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> bytes:
    """What comes back to the end of the connection."""
    writer.write(sent)
    got = b""
    with contextlib.suppress(ConnectionError):
        got = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return got


async def test_a_hand_that_is_no_websockets_is_refused() -> None:
    async with serving(Guarded(app, Bounds(), sockets=True)) as address:
        host, _, port = address.rpartition(":")
        ends = await asyncio.open_connection(host, int(port))
        words = WORDS.replace(b"Connection: close", b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13")
        assert b" 101 " not in await answered(*ends, words)


async def test_a_head_that_is_unfit_is_refused_with_a_word() -> None:
    async with serving(Guarded(app, Bounds())) as address:
        host, _, port = address.rpartition(":")
        got = await answered(*await asyncio.open_connection(host, int(port)), b"x" * (2 * HEAD) + b"\r\n\r\n")
        assert b" 400 " in got


async def test_at_a_unix_socket_a_process_is_the_address(tmp_path: Path) -> None:
    """Of this user alone; and what a process says of others is not believed."""
    place = tmp_path / ("long" * 30) / "socket"
    place.parent.mkdir()
    config = Guarded(app, Bounds())
    came: list[str] = []
    arrive = config.limiter.arrive
    config.limiter.arrive = lambda guest, address, *more: (came.append(address), arrive(guest, address, *more))[1]  # type: ignore[method-assign]
    listener = bound_at(place)
    assert place.stat().st_mode & 0o777 == 0o600
    async with serving_on(config, listener):
        near = socket.socket(socket.AF_UNIX)
        folder = os.open(place.parent, os.O_PATH)
        near.connect(f"/proc/self/fd/{folder}/socket")
        os.close(folder)
        assert (await answered(*await asyncio.open_connection(sock=near), WORDS)).endswith(b"ok")
    assert set(came) == {f"process {os.getpid()}"}


async def test_who_is_no_proxy_is_its_own_address() -> None:
    config = Guarded(app, Bounds(), proxies=())
    async with serving(config) as address:
        host, _, port = address.rpartition(":")
        assert (await answered(*await asyncio.open_connection(host, int(port)), WORDS)).endswith(b"ok")
        assert config.origin(_From("192.0.2.1")) == ("192.0.2.1", "")  # type: ignore[arg-type]


class _From:
    """A transport of which only the address is asked."""

    def __init__(self, address: str) -> None:
        self._address = address

    def get_extra_info(self, what: str) -> Any:
        return (self._address, 1) if what == "peername" else None


def test_a_place_that_cannot_be_bound_is_an_error(tmp_path: Path) -> None:
    with bound("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            bound("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(OSError, match="too long"):
        bound_at(tmp_path / ("x" * 200))


@pytest.mark.parametrize("fails", [True, False], ids=["with an error", "without a word"])
async def test_a_server_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    async def serve(*_: Any, **__: Any) -> None:
        if fails:
            raise OSError("no")

    monkeypatch.setattr(uvicorn_server._Server, "serve", serve)
    with pytest.raises((OSError, RuntimeError)):
        async with serving(Guarded(app, Bounds())):
            pass


def test_the_good_bye_of_who_is_gone_already_is_nothing() -> None:
    door = ConnectionLimiter(Bounds(), lambda guest: None)
    door.ending("gone", 1.0)
    door.end_late(100.0)


async def test_who_pings_and_takes_the_answer_goes_on() -> None:
    async with at("/proven") as link:
        await asyncio.wait_for(await link.ping(), 10)
        await link.send("still here")
        assert await asyncio.wait_for(link.recv(), 10) == "still here"


async def test_what_the_application_ends_has_ended() -> None:
    async with at("/bye") as link:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(link.recv(), 10)
