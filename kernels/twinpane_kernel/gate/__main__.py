"""``python -I -m twinpane_kernel.gate``: see the package."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twinpane_sandbox.errors import SandboxError
from twinpane_sandbox.host import survey
from twinpane_sandbox.server_sandbox import PACKAGES, ServerBox
from twinpane_wire.log_limiter import limit_log

from . import settings
from .forwarder import Forwarder, leading_to, unix
from .gate_folder import GateFolder
from .kernel_launcher import Launcher, Places
from .server_log import ServerLog, to_log
from .server_process import ServerProcess, start
from .settings import GateSettings

log = logging.getLogger(__name__)

INWARD, OUTWARD = 256, 64
"""Connections at a time to the server, and from it to each port that it may reach."""
GRACE = {signal.SIGINT: 4.0, signal.SIGTERM: 1.0}
"""Seconds that the server has to end by itself, by the signal that asks for it."""


async def run(given: GateSettings, environment: Mapping[str, str]) -> int:
    """Serve until the server ends or a signal asks for it; returns the exit status. Raises OSError, SandboxError."""
    asked: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def ask(seconds: float) -> None:
        if not asked.done():
            asked.set_result(seconds)

    for number, seconds in GRACE.items():
        asyncio.get_running_loop().add_signal_handler(number, ask, seconds)
    place = GateFolder(given.server)
    try:
        with socket.create_server(("127.0.0.1", given.port), backlog=128) as inward:
            launcher = Launcher(Places(given.workspace, given.server, place.sockets, place.data, given.owner), survey(), given.kernels)
            box = ServerBox(workspace=given.workspace, server=given.server, sockets=place.sockets, owner=given.owner)
            server = start(box, survey(PACKAGES), environment, place.http, tuple(port for port, _ in given.reach))
            try:
                return await _serve(server, launcher, Forwarder(inward, unix(str(place.http)), INWARD), given, asked)
            finally:
                await asyncio.to_thread(server.close)
    finally:
        place.remove()


async def _serve(server: ServerProcess, launcher: Launcher, inward: Forwarder, given: GateSettings, asked: "asyncio.Future[float]") -> int:
    """Carry bytes and launch kernels until the end; then end everything that was started."""
    tasks = [asyncio.create_task(work) for work in (launcher.run(), inward.run(), _outward(server, [target for _, target in given.reach]))]
    server.listen(ServerLog(given.name, to_log).hear)
    ended = asyncio.create_task(server.ended())
    try:
        either: tuple[asyncio.Future[Any], ...] = (ended, asked)
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            server.ask_to_end()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(ended), asked.result())
        return server.process.poll() or 0
    finally:
        for task in (*tasks, ended):
            task.cancel()
        await asyncio.gather(*tasks, ended, return_exceptions=True)


async def _outward(server: ServerProcess, reach: Sequence[int | Path]) -> None:
    """The forwarders to the addresses that the server may reach, once the server has made its ends of them."""
    try:
        listeners = await server.listeners(len(reach))
    except (OSError, TimeoutError) as error:
        log.warning("the server reaches nothing: %s", error or "it handed out no sockets")
        return
    forwarders = (Forwarder(listener, leading_to(target), OUTWARD, theirs=True) for listener, target in zip(listeners, reach, strict=True))
    await asyncio.gather(*(each.run() for each in forwarders))


def main() -> int:
    """Run the gate as the spawner's environment says."""
    logging.basicConfig(level=logging.INFO, format="twinpane gate: %(message)s")
    limit_log()  # a server can have a line written by each connection to the launcher
    os.umask(0o077)
    try:
        return asyncio.run(run(*settings.read(os.environ)))
    except (SandboxError, ValueError, OSError) as error:
        print(f"The server cannot start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
