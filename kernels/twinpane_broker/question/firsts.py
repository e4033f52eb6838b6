"""A first event: the day of each person's earliest event of a kind, as a table of one row a person."""

from typing import Self

from pydantic import model_validator

from twinpane_broker.model import Closed

from .cohort import Event

PREFIX = "first_"
DAY = "day"
"""The one column of such a table, beside the key of persons."""


class First(Closed):
    """The day of each person's first such event; without a day for those whose events all lack one.

    A plan uses it as a table: it is joined by the key of persons, and ``day`` groups, is compared, and has days counted from it.
    """

    event: Event
    """Its ``date`` tells the day."""

    @model_validator(mode="after")
    def _has_a_day(self) -> Self:
        if self.event.date is None or self.event.first:
            raise ValueError("a first event names the date that tells its day, and is not marked as first once more")
        return self

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
