"""The space of the disk that a site's folder lies on: one guard for every store.

The sizes of some stores depend on rows (held outputs, items for review). These leave free what the policy says *and* all that the inbox
may still take. The limit of the inbox depends only on messages from outside (``inbox_quota``). So whether a message is taken in tells
nothing about the inside.
"""

import os
from collections.abc import Callable
from pathlib import Path

from .errors import StoreError


def free_bytes(folder: Path) -> int:
    """Bytes that the disk of a folder still takes."""
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


class DiskSpace:
    """The guard of one site folder. ``free`` gives the disk's free bytes; tests pass their own."""

    def __init__(self, folder: Path, keep_free: int = 0, free: Callable[[Path], int] = free_bytes) -> None:
        self.keep_free = keep_free
        self._folder = folder
        self._free = free
        self._promised: Callable[[], int] = lambda: 0

    def promise(self, promised: Callable[[], int]) -> None:
        """Promise bytes that nobody else may take. ``promised`` is called each time."""
        self._promised = promised

    def floor(self) -> int:
        """Bytes to leave free when writing anything that inside kernels made."""
        return self.keep_free + self._promised()

    def left(self) -> int:
        """Bytes that are free and not promised."""
        return self._free(self._folder) - self._promised()

    def check(self, size: int) -> None:
        """Raise StoreError if so many more bytes would use space that must stay free."""
        if self.left() - size < self.keep_free:
            raise StoreError(
                f"The disk of {self._folder} is full but for what is kept free and what the inbox may still take. Free some space, "
                "or lower [held] keep_free_mb or [session] inbox_site_mb in policy.toml."
            )
