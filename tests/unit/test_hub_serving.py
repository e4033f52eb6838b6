"""How the switchboard listens."""

import asyncio
import socket

from twinpane_wire.uvicorn_server import bound


async def test_the_switchboard_does_not_wait_for_acknowledgements() -> None:
    """Small frames leave at once. They waited for the other end's delayed acknowledgement before: 40 ms for most messages of a cell."""
    seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def met(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener = bound("127.0.0.1", 0)
    async with await asyncio.start_server(met, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        assert await asyncio.wait_for(seen, 10)
        writer.close()
