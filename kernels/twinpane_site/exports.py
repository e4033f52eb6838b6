"""What the agent needs of the egress review: it hands requests in. Decisions come back through the glass."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from twinpane_wire import messages as wire

Real = Sequence[Mapping[str, Any]] | bytes | None
"""What lies inside of an asked item: a cell's held outputs, a file's bytes, None where there is nothing."""


class Exports(Protocol):
    """The review, as the agent knows it. `twinpane_review` implements it."""

    attended: bool
    """Whether people decide. Where a machine answers, it is asked before anything inside is looked at or waited for: when its answer
    comes tells of nothing but the ask."""

    def submit(self, author: str, project: str, ask: wire.ExportAsk, items: Sequence[tuple[int, int | str, Real]]) -> None:
        """Take a request in, durable on return; a second one of the same id changes nothing. ``items``: index, cell or path, real."""
