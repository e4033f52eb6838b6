"""The sets of one kind of number in a decision: those released before it, and those that it admits.

A kind is the number of persons, the number of rows of some tables, or what is told of values. A reader subtracts numbers of one kind only:
a mean beside a number of persons gives no difference. So each kind has sets of its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from twinpane_broker.cells.person_sets import PersonSet

from .candidate_set import CandidateSet
from .differencing import SumOfSets, alike, nearest_oldest, sums_near
from .memory import ADMITTED, AS_FEW, NO_TOTALS, REFUSED, StandIn, Standing, Totals
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
class Named:
    """How a question describes a set, see ``Decision.place``."""

    said: bytes
    distance: int
    totals: Totals = NO_TOTALS


@dataclass(frozen=True)
class NewSet:
    """A set to remember."""

    proposed: Proposed
    picture: Sketch
    said: bytes = b""
    """A digest of the description under which it was released first; empty for a set that follows from several numbers."""


class SetsOfKind:
    """Used by one decision; ``close`` it at the end."""

    def __init__(self, known: ReleasedSets, exact: bool, *, adds_up: bool = True) -> None:
        """``exact``: whether numbers are shown as they are, so that all of them together are looked at too.

        ``adds_up``: whether a reader can add and subtract numbers of this kind.
        """
        self.known = known
        self._exact = exact and adds_up
        self._adds_up = adds_up
        self.before = len(known)
        self._admitted: dict[int, NewSet] = {}
        self._family: set[int] = set()
        self._is_first = True
        self._whole: int | None = None
        """All persons of the question, if their number is their own: it leaves with any answer, whatever else is suppressed."""
        self._stand_ins: list[PersonSet] = []

    def admits(self, proposed: Proposed, named: Named, threshold: int) -> bool:
        """See ``Decision.admits``."""
        who, known = proposed.who, self.known
        if any(alike(who, one, MOST_DISTANCE * threshold - 1) for one in self._stand_ins):
            return False
        number = known.number(proposed.fingerprint)
        if number is None:
            return self._newcomer(proposed, named, threshold).admitted
        if not (self._is_own(number, named.totals) or self.known.said(number) == named.said != b""):
            return False
        self._join(number)
        return True

    def admits_group(self, proposed: Proposed, threshold: int) -> bool:
        """See ``Decision.admits_group``."""
        who, known = proposed.who, self.known
        if known.number(proposed.fingerprint) is not None:
            return True
        picture = sketch(who)
        near_one = len(known) > 0 and nearest_oldest(CandidateSet(who, picture, threshold, known)) is not None
        if not near_one and known.row_space.tells_of_few(who, threshold):
            return False
        self._admit(proposed, picture, b"")
        return True

    def place(self, proposed: Proposed, named: Named, threshold: int) -> Standing:
        """See ``Decision.place``. The first set that is placed is that of all persons of the question."""
        standing = self._placed(proposed, named, threshold)
        if self._is_first and standing.admitted:
            self._whole = self.known.number(proposed.fingerprint)
        self._is_first = False
        return standing

    def _placed(self, proposed: Proposed, named: Named, threshold: int) -> Standing:
        number = self.known.number(proposed.fingerprint)
        if number is None:
            return self._newcomer(proposed, named, threshold)
        if number in self._family or self.known.said(number) == named.said:
            self._join(number)
            return ADMITTED
        # A set that equals a released one is placed like one that is near it: the oldest set within its distance stands in.
        candidate = CandidateSet(proposed.who, proposed.picture, named.distance, self.known)
        oldest = nearest_oldest(candidate)
        return self._stood_in_by(number if oldest is None else min(oldest, number), threshold + named.distance - 1)

    def _newcomer(self, proposed: Proposed, named: Named, threshold: int) -> Standing:
        who, known = proposed.who, self.known
        if len(who) < threshold:
            return AS_FEW
        picture = proposed.picture
        if len(known):
            newcomer = CandidateSet(who, picture, named.distance, known)
            oldest = nearest_oldest(newcomer)
            if oldest is not None and oldest < self.before:
                return self._stood_in_by(oldest, threshold + named.distance - 1)
            # A small set gets no sum's number, and is suppressed as few. Within the distance are nearly all other small ones.
            small = len(who) < threshold + named.distance - 1
            own: list[SumOfSets] = []
            others: list[SumOfSets] = []
            for one in sums_near(newcomer.judged_at(threshold) if small else newcomer, threshold) if self._adds_up else ():
                (own if all(self._is_own(part, named.totals) for part in one.parts) else others).append(one)
            # What follows exactly from numbers of this answer (men from all and women) tells no more than these do: what it differs from
            # the others by, they differ by already.
            if others and not any(one.exact for one in own):
                return self._summed(others, threshold + 2 * named.distance - 2)
            # No set of this same answer has a number that could stand for the newcomer's; what is left of its totals may not be few.
            near_one = oldest is not None and nearest_oldest(newcomer.judged_at(threshold)) is not None
            of_few = any(one.few and not one.exact for one in (*own, *others))
            if near_one or of_few or (self._exact and known.row_space.tells_of_few(who, threshold)):
                return REFUSED
        self._admit(proposed, picture, named.said)
        return ADMITTED

    def _admit(self, proposed: Proposed, picture: Sketch, said: bytes) -> None:
        number = self.known.admit(proposed.fingerprint, picture, proposed.who, said)
        self._admitted[number] = NewSet(proposed, picture, said)
        self._join(number)

    def _is_own(self, number: int, totals: Totals) -> bool:
        """Whether a known set is of this answer, or what cells of this answer add up to."""
        return number in self._family or self.known.said(number) in totals

    def _summed(self, sums: list[SumOfSets], least: int) -> Standing:
        """A sum stands in: the oldest of those whose numbers leave, whatever else this answer suppresses, or else of all."""
        known = self.known
        oldest = min(sums, key=lambda one: (bool(self._rests_on(one)), sorted(one.parts, reverse=True), one.minus))
        persons = sum(len(known.who(part)) for part in oldest.plus) - sum(len(known.who(part)) for part in oldest.minus)
        return self._stands_in(StandIn(oldest.who, persons, rests_on=tuple(map(known.who, self._rests_on(oldest)))), least)

    def _rests_on(self, one: SumOfSets) -> tuple[int, ...]:
        """The parts of a sum whose numbers this answer may yet suppress."""
        return tuple(part for part in one.parts if part >= self.before and part != self._whole)

    def _join(self, number: int) -> None:
        if number not in self._family:
            self._family.add(number)
            self.known.join(number)

    def _stood_in_by(self, number: int, least: int) -> Standing:
        who = self.known.who(number)
        return self._stands_in(StandIn(who, len(who), self.known.said(number)), least)

    def _stands_in(self, stand_in: StandIn, least: int) -> Standing:
        """Of fewer persons than ``least`` a set of few could be as near: whether a number is shown would be a scale for one person more."""
        if stand_in.persons < least:
            return AS_FEW
        self._stand_ins.append(stand_in.who)
        return Standing(False, stand_in)

    def stands_in(self, proposed: Proposed) -> None:
        """See ``Decision.stands_in``."""
        self._stand_ins.append(proposed.who)

    def instead(self, proposed: Proposed) -> None:
        """See ``Decision.instead``. Raises ValueError for a set that is not known."""
        (number,) = self.numbers([proposed])
        self._stand_ins = [who for who in self._stand_ins if who != proposed.who]
        self._whole = number
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
