"""Accepts connections at a listening socket that a hostile process made and still holds.

Both processes share one file description. The other one can make it block at any moment, or take the connection that a poll has just seen.
So accepting may block for any time; it runs in its own thread, and nobody waits for that thread.
"""

import asyncio
import contextlib
import queue
import select
import socket
import struct
import threading
from collections.abc import Iterable

NO_LINGER = struct.pack("ii", 0, 0)
SO_PASSRIGHTS = 83
"""Linux's option from 6.16 on: <asm-generic/socket.h>."""


class Acceptor:
    """Gives the connections to ``listener``, one for each call. The listener belongs to this object from now on."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._wanted: queue.SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Future[socket.socket]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="accepting", daemon=True).start()

    async def accept(self) -> socket.socket:
        """The next connection, which nobody else holds; raises OSError."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[socket.socket] = loop.create_future()
        self._wanted.put((loop, waiting))
        return await waiting

    def close(self) -> None:
        """Stop listening. This ends the thread if it can; in any case the thread ends with this process."""
        self._wanted.put(None)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            loop, waiting = wanted
            try:
                found: socket.socket | OSError = self._accepted()
            except OSError as error:
                found = error
            try:
                loop.call_soon_threadsafe(_settle, waiting, found)
            except RuntimeError:  # the loop is closed
                break
        self._listener.close()

    def _accepted(self) -> socket.socket:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        while True:
            poll.poll()
            with contextlib.suppress(BlockingIOError):
                connection, _ = self._listener.accept()
                # With the listener's option, a close would make the loop wait until the other end has read everything, if it ever does.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                return connection


def _settle(waiting: "asyncio.Future[socket.socket]", found: socket.socket | OSError) -> None:
    if waiting.done():
        if isinstance(found, socket.socket):
            found.close()
    elif isinstance(found, OSError):
        waiting.set_exception(found)
    else:
        waiting.set_result(found)


def refuse_descriptors(end: socket.socket) -> None:
    """Refuse descriptors at this end of a unix socket, and at the connections that it accepts. Older kernels cannot do this.

    Otherwise the process that reads a message closes its unwanted descriptors, and closing a hostile socket may block.
    """
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)


def close_aside(sockets: Iterable[socket.socket]) -> None:
    """Close descriptors from a hostile process without waiting: closing one of its sockets may block."""

    def close() -> None:
        for each in sockets:
            each.close()

    threading.Thread(target=close, daemon=True).start()
