"""A first event: the day of each person's earliest event of a kind, as a table of one row a person; or how many kinds of it there are."""

from typing import ClassVar, Self

from pydantic import model_validator

from twinpane_broker.catalogue.catalogue import Identifier
from twinpane_broker.model import Grown

from .cohort import Event

PREFIX = "first_"
DAY = "day"
"""The first column of such a table, beside the key of persons."""


class First(Grown):
    """The day of each person's first such event; without a day for those whose events all lack one.

    A plan uses it as a table: it is joined by the key of persons, and ``day`` groups, is compared, and has days counted from it. It may
    also have a measure: a value on that day, or, of events without a day, how many kinds a person has.
    """

    newer: ClassVar[tuple[str, ...]] = ("value", "kinds")

    event: Event
    """Its ``date`` tells the day."""
    value: Identifier | None = None
    """A measure of the events' table: its value on the first day, of several the smallest. The column has the same name here."""
    kinds: Identifier | None = None
    """A dimension of the events' table, whose different codes are counted for each person (``number``)."""

    @model_validator(mode="after")
    def _has_a_day(self) -> Self:
        if self.event.first or (self.event.date is None) is (self.kinds is None) or self.value == DAY or (self.kinds and self.value):
            raise ValueError(
                "a first event names the date that tells its day, or else what is counted, and is not marked as first once more"
            )
        return self

    @property
    def number(self) -> str:
        """The column with the number of kinds. It leaves room for the ending of the mark of clipped numbers in an engine's name."""
        return f"kinds_of_{self.kinds or ''}"[:54]

    @property
    def name(self) -> str:
        """The name of its table. It follows from the event alone, so that equal names mean equal days."""
        return f"{PREFIX}{self.event.table[:24]}_{self.event.digest()[:32]}"

    @property
    def day(self) -> str:
        """Its day, as ``table.column``."""
        return f"{self.name}.{DAY}"


def is_first(table: str) -> bool:
    """Whether a table's name is that of a first event."""
    return table.startswith(PREFIX) and len(table.rpartition("_")[2]) == 32
