"""Accepts connections at a listening socket that somebody hostile made and still holds.

Both hold one file description: whoever shares it can make it block at any moment, or take the connection that a poll has just seen. So
accepting may wait for as long as it likes, in a thread of its own that nobody waits for.
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
    """Connections to ``listener``, each where it is asked for; the listener is this object's from now on."""

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
        """Listen no more. The thread ends by this where it can, and with this process in any case."""
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
                # Inherited from the listener, it would have the loop wait at a close until the other end has read all, if it ever does.
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
    """Have nobody send descriptors to this end of a unix socket, or to what it accepts: one that nobody takes is closed by who reads what
    it came with, and a socket of theirs may be one whose close waits. Older kernels do not know how."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)


def close_aside(sockets: Iterable[socket.socket]) -> None:
    """Close what somebody hostile handed out, without waiting for it: a socket of theirs may be one whose close waits."""

    def close() -> None:
        for each in sockets:
            each.close()

    threading.Thread(target=close, daemon=True).start()
