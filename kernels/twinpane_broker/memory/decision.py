"""A decision, for every kind of store. Admitted sets and new answers wait in it. At its end all of them enter the memory, or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import Protocol

from twinpane_broker.cells.person_sets import PersonSet, canonical, digest

from .account import Account, Charge, Overdrawn
from .memory import ADMITTED, NO_TOTALS, PERSONS, QUANTILES, Standing, Totals
from .released_sets import ReleasedSets
from .row_counts import RowCount, of_few
from .sets_of_kind import Named, NewSet, Proposed, SetsOfKind

NONE: Mapping[str, Sequence[PersonSet]] = MappingProxyType({})


@dataclass(frozen=True)
class NewSets:
    """The sets of one kind to remember, in order. ``before`` are known already."""

    kind: str
    before: int
    sets: tuple[NewSet, ...]


@dataclass(frozen=True)
class NewAnswer:
    """An answer to remember. ``sets`` are, by kind, numbers of known sets; numbers beyond these mean new sets."""

    key: str
    body: bytes = field(repr=False)
    sets: Mapping[str, tuple[int, ...]]
    withheld: tuple[str, date] | None


class Shelves(Protocol):
    """The store that a decision reads while it is under way."""

    def answer(self, key: str) -> bytes | None:
        """The remembered answer."""
        ...

    def withheld(self, project: str, day: date) -> int:
        """Remembered withheld answers."""
        ...

    def known(self, kind: str) -> ReleasedSets:
        """All remembered sets of a kind, up to date."""
        ...

    def row_counts(self, fingerprint: bytes) -> list[RowCount]:
        """Remembered numbers of rows about the persons of that fingerprint."""
        ...

    def account(self) -> Account:
        """The account of what was released, up to date."""
        ...


class Deciding:
    """A Decision. To end it, call ``outcome``, which gives what to remember, and then ``close``."""

    def __init__(self, shelves: Shelves, exact: bool) -> None:
        self._shelves = shelves
        self._exact = exact
        self._kinds: dict[str, SetsOfKind] = {}
        self._asked: dict[int, tuple[PersonSet, Proposed]] = {}
        self._answers: dict[str, NewAnswer] = {}
        self._row_counts: dict[bytes, dict[RowCount, None]] = {}
        self._charges: list[Charge] = []
        self._open = True

    def get(self, key: str) -> bytes | None:
        """See Decision."""
        self._must_be_open()
        return self._answers[key].body if key in self._answers else self._shelves.answer(key)

    def withheld(self, project: str, day: date) -> int:
        """See Decision."""
        self._must_be_open()
        here = sum(answer.withheld == (project, day) for answer in self._answers.values())
        return self._shelves.withheld(project, day) + here

    def admits(self, who: PersonSet, threshold: int, said: bytes = b"", distance: int = 0, totals: Totals = NO_TOTALS) -> bool:
        """See Decision."""
        self._must_be_open()
        named = Named(said, max(threshold, distance), totals)
        return not who or self._of(PERSONS).admits(self._proposed(who), named, threshold)

    def admits_group(self, who: PersonSet, kind: str, threshold: int) -> bool:
        """See Decision."""
        self._must_be_open()
        return not who or self._of(kind).admits_group(self._proposed(who), threshold)

    def place(
        self, who: PersonSet, said: bytes, threshold: int, distance: int, kind: str = PERSONS, totals: Totals = NO_TOTALS,
    ) -> Standing:  # fmt: skip
        """See Decision."""
        self._must_be_open()
        return self._of(kind).place(self._proposed(who), Named(said, distance, totals), threshold) if who else ADMITTED

    def stands_in(self, who: PersonSet) -> None:
        """See Decision."""
        self._must_be_open()
        self._of(PERSONS).stands_in(self._proposed(who))

    def instead(self, who: PersonSet) -> None:
        """See Decision."""
        self._must_be_open()
        self._of(PERSONS).instead(self._proposed(who))

    def admits_rows(self, who: PersonSet, rows: int, most: int, threshold: int) -> bool:
        """See Decision."""
        self._must_be_open()
        new = RowCount(self._proposed(who).fingerprint, rows, most)
        here = self._row_counts.setdefault(new.fingerprint, {})
        if of_few(new, (*here, *self._shelves.row_counts(new.fingerprint)), threshold):
            return False
        here[new] = None
        return True

    def charge(self, charge: Charge, most: int) -> Overdrawn | None:
        """See Decision."""
        self._must_be_open()
        account = self._shelves.account()
        overdrawn = account.overdrawn(charge, most)
        if overdrawn is None and (new := account.new(charge)):
            self._charges.append(new)
        return overdrawn

    def told(self, charge: Charge) -> Mapping[str, int]:
        """See Decision."""
        self._must_be_open()
        return self._shelves.account().told_with(charge)

    @property
    def charges(self) -> list[Charge]:
        """The charges to remember: all if an answer was put, otherwise none."""
        return list(self._charges) if self._answers else []

    @property
    def row_counts(self) -> list[RowCount]:
        """The row counts to remember: all that were admitted if an answer was put, otherwise none."""
        return [new for of_persons in self._row_counts.values() for new in of_persons] if self._answers else []

    def put(
        self, key: str, answer: bytes, released: Sequence[PersonSet], withheld: tuple[str, date] | None = None,
        values: Mapping[str, Sequence[PersonSet]] = NONE,
    ) -> None:  # fmt: skip
        """See Decision."""
        self._must_be_open()
        if self.get(key) is not None:
            raise ValueError("this question has its answer already: hand that out")
        sets = {
            kind: self._of(kind).numbers(self._proposed(who) for who in of_kind if who)
            for kind, of_kind in {PERSONS: released, **values}.items()
            if any(of_kind)
        }
        self._answers[key] = NewAnswer(key, bytes(answer), sets, withheld)

    def outcome(self) -> tuple[list[NewSets], list[NewAnswer]]:
        """What to remember: the answers, and of each kind the released sets that were not known, in the order of their admission."""
        self._must_be_open()
        fresh, final = [], {}
        for kind, of in self._kinds.items():
            kept = of.kept({number for answer in self._answers.values() for number in answer.sets.get(kind, ())})
            final[kind] = {number: of.before + place for place, number in enumerate(kept)}
            fresh.append(NewSets(kind, of.before, tuple(kept.values())))
        renumbered = [
            replace(answer, sets={
                kind: tuple(final[kind].get(number, number) for number in numbers) for kind, numbers in answer.sets.items()
            })
            for answer in self._answers.values()
        ]  # fmt: skip
        return fresh, renumbered

    def close(self, remembered: bool) -> None:
        """End the decision. Remembered sets stay known; all other admitted sets are forgotten. The decision takes no more calls."""
        if not self._open:
            return
        fresh, answers = self.outcome()
        self._open = False
        for new in fresh:
            families = [answer.sets.get(new.kind, ()) for answer in answers]
            self._kinds[new.kind].close(list(new.sets) if remembered else [], families if remembered else ())

    def _of(self, kind: str) -> SetsOfKind:
        if kind not in self._kinds:
            self._kinds[kind] = SetsOfKind(self._shelves.known(kind), self._exact, adds_up=kind != QUANTILES)
        return self._kinds[kind]

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
