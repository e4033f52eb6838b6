"""Makes requests readable, one at a time. Each has its own worker in a sandbox, which is ended at a deadline.

The agent hands over descriptors and gets back items, bounded in number and size. It parses none of them.
"""

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twinpane_site.exports import Asked, Source
from twinpane_site.parts import sandboxed_part
from twinpane_site.parts.fork_server import ForkServer
from twinpane_site.parts.port import Port, PortError

from .item_pairs import MOST_BYTES, ItemPairs, NotItemPairs, unpack

log = logging.getLogger(__name__)

PROGRAM = "twinpane_review.item_worker"


@dataclass(frozen=True)
class Limits:
    """Of one worker, which makes one request: ``cpu_s`` seconds of processor time, ``memory`` bytes, ``wall_s`` seconds in all."""

    cpu_s: int = 60
    memory: int = 1536 * 2**20
    wall_s: float = 600
    """Long, as a busy machine may give it little time; it bounds hangs."""

    def rlimits(self) -> dict[str, int]:
        """As the fork sets them before it becomes the worker."""
        return {
            "RLIMIT_CPU": self.cpu_s, "RLIMIT_DATA": self.memory, "RLIMIT_AS": 4 * self.memory, "RLIMIT_FSIZE": MOST_BYTES,
            "RLIMIT_NOFILE": 64, "RLIMIT_CORE": 0,
        }  # fmt: skip


class WorkerRunner:
    """Open it in the main thread: workers end with the thread that did."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._fork_server = ForkServer(sandboxed_part.MODULE)
        self._one = asyncio.Lock()

    def close(self) -> None:
        """End the worker at work, and who would start others."""
        self._fork_server.close()

    async def make(self, asked: Asked) -> Mapping[int, ItemPairs]:
        """The result for each asked item, by its index. A result is missing if the worker died or was ended before it."""
        made: dict[int, ItemPairs] = {}
        async with self._one:
            try:
                pid, port = await self._worker()
            except (OSError, PortError) as error:
                log.error("request %s was not made readable: there is no worker: %s", asked.ask.request, error)
                return made
            sources = asked.sources()
            try:
                async with asyncio.timeout(self._limits.wall_s):
                    await self._converse(port, asked, sources, made)
            except (TimeoutError, PortError, NotItemPairs, OSError) as error:
                log.error("request %s was not made readable to its end: %s", asked.ask.request, error or "its time was over")
            finally:
                for source in sources:
                    source.close()
                self._fork_server.kill(pid)
                port.close()
        return made

    async def _worker(self) -> tuple[int, Port]:
        try:
            return await self._forked()
        except (OSError, PortError):
            self._fork_server.close()
            self._fork_server = ForkServer(sandboxed_part.MODULE)
            return await self._forked()

    async def _forked(self) -> tuple[int, Port]:
        """Fork in a thread. A fork may be refused for now and is tried again and again; the agent's loop must not wait for it."""
        fork = asyncio.create_task(
            asyncio.to_thread(self._fork_server.fork, sandboxed_part.MODULE, {"program": PROGRAM}, limits=self._limits.rlimits())
        )
        try:
            pid, end = await asyncio.shield(fork)
        except asyncio.CancelledError:
            fork.add_done_callback(_left)
            raise
        return pid, Port(end)

    async def _converse(self, port: Port, asked: Asked, sources: Sequence[Source], made: dict[int, ItemPairs]) -> None:
        await port.send_bulk({}, asked.message())
        for index, source in enumerate(sources):
            head = {"index": index, "kind": source.kind.value, "sha256": source.sha256, "bytes": source.bytes}
            await port.send(head, [] if source.descriptor is None else [source.descriptor])
            frame = await port.receive()
            if frame is None:
                raise OSError("its worker ended")
            made[index] = unpack(frame.bulk(MOST_BYTES))


def _left(fork: "asyncio.Task[tuple[int, socket.socket]]") -> None:
    """Close the port of a worker that came too late; the worker ends with it."""
    if not fork.cancelled() and fork.exception() is None:
        fork.result()[1].close()
