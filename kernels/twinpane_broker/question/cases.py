"""Named categories of one column: lists of codes, ranges that cut at edges, windows of months. What SQL writes as CASE."""

from typing import Annotated

from pydantic import Field

from twinpane_broker.model import Closed

from .predicates import CodeValue, Leaf

MAX_ARMS = 40
"""Arms of one CASE."""


class Arm(Closed):
    """A category, and one comparison that puts rows into it. Several arms may have the same category."""

    category: CodeValue
    where: Annotated[Leaf, Field(discriminator="op")]


class Case(Closed):
    """Every row goes to the first arm that holds for it; all other rows, those without a value too, go to ``otherwise``.

    Without ``otherwise`` these others have no category. They are shown as *(missing)*, as SQL has them.
    """

    arms: Annotated[tuple[Arm, ...], Field(min_length=1, max_length=MAX_ARMS)]
    otherwise: CodeValue | None = None
