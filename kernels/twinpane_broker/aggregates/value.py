"""One number of an answer."""

from enum import StrEnum
from operator import not_
from typing import Annotated

from pydantic import Field

from twinpane_broker.model import Closed
from twinpane_broker.rules.rounding import decimals_written

MOST_DECIMALS = 15
MOST = 10**15
"""No count is larger, so that every number of an answer can be written out."""
Count = Annotated[int, Field(ge=0, le=MOST)]
About = Annotated[bool, Field(exclude_if=not_)]
"""False is left out where it is written, so that an answer without it has the bytes that it had before there was such a mark."""
Number = Annotated[int | float, Field(ge=-1e300, le=1e300)]
Percent = Annotated[int, Field(ge=0, le=100)]
Decimals = Annotated[int, Field(ge=-MOST_DECIMALS, le=MOST_DECIMALS)]


def unwritten(value: float, decimals: int) -> int | None:
    """The decimals of a number that are to be told beside it; None where it is written with them."""
    return None if decimals == decimals_written(value) else max(-MOST_DECIMALS, min(decimals, MOST_DECIMALS))


class End(StrEnum):
    """At which end of what is told of a measure a number lies: it stands for all that lies beyond."""

    or_less = "or less"
    or_more = "or more"


def _is_none(value: object) -> bool:
    return value is None


class Value(Closed):
    """One number of a cell; None if the rules suppressed it. It does not say why."""

    value: Number | None = None
    n: Count | None = None
    """Of what is computed from values: over how many, rounded like a count; of a share: how many persons. The weight in pooling."""
    of: Count | None = None
    """Of a share: of how many persons, rounded on its own."""
    about: About = False
    """Whether it is, or is made from, a number of another set, from which its own differs by fewer than twice the threshold, or not at all.
    Of persons and rows, and of shares made from them."""
    clipped: tuple[Percent, Percent] | None = Field(default=None, exclude_if=_is_none)
    """Of a mean, sum or spread: between how many percent of the values, and how many, lay beyond the catalogue's bounds and counted as
    lying on them. None if these are few (``disclosure.clipped_share``)."""
    end: End | None = Field(default=None, exclude_if=_is_none)
    """Of a quantile near a bound: that it is this number, or beyond it. It follows from the number and the catalogue."""
    decimals: Decimals | None = Field(default=None, exclude_if=_is_none)
    """Of a mean or a share: to how many decimals it is known, below 0 before the point, where it is not written with so many: 6.10 is
    written 6.1. It follows from shown numbers."""
    within: tuple[Count, Count] | None = Field(default=None, exclude_if=_is_none)
    """Where numbers of rows and values are rounded more coarsely than those of persons: between which numbers this one, or ``n``, truly
    lies. It follows from shown numbers."""

    @property
    def suppressed(self) -> bool:
        """Whether the rules suppressed it."""
        return self.value is None
