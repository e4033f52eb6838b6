"""A decision, for every kind of store. Admitted sets and new answers wait in it. At its end all of them enter the memory, or none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from twinpane_broker.cells.person_sets import PersonSet, canonical, digest, near

from .candidate_set import CandidateSet
from .differencing import is_near_several, nearest_oldest
from .memory import ADMITTED, REFUSED, Standing
from .released_sets import ReleasedSets
from .row_counts import RowCount, of_few
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


@dataclass(frozen=True)
class NewSet:
    """A set to remember."""

    proposed: Proposed
    picture: Sketch
    said: bytes = b""
    """A digest of the description under which it was released first; empty for a set that follows from several numbers."""


@dataclass(frozen=True)
class NewAnswer:
    """An answer to remember. ``sets`` are numbers of known sets; numbers beyond these mean new sets."""

    key: str
    body: bytes = field(repr=False)
    sets: tuple[int, ...]
    withheld: tuple[str, date] | None


class Shelves(Protocol):
    """The store that a decision reads while it is under way."""

    def answer(self, key: str) -> bytes | None:
        """The remembered answer."""
        ...

    def withheld(self, project: str, day: date) -> int:
        """Remembered withheld answers."""
        ...

    def known(self) -> ReleasedSets:
        """All remembered sets, up to date."""
        ...

    def row_counts(self, fingerprint: bytes) -> list[RowCount]:
        """Remembered numbers of rows about the persons of that fingerprint."""
        ...


class Deciding:
    """A Decision. To end it, call ``outcome``, which gives what to remember, and then ``close``."""

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves
        self._known: ReleasedSets | None = None
        self.before = 0
        self._asked: dict[int, tuple[PersonSet, Proposed]] = {}
        self._admitted: dict[int, NewSet] = {}
        self._family: dict[int, None] = {}
        self._stand_ins: set[int] = set()
        self._answers: dict[str, tuple[bytes, tuple[int, ...], tuple[str, date] | None]] = {}
        self._row_counts: dict[RowCount, None] = {}
        self._open = True

    def get(self, key: str) -> bytes | None:
        """See Decision."""
        self._must_be_open()
        return self._answers[key][0] if key in self._answers else self._shelves.answer(key)

    def withheld(self, project: str, day: date) -> int:
        """See Decision."""
        self._must_be_open()
        here = sum(counted == (project, day) for _, _, counted in self._answers.values())
        return self._shelves.withheld(project, day) + here

    def admits(self, who: PersonSet, threshold: int) -> bool:
        """See Decision."""
        self._must_be_open()
        if not who:
            return True
        known = self._all_known()
        number = known.number(self._proposed(who).fingerprint)
        if number in self._stand_ins or any(near(who, known.who(one), MOST_DISTANCE * threshold - 1) for one in self._stand_ins):
            return False
        if number is None:
            return self._newcomer(who, b"", threshold, threshold).admitted
        self._family[number] = None
        return True

    def place(self, who: PersonSet, said: bytes, threshold: int, distance: int) -> Standing:
        """See Decision."""
        self._must_be_open()
        if not who:
            return ADMITTED
        known = self._all_known()
        number = known.number(self._proposed(who).fingerprint)
        if number is None:
            return self._newcomer(who, said, threshold, distance)
        if number in self._family or known.said(number) == said:
            self._family[number] = None
            return ADMITTED
        return self._stood_in_by(number)

    def _newcomer(self, who: PersonSet, said: bytes, threshold: int, distance: int) -> Standing:
        known = self._all_known()
        if len(who) < threshold:
            return REFUSED
        if len(known):
            newcomer = CandidateSet(who, distance, known)
            oldest = nearest_oldest(newcomer)
            if oldest is not None and oldest < self.before:
                return self._stood_in_by(oldest)
            newcomer = newcomer.judged_at(threshold)
            # A set of this same answer that is near has no number that could stand for the newcomer's.
            if nearest_oldest(newcomer) is not None or is_near_several(newcomer, tuple(self._family)):
                return REFUSED
        proposed, picture = self._proposed(who), sketch(who)
        number = known.admit(proposed.fingerprint, picture, proposed.who, said)
        self._admitted[number] = NewSet(proposed, picture, said)
        self._family[number] = None
        return ADMITTED

    def _stood_in_by(self, number: int) -> Standing:
        self._stand_ins.add(number)
        return Standing(False, self._all_known().who(number))

    def admits_rows(self, who: PersonSet, rows: int, most: int, threshold: int) -> bool:
        """See Decision."""
        self._must_be_open()
        new = RowCount(self._proposed(who).fingerprint, rows, most)
        here = [old for old in self._row_counts if old.fingerprint == new.fingerprint]
        if of_few(new, (*here, *self._shelves.row_counts(new.fingerprint)), threshold):
            return False
        self._row_counts[new] = None
        return True

    @property
    def row_counts(self) -> list[RowCount]:
        """The row counts to remember: all that were admitted if an answer was put, otherwise none."""
        return list(self._row_counts) if self._answers else []

    def put(self, key: str, answer: bytes, released: Sequence[PersonSet], withheld: tuple[str, date] | None = None) -> None:
        """See Decision."""
        self._must_be_open()
        if self.get(key) is not None:
            raise ValueError("this question has its answer already: hand that out")
        numbers = []
        for who in released:
            if not who:
                continue
            number = self._all_known().number(self._proposed(who).fingerprint)
            if number is None:
                raise ValueError(f"a set of {len(who)} persons would be released that the memory was not asked about, or did not admit")
            numbers.append(number)
        self._answers[key] = (bytes(answer), tuple(dict.fromkeys(numbers)), withheld)

    def outcome(self) -> tuple[list[NewSet], list[NewAnswer]]:
        """What to remember: the answers, and the released sets that were not known, in the order in which they were admitted."""
        self._must_be_open()
        used = {number for _, numbers, _ in self._answers.values() for number in numbers}
        fresh = [number for number in self._admitted if number in used]
        final = {number: self.before + place for place, number in enumerate(fresh)}
        answers = [
            NewAnswer(key, body, tuple(final.get(number, number) for number in numbers), counted)
            for key, (body, numbers, counted) in self._answers.items()
        ]
        return [self._admitted[number] for number in fresh], answers

    def close(self, remembered: bool) -> None:
        """End the decision. Remembered sets stay known; all other admitted sets are forgotten. The decision takes no more calls."""
        if not self._open:
            return
        sets, answers = self.outcome()
        self._open = False
        if self._known is None:
            return
        # Usually every admitted set is released. If one is not, the sets after it get other numbers.
        kept = 0
        if remembered:
            kept = next((i for i, (new, one) in enumerate(zip(sets, self._admitted.values(), strict=False)) if new is not one), len(sets))
        self._known.truncate(self.before + kept)
        if remembered:
            for new in sets[kept:]:
                self._known.admit(new.proposed.fingerprint, new.picture, new.proposed.who, new.said)
            for number, new in enumerate(sets, self.before):
                self._known.settle(number, len(new.proposed.body))
            for answer in answers:
                if answer.sets:
                    self._known.add_family(answer.sets)

    def _all_known(self) -> ReleasedSets:
        if self._known is None:
            known = self._shelves.known()
            self.before = len(known)
            self._known = known
        return self._known

    def _proposed(self, who: PersonSet) -> Proposed:
        """The set's canonical form, computed once while the caller's set stays as it is."""
        if id(who) in self._asked:
            _, proposed = self._asked[id(who)]
            if proposed.who == who:
                return proposed
        body = canonical(who)
        proposed = Proposed(PersonSet.deserialize(body), digest(body), body)
        self._asked[id(who)] = (who, proposed)
        return proposed

    def _must_be_open(self) -> None:
        if not self._open:
            raise RuntimeError("this decision is over: open a new one with Memory.decision()")
