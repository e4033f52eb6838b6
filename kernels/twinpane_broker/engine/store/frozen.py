"""An open store: the facts of a frozen snapshot, its index, and the person sets that earlier questions worked out."""

import contextlib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol

from cachetools import LRUCache

from twinpane_broker.cells.person_sets import PersonSet, memory_of

from .facts import Facts


class CodeSets(Protocol):
    """Gives the persons who hold a code; ``index.Index`` is an implementation. The sets are shared: never change one, make new ones."""

    def code(self, table: str, column: str, code: int | None) -> PersonSet:
        """The persons with a row that holds the code of that index. -1 stands for values that are not approved, None for missing ones."""
        ...

    def unlisted(self, table: str, column: str) -> frozenset[int]:
        """The numbers of the codes that somebody holds without their being approved (``layout.unlisted_number``)."""
        ...

    def present(self, table: str) -> PersonSet:
        """The persons with a row in the table."""
        ...


class Kept:
    """A cache of the person sets worked out last, by name. The snapshot is frozen, so they never change. Safe to use from many threads."""

    def __init__(self, most_bytes: int = 256 << 20) -> None:
        self._things: LRUCache[Hashable, Mapping[Any, PersonSet]] = LRUCache(most_bytes, lambda sets: sum(map(memory_of, sets.values())))
        self._lock = Lock()

    def sets(self, name: Hashable, make: Callable[[], Mapping[Any, PersonSet]]) -> Mapping[Any, PersonSet]:
        """The person sets of that name; makes them if they are not known."""
        with self._lock:
            if name in self._things:
                return self._things[name]
        # Make them without the lock: two threads may make the same sets, but none waits for another's question.
        made = make()
        with self._lock, contextlib.suppress(ValueError):  # larger than all there is room for
            return self._things.setdefault(name, made)
        return made

    def one(self, name: Hashable, make: Callable[[], PersonSet]) -> PersonSet:
        """The person set of that name; makes it if it is not known."""
        return self.sets(name, lambda: {0: make()})[0]


@dataclass(frozen=True)
class Store:
    """The facts of a snapshot, its person-set index, and what questions worked out before."""

    facts: Facts
    index: CodeSets
    kept: Kept = field(default_factory=Kept, repr=False)
