"""The known person sets, with which a new one is compared: all released sets, and those admitted in the decision under way."""

from collections import OrderedDict
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from twinpane_broker.cells.person_sets import PersonSet

from .row_space import RowSpace
from .sketch import Sketch
from .sketch_index import SketchIndex

ROOM = 256 << 20
"""Bytes of exact sets that are kept at hand, by default."""


class ReleasedSets:
    """Sets by number (0, 1, …, in the order in which they came), their pictures, and which of them one answer released together.

    All pictures are in memory. The sets themselves are in memory as far as there is room; ``fetch(number)`` gives the others, and
    raises if it cannot.
    """

    def __init__(self, fetch: Callable[[int], bytes], room: int = ROOM) -> None:
        self.shelf = SketchIndex()
        self._row_space: RowSpace | None = None
        self._fetch = fetch
        self._room = room
        self._taken = 0
        self._numbers: dict[bytes, int] = {}
        self._prints: list[bytes] = []
        self._said: list[bytes] = []
        # No cache of cachetools: this class goes through pairs of sets, and each look-up would take three times as long.
        self._at_hand: OrderedDict[int, tuple[PersonSet, int]] = OrderedDict()
        self._admitted: dict[int, PersonSet] = {}
        self._families = np.zeros(256, np.int64)
        self._members = np.zeros(256, np.int64)
        self._memberships = 0
        self._settled = 0
        self.families = 0

    def __len__(self) -> int:
        return len(self._prints)

    @property
    def memberships(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which answers (first array) released which sets (second): one entry for each set of each answer, the one under way too."""
        return self._families[: self._memberships], self._members[: self._memberships]

    def number(self, fingerprint: bytes) -> int | None:
        """The number of the set with that fingerprint, or None if it is not known."""
        return self._numbers.get(fingerprint)

    def who(self, number: int) -> PersonSet:
        """The set itself. Do not change it."""
        number = int(number)
        if number in self._admitted:
            return self._admitted[number]
        if number in self._at_hand:
            self._at_hand.move_to_end(number)
            return self._at_hand[number][0]
        body = self._fetch(number)
        who = PersonSet.deserialize(body)
        self._keep(number, who, len(body))
        return who

    def said(self, number: int) -> bytes:
        """A digest of the description under which a set was released first; empty where there is none."""
        return self._said[number]

    def add(self, fingerprint: bytes, picture: Sketch, said: bytes = b"") -> int:
        """Add a set that ``fetch`` can give; returns its number."""
        number = len(self._prints)
        self.shelf.add(picture)
        self._prints.append(fingerprint)
        self._said.append(said)
        self._numbers[fingerprint] = number
        return number

    def admit(self, fingerprint: bytes, picture: Sketch, who: PersonSet, said: bytes = b"") -> int:
        """Add a set that nothing can fetch yet. ``truncate`` takes it back when its decision ends."""
        number = self.add(fingerprint, picture, said)
        self._admitted[number] = who
        return number

    def settle(self, number: int, length: int) -> None:
        """From now on ``fetch`` can give an admitted set; ``length`` is that of its bytes."""
        self._keep(number, self._admitted.pop(number), length)

    @property
    def row_space(self) -> RowSpace:
        """What exact numbers about all sets tell together. It costs nothing until it is asked for."""
        if self._row_space is None:
            self._row_space = RowSpace()
        self._row_space.follow(self.who, len(self))
        return self._row_space

    def add_family(self, numbers: Iterable[int]) -> None:
        """Sets that one answer released together. The answer under way has ended."""
        self._memberships = self._settled
        self._add_members(sorted(set(numbers)))
        self._settled = self._memberships
        self.families += 1

    def join(self, number: int) -> None:
        """A set of the answer under way, which joined none before."""
        self._add_members([number])

    def _add_members(self, together: list[int]) -> None:
        end = self._memberships + len(together)
        while end > len(self._members):
            self._families = np.concatenate([self._families, np.zeros_like(self._families)])
            self._members = np.concatenate([self._members, np.zeros_like(self._members)])
        self._families[self._memberships : end] = self.families
        self._members[self._memberships : end] = together
        self._memberships = end

    def truncate(self, size: int) -> None:
        """Forget all but the first ``size`` sets, and which sets the answer under way has. Only for sets that are in no family."""
        self._memberships = self._settled
        for number in range(size, len(self._prints)):
            del self._numbers[self._prints[number]]
            self._admitted.pop(number, None)
            _, length = self._at_hand.pop(number, (None, 0))
            self._taken -= length
        del self._prints[size:]
        del self._said[size:]
        self.shelf.truncate(size)
        if self._row_space is not None:
            self._row_space.truncate(size)

    def _keep(self, number: int, who: PersonSet, length: int) -> None:
        self._at_hand[number] = (who, length)
        self._taken += length
        while self._taken > self._room and len(self._at_hand) > 1:
            _, (_, gone) = self._at_hand.popitem(last=False)
            self._taken -= gone
