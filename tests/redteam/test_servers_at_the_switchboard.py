"""A hostile researcher's server at the switchboard, through its gate's door: what it says of addresses is believed by nobody.

Before, it reached the switchboard's port from this machine's loopback, like the proxy, and so could speak in anybody's name: 32 strangers
that named a site's address ended that site's connection before its hello, again and again. It did not join in 11 s.
"""

import asyncio
import contextlib
import os
import random
import socket
import stat
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import connect, unix_connect
from websockets.exceptions import ConnectionClosed

from twinpane_hub.switchboard import local_switchboard, serving, serving_gates
from twinpane_kernel.gate import forwarder
from twinpane_site.keys import SiteKey
from twinpane_site.link import SiteLink
from twinpane_wire import messages as wire
from twinpane_wire.address import dialled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

TOKEN, KEY = "a-token-of-the-tests-of-servers", Ed25519PrivateKey.generate()
SITE = "203.0.113.5"
"""Where the proxy says that the site comes from."""
AT_ONCE, SECONDS = 64, 8.0
JOINS_S = 4.0
"""A hello waits a quarter of a second; a machine that is busy with tests takes longer."""


@dataclass
class Outside:
    """A switchboard as a hub has it: a port for the proxy and for sites, and a socket for gates."""

    port: int
    gates: Path
    proxy: int
    """A proxy's port, which names the address of who comes."""
    url: str
    """The address that sites dial: the proxy's."""


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one way."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def proxy(target: list[int]) -> AsyncIterator[int]:
    """A proxy that adds the sender's address to each request, as proxies do; gives its port."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            onward = await asyncio.open_connection("127.0.0.1", target[0])
            head = await reader.readuntil(b"\r\n\r\n")
            onward[1].write(head[:-2] + f"X-Forwarded-For: {SITE}\r\n\r\n".encode())
            await asyncio.gather(pump(reader, onward[1]), pump(onward[0], writer))

    async with await asyncio.start_server(one, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Outside]:
    target: list[int] = []
    async with proxy(target) as front:
        url, gates = f"ws://127.0.0.1:{front}", tmp_path / ("a-long-name" * 9) / "gates"
        gates.parent.mkdir()
        app = local_switchboard("p", "ana", {"a": KEY.public_key().public_bytes_raw().hex()}, TOKEN, {"a": "A"}, {dialled(url)})
        async with serving(app) as address, serving_gates(app, gates):
            target.append(int(address.rpartition(":")[2]))
            yield Outside(target[0], gates, front, url)


@contextlib.asynccontextmanager
async def door(leads: forwarder.Connect) -> AsyncIterator[int]:
    """A server's end of its gate's door; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = asyncio.create_task(forwarder.Forwarder(listener, leads, AT_ONCE).run())
    try:
        yield listener.getsockname()[1]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def strangers(port: int, address: str, until: float) -> None:
    """Connections that claim to come from the address and then say nothing, as many at once as a gate carries."""

    async def one() -> None:
        while time.monotonic() < until:
            writer = None
            with contextlib.suppress(OSError, TimeoutError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                named = address or f"203.0.113.{random.randrange(256)}"
                writer.write((
                    f"GET /agent HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-Forwarded-For: {named}\r\n\r\n"
                ).encode())  # fmt: skip
                async with asyncio.timeout(SECONDS):
                    while await reader.read(300):
                        pass
            if writer is not None:
                writer.transport.abort()

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))


@pytest.mark.parametrize("address", [SITE, "198.51.100.7", ""], ids=["the site's", "another's", "any"])
async def test_a_server_that_plays_a_site_does_not_keep_it_out(outside: Outside, address: str) -> None:
    """A server that speaks for a site's address does not keep it out. The site joins beside it as fast as alone."""
    joined: list[float] = []
    link = SiteLink(
        outside.url, "a", SiteKey(KEY), "", lambda _: joined.append(time.monotonic()), lambda _: None, lambda _: None, lambda: False
    )
    async with door(forwarder.leading_to(outside.gates)) as port:
        flood = asyncio.create_task(strangers(port, address, time.monotonic() + SECONDS))
        await asyncio.sleep(1)
        began = time.monotonic()
        running = asyncio.create_task(link.run())
        while not joined and time.monotonic() - began < JOINS_S:
            await asyncio.sleep(0.02)
        for task in (running, flood):
            task.cancel()
        await asyncio.gather(running, flood, return_exceptions=True)
    assert joined, f"not in {JOINS_S} s"


async def test_panes_of_a_server_come_in_by_its_gate_and_sites_do_not(outside: Outside) -> None:
    """The way that notebooks go works; nothing in a researcher's server can pass for a site, whatever it says or relays."""
    async with door(forwarder.leading_to(outside.gates)) as port:
        headers = {"Authorization": f"token {TOKEN}"}
        async with connect(f"ws://127.0.0.1:{port}/pane?project=p", additional_headers=headers, proxy=None) as pane:
            assert wire.decode(wire.ToPane, await pane.recv()).kind == "welcome"
        async with connect(f"ws://127.0.0.1:{port}/agent", proxy=None) as agent:
            with pytest.raises(ConnectionClosed) as ended:
                await agent.recv()
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 4003


async def test_the_gates_socket_is_the_hub_users_alone_and_made_anew(outside: Outside, tmp_path: Path) -> None:
    """The socket of the gates is the hub user's alone and is made anew.

    Nobody else on the machine connects to it, and what a switchboard that was killed left behind is no obstacle.
    """
    status = outside.gates.stat()
    assert (stat.S_ISSOCK(status.st_mode), status.st_mode & 0o777, status.st_uid) == (True, 0o600, os.geteuid())
    app = local_switchboard("p", "ana", {"a": "0" * 64}, TOKEN)
    for _ in range(2):
        async with serving_gates(app, tmp_path / "gates"), unix_connect(str(tmp_path / "gates"), "ws://h/agent"):
            assert (tmp_path / "gates").is_socket()


async def test_one_gate_has_a_bound_of_its_own(outside: Outside) -> None:
    """The system says which process connected; the connections of one crowd themselves only, whatever addresses they name."""
    async with door(forwarder.leading_to(outside.gates)) as port:
        plugs = []
        for n in range(40):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET /health HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 198.51.100.{n}\r\nX-Slow: ".encode())
            await writer.drain()
            plugs.append((reader, writer))
        await asyncio.sleep(0.5)
        assert sum(not reader.at_eof() for reader, _ in plugs) == 16
        for _, writer in plugs:
            writer.transport.abort()
