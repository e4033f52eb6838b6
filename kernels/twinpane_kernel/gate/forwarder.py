"""Carries bytes between a listening socket and one fixed address, both ways, without looking at them.

It is bounded in every direction: in connections at a time (others wait to be accepted), and in bytes between the two ends of each.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from .acceptor import Acceptor, refuse_descriptors

BUFFER = 256 * 1024
"""Bytes that wait for a slow end, from which on the quick one is not read any more."""
PATIENCE = 10.0
"""Seconds to reach the other side."""
SOURCE = "127.0.0.2"
"""The address that connections to this machine's ports come from: loopback as well, and no proxy's, so what a server says of forwarded
addresses is believed by nobody."""
PAUSE = 0.1
"""Seconds to wait where nothing more can be accepted for now."""

Connect = Callable[[Callable[[], asyncio.Protocol]], Awaitable[object]]


class End(asyncio.Protocol):
    """One of two joined connections."""

    def __init__(self) -> None:
        self.other: End | None = None
        self.transport: asyncio.Transport | None = None
        self.lost = asyncio.get_running_loop().create_future()
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Stop reading until both ends are there; only bytes already under way may arrive."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=BUFFER)
        transport.pause_reading()

    def join(self, other: "End") -> None:
        """Pass on to the other end from now on, first what came before it was there."""
        assert self.transport is not None
        assert other.transport is not None
        self.other = other
        for data in self._early:
            other.transport.write(data)
        self._early.clear()
        self.transport.resume_reading()
        if self.lost.done():
            other.transport.close()

    def data_received(self, data: bytes) -> None:
        """Pass on the bytes, or keep them: before Python 3.12, asyncio begins to read a new connection even if it is paused."""
        if self.other is None:
            self._early.append(data)
            assert self.transport is not None
            self.transport.resume_reading()  # as far as it knows, it is paused; only so does it stop
            self.transport.pause_reading()
        elif self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Close an end that sends no more, and the other end once it has received everything. No half-open connection remains."""
        return False

    def pause_writing(self) -> None:
        """This end is slow: the other is not read."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """This end has caught up."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """Both end together."""
        if not self.lost.done():
            self.lost.set_result(None)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class Forwarder:
    """Joins each connection to ``listener`` with a new one that ``connect`` makes, at most ``most`` at a time.

    ``theirs``: somebody hostile made the listener and may hold it still.
    """

    def __init__(self, listener: socket.socket, connect: Connect, most: int, theirs: bool = False) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._accepting = Acceptor(listener) if theirs else None
        self._connect = connect
        self._room = asyncio.Semaphore(most)
        self._open: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until cancelled, or until the listener listens no more."""
        try:
            while True:
                await self._room.acquire()
                try:
                    connection = await self._accepted()
                except OSError:
                    self._room.release()
                    if not listens(self._listener):
                        return
                    await asyncio.sleep(PAUSE)
                    continue
                task = asyncio.create_task(self._join(connection))
                self._open.add(task)
                task.add_done_callback(self._left)
        finally:
            for task in self._open:
                task.cancel()
            if self._accepting is None:
                self._listener.close()
            else:
                self._accepting.close()

    async def _accepted(self) -> socket.socket:
        if self._accepting is not None:
            return await self._accepting.accept()
        connection, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        return connection

    def _left(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        self._room.release()

    async def _join(self, connection: socket.socket) -> None:
        near, far = End(), End()
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: near, connection)
            await asyncio.wait_for(self._connect(lambda: far), PATIENCE)
            near.join(far)
            far.join(near)
            await asyncio.wait([near.lost, far.lost])
        except (OSError, TimeoutError):
            return
        finally:
            for end in (near, far):
                if end.transport is not None:
                    end.transport.abort()


def tcp(port: int) -> Connect:
    """Connections to a port of this machine's loopback."""

    async def connect(protocol: Callable[[], asyncio.Protocol]) -> object:
        return await asyncio.get_running_loop().create_connection(protocol, "127.0.0.1", port, local_addr=(SOURCE, 0))

    return connect


def unix(path: str) -> Connect:
    """Connections to a unix socket that carries bytes and nothing else."""

    async def connect(protocol: Callable[[], asyncio.Protocol]) -> object:
        loop, end = asyncio.get_running_loop(), socket.socket(socket.AF_UNIX)
        folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            end.setblocking(False)
            refuse_descriptors(end)
            # By a descriptor: the folder's own name may be longer than a socket's address.
            await loop.sock_connect(end, f"/proc/self/fd/{folder}/{os.path.basename(path)}")
            return await loop.create_unix_connection(protocol, sock=end)
        except BaseException:
            end.close()
            raise
        finally:
            os.close(folder)

    return connect


def leading_to(target: int | Path) -> Connect:
    """Connections to a port of this machine's loopback, or to a unix socket."""
    return unix(str(target)) if isinstance(target, Path) else tcp(target)


def listens(found: socket.socket) -> bool:
    """Whether it is a TCP socket of the internet's fourth version, or a unix socket, that listens."""
    with contextlib.suppress(OSError):
        kind = found.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN), found.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
        plain = kind in ((socket.AF_INET, socket.SOCK_STREAM), (socket.AF_UNIX, socket.SOCK_STREAM))
        return plain and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    return False
