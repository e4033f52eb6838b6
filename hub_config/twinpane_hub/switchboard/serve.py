"""Running the switchboard: inside an asyncio program (``serving``), or as a process of its own (``python -m twinpane_hub.switchboard``)."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn

from twinpane_wire import limits


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program that we run in."""
        yield


def config_of(app: Any, **more: Any) -> uvicorn.Config:
    """How the switchboard is served: the link's frame limit, no compression (its effect on sizes would tell of contents), pings."""
    return uvicorn.Config(
        app, ws="websockets-sansio", ws_max_size=limits.FRAME + 4096, ws_per_message_deflate=False, ws_ping_interval=20, ws_ping_timeout=60,
        lifespan="off", access_log=False, server_header=False, log_config=None, timeout_graceful_shutdown=2, **more,
    )


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
async def serving(app: Any, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve the application while the block runs; gives its base address, ``ws://host:port``."""
    listener = bound(host, port)
    server = _Server(config_of(app))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the switchboard did not start")
            await asyncio.sleep(0.01)
        shown = f"[{host}]" if ":" in host else host
        yield f"ws://{shown}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
        listener.close()
