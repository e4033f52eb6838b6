"""A federation for tests that are not async: it lives on an event loop in a thread of its own."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from .federation import Federation, federation


@contextlib.contextmanager
def background_federation(folders: Mapping[str, Path]) -> Iterator[Federation]:
    """Run these sites while the block runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    running = federation(folders)
    try:
        yield asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result(120)
    finally:
        asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
