"""What a memory can do for the broker, and what it promises."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from twinpane_broker.cells.person_sets import PersonSet

from .account import Charge, Overdrawn


@dataclass(frozen=True)
class StandIn:
    """Whose number of persons may be shown in place of a set's own: those of a released set, or a sum of numbers of released sets."""

    who: PersonSet = field(repr=False)
    persons: int
    """Their number. It is that of ``who``, but for a sum of sets that share a few, which a reader can add up and nothing more."""
    said: bytes | None = None
    """The name under which the set was released, empty if it has none; None for a sum, about which nothing but its number may be told."""
    is_known: bool = False
    """Whether everybody may know it. Who knows the rows and ages of that set would see one person missing in them."""
    more: int = 0
    """By how many times as many persons it may differ beyond that: for each set in between, and each known region that is in a sum."""
    released: tuple[PersonSet, ...] = field(default=(), repr=False)
    """Sets that were admitted with their own numbers, which are in the sum."""
    rests_on: tuple[PersonSet, ...] = field(default=(), repr=False)
    """Sets of the same answer that a reader adds up for it: unless all their numbers are shown, it is not."""

    @property
    def is_sum(self) -> bool:
        """Whether it is what a reader can add up, and no set that was released."""
        return self.said is None

    @property
    def steps(self) -> int:
        """By how many times as many persons the set may differ from it as from a near set."""
        return (2 if self.is_sum else 1) + self.more


@dataclass(frozen=True)
class Standing:
    """What the memory says of a set whose numbers are to be shown."""

    admitted: bool
    """Whether numbers of its own may be shown."""
    stand_in: StandIn | None = None
    """Otherwise: what it equals or is near of what was released, if there is such; the oldest."""
    as_few: bool = False
    """Whether it must look like a set of few persons: it is near so small a released set that few persons could be as near to it."""


ADMITTED, REFUSED, AS_FEW = Standing(True), Standing(False), Standing(False, as_few=True)
Totals = frozenset[bytes]
NO_TOTALS = Totals()
PERSONS = ""
"""The kind of numbers of persons. What is told of values is of a kind, and so are numbers of rows of the same tables."""
QUANTILES = "quantiles"
"""The kind of numbers that nobody can add up: the median of a whole does not follow from those of its parts. They are compared with near
sets alone."""


class Decision(Protocol):
    """A decision. All threads and processes that share a memory decide one at a time. What was put is durable when the context ends."""

    def get(self, key: str) -> bytes | None:
        """The answer of that key, None where there is none."""
        ...

    def withheld(self, project: str, day: date) -> int:
        """How many answers the data withheld from a project on a day."""
        ...

    def admits(self, who: PersonSet, threshold: int, said: bytes = b"", distance: int = 0, totals: Totals = NO_TOTALS) -> bool:
        """Whether a number about exactly these persons singles out nobody, beside all sets released before or admitted in this decision.

        It is asked of sets that no question describes; what it is given is that of ``place``, as far as they have it.

        Refuse a set of 1 to k - 1 persons, where k is the ``threshold``. Two sets are *alike* if neither has ``distance`` persons whom
        the other lacks, or k if that is more: they are equal, or near. Refuse a set that would complete one of these patterns:

        * two sets that are alike;
        * four sets X, Y, Z and M, where Z is like the union of X and Y, and M like their intersection. The empty set always counts as
          a released M. If X and Y share k persons or more and their intersection was not released, no reader knows the size of their
          union. Then nothing is refused until somebody asks for M;
        * a set that is like the sum of disjoint sets that one answer released together.

        A set that *equals* the sum is refused as one near it is, or else the answer would tell whether anybody was left out. But it is
        admitted, and a near one at k persons refused, beside sets of this answer alone, ``totals`` being among these: what is left of a
        total is judged by the rules for tables. Sets that share this answer's are released together, so that all see the same.

        An admitted set counts for the rest of this decision. The empty set is admitted, and so is a set that equals one of this answer,
        one of its totals, or a set released under the same name; but never one that equals or is near a stand-in of this answer.
        """
        ...

    def admits_group(self, who: PersonSet, kind: str, threshold: int) -> bool:
        """Whether a question may be asked of this group, whom everybody may know, beside the groups of earlier questions.

        Refuse it if a few persons follow from it and groups of that ``kind`` together, though it is near none of them alone: of sets in
        it, a near set's number is shown. An admitted group is kept if it is put among the answer's sets.
        """
        ...

    def place(
        self, who: PersonSet, said: bytes, threshold: int, distance: int, kind: str = PERSONS, totals: Totals = NO_TOTALS,
    ) -> Standing:  # fmt: skip
        """Where a set stands that a question describes; ``said`` is a digest of the description, not of the persons.

        It is placed beside the released sets of the same ``kind`` of number. ``totals`` are the names of sets that are totals of the cells
        of this answer, whether it tells them or not.

        Here a set is near a released one if neither has ``distance`` persons whom the other lacks. ``distance`` is at least ``threshold``,
        and no reader knows it: otherwise a set of exactly k - 1 persons beside a released one would be a scale, on which a reader could
        weigh one more person.

        A set that was released under the same description is admitted again: whatever the data hold, it is the same set. A set that
        equals one released under another description must look like a set that is near it. Otherwise a reader who asks for A, and then
        for A without a few, learns from the answer whether anybody was left out. So both get the released set as their stand-in. One
        that is like a sum of released sets gets that sum, and for every other set the rules of ``admits`` hold.
        """
        ...

    def stands_in(self, who: PersonSet) -> None:
        """Says that this set, which was placed and admitted, stands in for one that the answer is about: see ``admits``."""
        ...

    def instead(self, who: PersonSet) -> None:
        """From here on the decision is about this set, which stood in for one of its own; so it does not stand in for any now."""
        ...

    def admits_rows(self, who: PersonSet, rows: int, most: int, threshold: int) -> bool:
        """Whether this number of rows (or values) of exactly these persons may be released beside earlier numbers about the same persons.

        Refuse it if a difference may be made of the rows of fewer than ``threshold`` persons. ``most`` is the most rows that one person
        has. An admitted number counts for the rest of this decision.
        """
        ...

    def charge(self, charge: Charge, most: int) -> Overdrawn | None:
        """Charge to the account of what was released the sets that a question describes, before any of them is looked at.

        ``most`` is the number of sets that one attribute may be told of. If there is no room, nothing is charged, and it says why. A
        charge is remembered with the decision's answer, whatever that says.
        """
        ...

    def told(self, charge: Charge) -> Mapping[str, int]:
        """Of how many sets each attribute of a charge was told, with the charge."""
        ...

    def put(
        self, key: str, answer: bytes, released: Sequence[PersonSet], withheld: tuple[str, date] | None = None,
        values: Mapping[str, Sequence[PersonSet]] = ...,
    ) -> None:  # fmt: skip
        """Keep an answer and the sets behind its numbers: of persons, and by kind of values.

        A withheld answer counts for its project and day.

        Raises ValueError for a set that was not admitted, and for a key that has an answer already: neither may leave.
        """
        ...


class Memory(Protocol):
    """A site's memory, spanning its projects, users and snapshots."""

    def get(self, key: str) -> bytes | None:
        """The answer of that key, or None. Needs no decision."""
        ...

    def withheld_before(self, project: str, day: date) -> int:
        """How many answers the data withheld from a project on a day. Needs no decision."""
        ...

    def overdrawn(self, charge: Charge, most: int) -> Overdrawn | None:
        """What ``Decision.charge`` would say; charges nothing. Needs no decision."""
        ...

    def decision(self, *, exact: bool = False) -> AbstractContextManager[Decision]:
        """Give the sole right to decide. Raises if the memory cannot be written; then nothing leaves.

        ``exact``: numbers are shown as they are, so a set is also refused if any number of released ones tells with it of a few persons.
        """
        ...
