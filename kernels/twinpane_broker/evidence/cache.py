"""What was worked out last of a frozen snapshot, as far as there is room. It never changes, so it is kept as it is."""

import contextlib
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache

Thing = TypeVar("Thing")


class Cache(Generic[Thing]):
    """Things by name. Safe to use from many threads."""

    def __init__(self, most_bytes: int, size: Callable[[Thing], int]) -> None:
        self._things: LRUCache[Hashable, Thing] = LRUCache(most_bytes, size)
        self._lock = Lock()

    def get(self, name: Hashable, make: Callable[[], Thing]) -> Thing:
        """The thing of that name; makes it if it is not known."""
        with self._lock:
            if name in self._things:
                return self._things[name]
        # Make it without the lock: two threads may make the same thing, but none waits for another's question.
        made = make()
        with self._lock, contextlib.suppress(ValueError):  # larger than all there is room for
            return self._things.setdefault(name, made)
        return made
