"""What a memory can do for the broker, and what it promises."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Protocol

from twinpane_broker.cells.person_sets import PersonSet


class Decision(Protocol):
    """One decision at a time, over all threads and processes that share a memory. What was put is durable when the context ends."""

    def get(self, key: str) -> bytes | None:
        """The answer of that key, None where there is none."""
        ...

    def withheld(self, project: str, day: date) -> int:
        """How many answers the data withheld from a project on a day."""
        ...

    def admits(self, who: PersonSet, threshold: int) -> bool:
        """Whether a number about exactly these persons, beside everything released and everything admitted before in this decision,
        singles out nobody. Refused are fewer persons than the threshold, and a set that would be part of one of these, where a *few* is
        fewer than ``threshold`` persons more, and fewer than that less, but not none of both:

        * two sets that differ by a few;
        * four sets X, Y, Z and M, where Z is X and Y together and M is whom they share, one of them exactly and the other but for a few,
          or both but for a few. As M nobody is always there: X and Y that share fewer than the threshold, but somebody, must not add up
          to a Z, nor to one but for a few. Where X and Y share more and nobody released whom, no reader knows how many they are together:
          that hinders nothing, until an M is asked for.

        Of more sets at once only those are looked at that one answer released together. A set that is admitted counts from then on in
        this decision; equal sets and nobody are admitted.
        """
        ...

    def admits_rows(self, who: PersonSet, rows: int, most: int, threshold: int) -> bool:
        """Whether this number of rows (or values) of exactly these persons, of whom one has at most ``most``, tells nothing of the rows of
        fewer than ``threshold`` of them beside the numbers that were released about the same persons. What is admitted counts from then on.
        """
        ...

    def put(self, key: str, answer: bytes, released: Sequence[PersonSet], withheld: tuple[str, date] | None = None) -> None:
        """Keep an answer and the sets behind its numbers; of a withheld one, for which project and day it counts.

        Raises ValueError for a set that was not admitted and for a key that has its answer: neither may leave.
        """
        ...


class Memory(Protocol):
    """A site's memory, spanning its projects, users and snapshots."""

    def get(self, key: str) -> bytes | None:
        """The answer of that key, None where there is none; without a decision."""
        ...

    def decision(self) -> AbstractContextManager[Decision]:
        """The right to decide, alone. Raises where the memory cannot be written, and then nothing leaves."""
        ...
