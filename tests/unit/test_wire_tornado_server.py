"""The server beneath the hub's and the notebooks' pages takes whole requests only."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import tornado.web

from twinpane_wire import tornado_server
from twinpane_wire.request_head import FIRST
from twinpane_wire.tornado_server import BoundedServer


class Echo(tornado.web.RequestHandler):
    """Says what it was given."""

    def get(self) -> None:
        self.write(self.request.headers.get("Cookie", "none"))

    def post(self) -> None:
        self.write(self.request.body)


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server of these."""
    monkeypatch.setattr(tornado_server, "READ_S", 0.05)
    server = BoundedServer(tornado.web.Application([(r"/.*", Echo)]))
    server.listen(0, "127.0.0.1")
    yield next(iter(server._sockets.values())).getsockname()[1]
    server.stop()
    await server.close_all_connections()


async def answer(port: int, sent: bytes) -> bytes:
    """All that comes back, to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    got = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return got


async def test_a_request_with_a_length_is_answered(port: int) -> None:
    got = await answer(port, b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc")
    assert got.startswith(b"HTTP/1.1 200")
    assert got.endswith(b"abc")


async def test_a_body_in_chunks_is_refused_before_it_comes(port: int) -> None:
    got = await answer(port, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    assert got.startswith(b"HTTP/1.1 411")


async def test_an_address_that_would_fill_a_log_is_refused(port: int) -> None:
    got = await answer(port, b"GET /" + b"x" * FIRST + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 414")


async def test_cookies_that_are_dear_to_read_are_not_read(port: int) -> None:
    got = await answer(port, b'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: a=1; b="\\\\"\r\n\r\n')
    assert got.endswith(b"a=1")


async def test_who_leaves_in_the_middle_of_a_body_costs_nothing(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
    await writer.drain()
    writer.close()
    await asyncio.sleep(0.1)
    assert (await answer(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).endswith(b"none")
