"""An open store: the facts of a frozen snapshot, its index, and the person sets that earlier questions worked out."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from twinpane_broker.cells.person_sets import PersonSet, memory_of
from twinpane_broker.evidence.cache import Cache
from twinpane_broker.evidence.evidence import Evidence

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


class Kept(Cache[Mapping[Any, PersonSet]]):
    """A cache of the person sets worked out last, by name."""

    def __init__(self, most_bytes: int = 256 << 20) -> None:
        super().__init__(most_bytes, lambda sets: sum(map(memory_of, sets.values())))

    def one(self, name: Hashable, make: Callable[[], PersonSet]) -> PersonSet:
        """The person set of that name; makes it if it is not known."""
        return self.get(name, lambda: {0: make()})[0]


@dataclass(frozen=True)
class Store:
    """The facts of a snapshot, its person-set index, and what questions worked out before."""

    facts: Facts
    index: CodeSets
    kept: Kept = field(default_factory=Kept, repr=False)
    evidence: Cache[Evidence] = field(default_factory=lambda: Cache(64 << 20, lambda evidence: evidence.memory), repr=False)
    """Of questions that recur (``ResolvedPlan.recurs``), up to so many bytes of sets."""
