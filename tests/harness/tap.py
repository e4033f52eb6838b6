"""A recorder on a site's link: a WebSocket relay between agent and switchboard that keeps every message, both ways."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

LIMIT = 64 * 2**20


@dataclass
class Tap:
    """What crossed. ``cut`` closes every connection, as a broken network would; agents dial again."""

    out: list[str] = field(default_factory=list)
    """Frames from the agent, in order: what leaves the site."""
    into: list[str] = field(default_factory=list)
    """Frames to the agent."""
    _open: set[ServerConnection] = field(default_factory=set)
    closed: bool = False
    """While set, nobody gets through."""

    async def cut(self) -> None:
        """Break every connection."""
        for connection in list(self._open):
            await connection.close()


@contextlib.asynccontextmanager
async def tapped(url: str) -> AsyncIterator[tuple[str, Tap]]:
    """Relay to the switchboard at ``url`` while the block runs; gives the address for the agent, and the tap."""
    tap = Tap()

    async def relay(agent: ServerConnection) -> None:
        if tap.closed:
            await agent.close()
            return
        tap._open.add(agent)
        try:
            path = agent.request.path if agent.request else "/agent"
            async with connect(url + path, max_size=LIMIT, compression=None, proxy=None) as board:
                pumps = [
                    asyncio.create_task(_pump(agent, board, tap.out)),
                    asyncio.create_task(_pump(board, agent, tap.into)),
                ]
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            return
        finally:
            tap._open.discard(agent)

    async with serve(relay, "127.0.0.1", 0, max_size=LIMIT, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}", tap


async def _pump(source, sink, kept: list[str]) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for frame in source:
            kept.append(frame if isinstance(frame, str) else frame.decode())
            await sink.send(frame)
