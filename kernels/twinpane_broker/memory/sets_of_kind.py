"""The sets of one kind of number in a decision: those released before it, and those that it admits.

A kind is the number of persons, the number of rows of some tables, or what is told of values. A reader subtracts numbers of one kind only:
a mean beside a number of persons gives no difference. So each kind has sets of its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from twinpane_broker.cells.person_sets import PersonSet, near

from .candidate_set import CandidateSet
from .differencing import is_near_several, nearest_oldest
from .memory import ADMITTED, REFUSED, Standing
from .released_sets import ReleasedSets
from .sketch import Sketch, sketch

MOST_DISTANCE = 2
"""So many times the threshold bounds every distance at which a set is near; what follows beside a stand-in is judged at that bound, or
else whether it is admitted would tell on which side of the drawn distance a set lies."""


@dataclass(frozen=True)
class Proposed:
    """A set that the caller asked about, with its canonical form. It is a copy, since the caller may change the original."""

    who: PersonSet = field(repr=False)
    fingerprint: bytes
    body: bytes = field(repr=False)

    @cached_property
    def picture(self) -> Sketch:
        """The set's picture, the same for every kind of number."""
        return sketch(self.who)


@dataclass(frozen=True)
class NewSet:
    """A set to remember."""

    proposed: Proposed
    picture: Sketch
    said: bytes = b""
    """A digest of the description under which it was released first; empty for a set that follows from several numbers."""


class SetsOfKind:
    """Used by one decision; ``close`` it at the end."""

    def __init__(self, known: ReleasedSets) -> None:
        self.known = known
        self.before = len(known)
        self._admitted: dict[int, NewSet] = {}
        self._family: set[int] = set()
        self._stand_ins: set[int] = set()

    def admits(self, proposed: Proposed, threshold: int) -> bool:
        """See ``Decision.admits``."""
        who, known = proposed.who, self.known
        number = known.number(proposed.fingerprint)
        if number in self._stand_ins or any(near(who, known.who(one), MOST_DISTANCE * threshold - 1) for one in self._stand_ins):
            return False
        if number is None:
            return self._newcomer(proposed, b"", threshold, threshold).admitted
        self._join(number)
        return True

    def place(self, proposed: Proposed, said: bytes, threshold: int, distance: int) -> Standing:
        """See ``Decision.place``."""
        number = self.known.number(proposed.fingerprint)
        if number is None:
            return self._newcomer(proposed, said, threshold, distance)
        if number in self._family or self.known.said(number) == said:
            self._join(number)
            return ADMITTED
        # A set that equals a released one is placed like one that is near it: the oldest set within its distance stands in.
        candidate = CandidateSet(proposed.who, proposed.picture, distance, self.known)
        oldest = nearest_oldest(candidate)
        return self._stood_in_by(number if oldest is None else min(oldest, number))

    def _newcomer(self, proposed: Proposed, said: bytes, threshold: int, distance: int) -> Standing:
        who, known = proposed.who, self.known
        picture, few = proposed.picture, len(who) < threshold
        if len(known):
            newcomer = CandidateSet(who, picture, distance, known)
            oldest = nearest_oldest(newcomer)
            if oldest is not None and oldest < self.before:
                return self._stood_in_by(oldest)
            newcomer = newcomer.judged_at(threshold)
            # A set of this same answer that is near has no number that could stand for the newcomer's.
            if not few and ((oldest is not None and nearest_oldest(newcomer) is not None) or is_near_several(newcomer)):
                return REFUSED
        if few:
            return REFUSED
        number = known.admit(proposed.fingerprint, picture, who, said)
        self._admitted[number] = NewSet(proposed, picture, said)
        self._join(number)
        return ADMITTED

    def _join(self, number: int) -> None:
        if number not in self._family:
            self._family.add(number)
            self.known.join(number)

    def _stood_in_by(self, number: int) -> Standing:
        self._stand_ins.add(number)
        return Standing(False, self.known.who(number), self.known.said(number))

    def instead(self, proposed: Proposed) -> None:
        """See ``Decision.instead``. Raises ValueError for a set that is not known."""
        (number,) = self.numbers([proposed])
        self._stand_ins.discard(number)
        self._join(number)

    def numbers(self, released: Iterable[Proposed]) -> tuple[int, ...]:
        """The numbers of sets that are released, each once. Raises ValueError for one that is not known."""
        found: dict[int, None] = {}
        for proposed in released:
            number = self.known.number(proposed.fingerprint)
            if number is None:
                raise ValueError(
                    f"a set of {len(proposed.who)} persons would be released that the memory was not asked about, or did not admit"
                )
            found[number] = None
        return tuple(found)

    def kept(self, used: set[int]) -> dict[int, NewSet]:
        """The admitted sets that are released, by their numbers so far; they are remembered in this order, from ``before`` on."""
        return {number: new for number, new in self._admitted.items() if number in used}

    def close(self, sets: list[NewSet], families: Iterable[tuple[int, ...]]) -> None:
        """Keep the sets that are remembered, and which of them one answer released; forget all other admitted sets."""
        # Usually every admitted set is released. If one is not, the sets after it get other numbers.
        pairs = enumerate(zip(sets, self._admitted.values(), strict=False))
        same = next((place for place, (new, one) in pairs if new is not one), len(sets))
        self.known.truncate(self.before + same)
        for new in sets[same:]:
            self.known.admit(new.proposed.fingerprint, new.picture, new.proposed.who, new.said)
        for number, new in enumerate(sets, self.before):
            self.known.settle(number, len(new.proposed.body))
        for family in families:
            if family:
                self.known.add_family(family)
