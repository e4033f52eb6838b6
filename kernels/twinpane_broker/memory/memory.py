"""What a memory can do for the broker, and what it promises."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from twinpane_broker.cells.person_sets import PersonSet

from .account import Charge, Overdrawn


@dataclass(frozen=True)
class Standing:
    """What the memory says of a set whose numbers are to be shown."""

    admitted: bool
    """Whether numbers of its own may be shown."""
    stand_in: PersonSet | None = field(default=None, repr=False)
    """Otherwise: the oldest released set that it equals or is near, if there is one. That set's number of persons may be shown for it."""
    said: bytes = b""
    """The name under which the stand-in was released; empty for one that follows from several numbers."""


ADMITTED, REFUSED = Standing(True), Standing(False)
PERSONS = ""
"""The kind of numbers of persons. What is told of values is of a kind, and so are numbers of rows of the same tables."""


class Decision(Protocol):
    """A decision. All threads and processes that share a memory decide one at a time. What was put is durable when the context ends."""

    def get(self, key: str) -> bytes | None:
        """The answer of that key, None where there is none."""
        ...

    def withheld(self, project: str, day: date) -> int:
        """How many answers the data withheld from a project on a day."""
        ...

    def admits(self, who: PersonSet, threshold: int) -> bool:
        """Whether a number about exactly these persons singles out nobody, beside all sets released before or admitted in this decision.

        Refuse a set of 1 to k - 1 persons, where k is the ``threshold``. Two sets are *near* if they differ and neither has k persons whom
        the other lacks. Refuse a set that would complete one of these patterns:

        * two sets that are near;
        * four sets X, Y, Z and M, where Z equals or is near the union of X and Y, M equals or is near their intersection, and at least
          one of the two is only near. The empty set always counts as a released M. So X and Y with 1 to k - 1 common persons must not
          have a released union Z, nor a Z near it. If X and Y share k persons or more and their intersection was not released, no reader
          knows the size of their union. Then nothing is refused until somebody asks for M.

        Check sums of more sets only where one answer released them together. An admitted set counts for the rest of this decision. The
        empty set is admitted, and so is a set that equals a known one, unless that one stood in for a set of this decision.
        """
        ...

    def place(self, who: PersonSet, said: bytes, threshold: int, distance: int, kind: str = PERSONS) -> Standing:
        """Where a set stands that a question describes; ``said`` is a digest of the description, not of the persons.

        It is placed beside the released sets of the same ``kind`` of number.

        Here a set is near a released one if neither has ``distance`` persons whom the other lacks. ``distance`` is at least ``threshold``,
        and no reader knows it: otherwise a set of exactly k - 1 persons beside a released one would be a scale, on which a reader could
        weigh one more person.

        A set that was released under the same description is admitted again: whatever the data hold, it is the same set. A set that
        equals one released under another description must look like a set that is near it. Otherwise a reader who asks for A, and then
        for A without a few, learns from the answer whether anybody was left out. So both get the released set as their stand-in. For
        every other set the rules of ``admits`` hold.
        """
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

    def decision(self) -> AbstractContextManager[Decision]:
        """Give the sole right to decide. Raises if the memory cannot be written; then nothing leaves."""
        ...
