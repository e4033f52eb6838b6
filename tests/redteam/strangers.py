"""``python strangers.py PORT KIND MANY SECONDS HOST``: strangers who keep a web server of ours busy, as a process of their own.

Each connects, sends what its kind sends for as long as the server takes it, and connects again when it is cut off.
"""

import asyncio
import contextlib
import itertools
import socket
import sys
import time
from collections.abc import Iterator

UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
PLAIN = (
    "chunks", "many headers", "a long head", "a query", "cookies", "quoted cookies", "pipelined", "one by one", "new connections", "drips",
    "bodies",
)  # fmt: skip
"""Kinds for what speaks HTTP."""
SOCKETS = ("handshakes", "pings", "pongs", "fragments")
"""Kinds for what speaks WebSocket as well."""


def frame(first: int) -> bytes:
    """An empty frame, masked with zeros."""
    return bytes([first, 0x80, 0, 0, 0, 0])


def words(kind: str, host: str) -> Iterator[bytes]:
    """What one connection says, piece by piece; after an empty piece it waits for an answer."""
    get, socket_ = f"GET /health HTTP/1.1\r\nHost: {host}\r\n", f"GET /agent HTTP/1.1\r\nHost: {host}\r\n{UPGRADE}\r\n".encode()
    whole = f"{get}\r\n".encode()
    match kind:
        case "chunks":
            yield f"POST /health HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            yield from itertools.repeat(b"1\r\nx\r\n" * 10_000)
        case "many headers":
            yield from itertools.cycle([(get + "a:\r\n" * 3900 + "\r\n").encode(), b""])
        case "a long head":
            yield from [(get + "a:\r\n" * 50_000 + "\r\n").encode(), b""]
        case "a query":
            yield from itertools.cycle([f"GET /agent?{'a&' * 7900} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), b""])
        case "cookies":
            yield from itertools.cycle([f"{get}Cookie: {'a;' * 7900}\r\n\r\n".encode(), b""])
        case "quoted cookies":
            quoted = '"' + "\\" * 15_000 + '"'
            yield from itertools.cycle([f"GET / HTTP/1.1\r\nHost: {host}\r\nCookie: session={quoted}\r\n\r\n".encode(), b""])
        case "pipelined":
            yield from itertools.repeat(whole * 1000)
        case "one by one":
            yield from itertools.cycle([whole, b""])
        case "new connections":
            yield from [whole, b""]
        case "drips":
            yield from (bytes([byte]) for byte in f"{get}X-Slow: {'s' * 10_000}".encode())
        case "bodies":
            yield f"POST /health HTTP/1.1\r\nHost: {host}\r\nContent-Length: 60000\r\n\r\n".encode()
            yield from itertools.repeat(b"x", 59_999)
        case "handshakes":
            yield from [socket_, b""]
        case "pings" | "pongs" | "fragments":
            first, more = {"pings": (0x89, 0x89), "pongs": (0x8A, 0x8A), "fragments": (0x01, 0x00)}[kind]
            yield from [socket_, b"", frame(first)]
            yield from itertools.repeat(frame(more) * 5000)
        case _:
            raise ValueError(kind)


async def one(port: int, kind: str, host: str) -> None:
    """A stranger's one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for piece in words(kind, host):
            if not piece:
                if not await asyncio.wait_for(reader.read(65536), 20):
                    return
                continue
            writer.write(piece)
            await asyncio.wait_for(writer.drain(), 20)
            if reader.at_eof() or writer.is_closing():
                return
            if len(piece) == 1:
                await asyncio.sleep(0)
    finally:
        writer.transport.abort()


async def stranger(port: int, kind: str, host: str, until: float) -> None:
    """Connections, one after the other."""
    while time.monotonic() < until:
        with contextlib.suppress(OSError, TimeoutError):
            await one(port, kind, host)


async def main(port: int, kind: str, many: int, seconds: float, host: str) -> None:
    """All of them, until the time is over."""
    until = time.monotonic() + seconds
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds + 1):
            await asyncio.gather(*(stranger(port, kind, host, until) for _ in range(many)))


async def waits(port: int, kind: str, many: int, seconds: float, host: str) -> list[float]:
    """Seconds that honest requests take beside so many strangers of a kind."""
    command = [sys.executable, __file__, str(port), kind, str(many), str(seconds + 1), host]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        await asyncio.sleep(1)
        took, until = [], time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = await asyncio.wait_for(reader.read(100), 30)
            took.append(time.monotonic() - began if answer else 30.0)
            writer.close()
            await asyncio.sleep(0.05)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return took


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]))
