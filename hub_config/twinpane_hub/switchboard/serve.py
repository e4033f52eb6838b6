"""Run the switchboard inside an asyncio program (``serving``), or as its own process (``python -m twinpane_hub.switchboard``)."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from starlette.types import ASGIApp

from twinpane_ground import limits
from twinpane_wire import uvicorn_server
from twinpane_wire.connection_limiter import LOOPBACK, Bounds

BOUNDS = Bounds(connections=4096, strangers=384, each=32, through=256, seconds=15)
"""For panes and sites. A newcomer has ``Timing.hello`` seconds to say who it is, and a few more to receive the refusal."""
GATES = Bounds(connections=2048, strangers=256, each=16, seconds=15)
"""For panes of researchers' servers. A server's gate is one address and carries 64 connections at most."""


def config_of(app: ASGIApp, bounds: Bounds, proxies: Iterable[str], beside: Bounds) -> uvicorn_server.Guarded:
    """How the switchboard is served: the link's frame limit, pings, and no compression, because compressed sizes depend on contents."""
    return uvicorn_server.Guarded(
        app, bounds, proxies, sockets=True, beside=beside.connections, ws_max_size=limits.FRAME + 4096,
        ws_per_message_deflate=False, ws_ping_interval=20, ws_ping_timeout=60,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, host: str = "127.0.0.1", port: int = 0, bounds: Bounds = BOUNDS, proxies: Iterable[str] = LOOPBACK
) -> AsyncIterator[str]:
    """Serve the application while the block runs; gives its base address, ``ws://host:port``."""
    async with uvicorn_server.serving(config_of(app, bounds, proxies, GATES), host, port) as address:
        yield f"ws://{address}"


@contextlib.asynccontextmanager
async def serving_gates(app: ASGIApp, path: Path, bounds: Bounds = GATES) -> AsyncIterator[None]:
    """Serve the application to the gates of researchers' servers while the block runs, at a unix socket that only this user reaches.

    The system says which gate a connection comes from. Each gate counts as one address and crowds nobody who dials in from elsewhere.
    """
    async with uvicorn_server.serving_on(config_of(app, bounds, (), BOUNDS), uvicorn_server.bound_at(path)):
        yield
