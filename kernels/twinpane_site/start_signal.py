"""When inside kernels may start on a machine that holds both sides: in ``twinpane run --sites``, not while a clear kernel lives."""

import asyncio
import logging
import os
import threading

log = logging.getLogger(__name__)

WORD = b"run\n"
"""The line that the parent writes once the clear run of the whole notebook is over and recorded."""


def start_signal(descriptor: int = 0) -> asyncio.Event:
    """An event of this loop that is set when the parent writes ``WORD`` into ``descriptor``; its end, or any other word, never sets it.

    The parent alone holds the other end: neither the link nor a notebook can give the word.
    """
    may_start, loop = asyncio.Event(), asyncio.get_running_loop()
    # Use a thread that may be abandoned: waiting on the descriptor would keep a pool's thread, and so the process, from ending.
    threading.Thread(target=_wait, args=(descriptor, may_start, loop), name="start signal", daemon=True).start()
    return may_start


def _wait(descriptor: int, may_start: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    said = b""
    while len(said) < len(WORD) and (more := _read(descriptor, len(WORD) - len(said))):
        said += more
    if said != WORD:
        log.warning("the process that started this site did not say that cells may run; none will")
        return
    if not loop.is_closed():
        loop.call_soon_threadsafe(may_start.set)


def _read(descriptor: int, size: int) -> bytes:
    try:
        return os.read(descriptor, size)
    except OSError:
        return b""
