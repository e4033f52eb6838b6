"""What the protocols before our applications take of a request: heads and bodies within bounds, in any pieces, one request at a time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from twinpane_wire.connection_limiter import Bounds
from twinpane_wire.request_head import FIRST, HEAD, LINES, RequestHead, Unfit
from twinpane_wire.uvicorn_server import Guarded, serving

FORM = 1000
"""Bytes of a body that is taken here."""


@contextlib.asynccontextmanager
async def connected(body: int = FORM) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to an application that says how much it was sent, and at ``/early`` answers without looking."""

    async def count(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    async def early(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("early", 403)

    app = Starlette(routes=[Route("/", count, methods=["GET", "POST"]), Route("/early", early, methods=["POST"])])
    async with serving(Guarded(app, Bounds(), body=body)) as address:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        try:
            yield reader, writer
        finally:
            writer.close()


async def said(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Status and body of the next answer."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode()
    length = next(int(line.split(":")[1]) for line in head.lower().split("\r\n") if line.startswith("content-length"))
    return int(head.split()[1]), (await reader.readexactly(length)).decode()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that still comes until the connection ends, however it ends."""
    with contextlib.suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(), 10)
    return b""


@pytest.mark.parametrize("piece", [1, 7, 5000])
async def test_a_form_comes_in_whole_in_any_pieces(piece: int) -> None:
    """What reviewers send goes on to work: bodies as large as a form, heads and bodies cut anywhere, connections that are kept."""
    async with connected() as (reader, writer):
        for size in (0, 1, FORM):
            request = f"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size
            for begin in range(0, len(request), piece):
                writer.write(request[begin : begin + piece])
                await asyncio.sleep(0)
            assert await said(reader) == (200, str(size))


async def test_after_an_early_answer_the_next_request_is_answered() -> None:
    """An application may refuse a form by its head; its body is still bounded, and no part of it is taken for a request."""
    async with connected() as (reader, writer):
        writer.write(b"POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n")
        assert await said(reader) == (403, "early")
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".ljust(100))
        await asyncio.sleep(0.1)
        writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab")
        assert await said(reader) == (200, "2")


@pytest.mark.parametrize(
    "head",
    [
        "Transfer-Encoding: chunked", "transfer-encoding:chunked", f"Content-Length: {FORM + 1}", "Content-Length: x",
        f"Content-Length: {'9' * 6000}",
        "Content-Length: 1\r\nContent-Length: 2", "Content-Length: 5\r\nTransfer-Encoding: chunked",
    ],
)  # fmt: skip
async def test_a_body_of_no_or_large_length_is_refused_at_its_head(head: str) -> None:
    """The server reads no byte of the body, and the connection ends."""
    async with connected() as (reader, writer):
        writer.write(f"POST / HTTP/1.1\r\nHost: h\r\n{head}\r\n\r\n".encode())
        assert (await rest(reader)).startswith(b"HTTP/1.1 400 ")


async def test_where_nothing_is_posted_no_body_is_taken() -> None:
    async with connected(body=0) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n")
        assert (await rest(reader)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("more", [b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"x"])
async def test_who_says_more_before_the_answer_is_ended(more: bytes) -> None:
    """Requests one behind the other would be parsed in one go."""
    async with connected() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" + more)
        assert await rest(reader) == b""


@pytest.mark.parametrize("piece", [1, 3, 2**20])
def test_a_head_is_found_in_any_pieces(piece: int) -> None:
    """And what comes after it is given back."""
    for end in (b"\r\n\r\n", b"\n\n", b"\n\r\n"):
        sent, head = b"GET / HTTP/1.1\r\na: b" + end + b"body\r\n\r\n", RequestHead()
        for begin in range(0, len(sent), piece):
            if (found := head.add(sent[begin : begin + piece])) is not None:
                assert found[0] == b"GET / HTTP/1.1\r\na: b" + end
                assert (found[1] + sent[begin + piece :]) == b"body\r\n\r\n"
                break
        else:
            pytest.fail("not found")


@pytest.mark.parametrize("piece", [1, 1000, 2**20])
@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n" + b"a:\r\n" * LINES + b"\r\n", b"GET /" + b"a" * FIRST + b" HTTP/1.1\r\na: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: " + b"b" * HEAD + b"\r\n\r\n",
    ],
    ids=["lines", "address", "bytes"],
)  # fmt: skip
def test_a_head_that_is_too_large_is_refused_as_soon_as_it_is(sent: bytes, piece: int) -> None:
    """Before any parser sees it, whole or not."""
    head = RequestHead()

    def pour() -> None:
        for begin in range(0, len(sent), piece):
            if head.add(sent[begin : begin + piece]) is not None:
                return

    with pytest.raises(Unfit):
        pour()
