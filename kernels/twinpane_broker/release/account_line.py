"""What an answer says of the account of what was released: of how many sets of persons an attribute was told, and how many there may be.

It follows from the questions alone, of all projects, and is remembered with the answer: asked again, the answer says the same.
"""

from collections.abc import Iterable, Mapping
from operator import not_
from typing import Annotated

from pydantic import Field, StringConstraints

from twinpane_broker.aggregates.value import Count
from twinpane_broker.model import Closed

MOST_LINES = 100
"""Attributes that an answer speaks of: those with least left."""
NAME = 200
"""Characters of an attribute's name that are shown."""
LOW = 4
"""Little is left where it is less than one of so many parts."""


class AccountLine(Closed):
    """An attribute in a site's account."""

    attribute: Annotated[str, StringConstraints(min_length=1, max_length=NAME)]
    """``table.column``, ``table.column = code`` or ``table``."""
    told: Count
    """Sets of persons that it was told of."""
    most: Count
    """Sets that it may be told of."""
    used: Count = Field(default=0, exclude_if=not_)
    """Sets of these that the answer added, when it was given first."""

    @property
    def left(self) -> int:
        """Sets that it may still be told of."""
        return max(0, self.most - self.told)

    @property
    def low(self) -> bool:
        """Whether less than a quarter is left."""
        return LOW * self.left < self.most

    @property
    def words(self) -> str:
        """``person.smoker: 200 of 240 sets told, 40 left``."""
        return f"{self.attribute}: {self.told:,} of {self.most:,} sets told, {self.left:,} left"


AccountLines = Annotated[tuple[AccountLine, ...], Field(max_length=MOST_LINES, exclude_if=lambda lines: not lines)]
"""Left out where there are none, so that an answer of an earlier Twinpane has the bytes that it had."""


def account_lines(told: Mapping[str, int], most: int, before: Mapping[str, int]) -> tuple[AccountLine, ...]:
    """The lines of some attributes, those with least left first; ``before`` the answer they were told of so many sets."""
    ordered = sorted(told, key=lambda attribute: (-told[attribute], attribute))[:MOST_LINES]
    return tuple(AccountLine(attribute=one[:NAME], told=told[one], most=most, used=told[one] - before[one]) for one in ordered)


def cost_words(lines: Iterable[AccountLine]) -> str:
    """What an answer used of the account, as a clause; empty where it used nothing.

    ``this used 4 of 120 sets of persons of person.smoker, and 37 are left``
    """
    used = [line for line in lines if line.used]
    if not used:
        return ""
    least, more = used[0], f"; so of {len(used) - 1:,} more attributes, see tp.account()" if len(used) > 1 else ""
    return f"this used {least.used:,} of {least.most:,} sets of persons of {least.attribute}, and {least.left:,} are left{more}"


def in_few_words(lines: Iterable[AccountLine]) -> str:
    """``person.smoker (40 of 240), and 2 more``: the attributes of which little is left, the one with least by name; empty for none."""
    low = [line for line in lines if line.low]
    more = f", and {len(low) - 1:,} more" if len(low) > 1 else ""
    return f"{low[0].attribute} ({low[0].left:,} of {low[0].most:,}){more}" if low else ""
