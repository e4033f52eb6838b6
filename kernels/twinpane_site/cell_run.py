"""One cell on its way at a site: when it came, what became of both its runs, and what is owed of it."""

import asyncio
from dataclasses import dataclass, field

from twinpane_wire import messages as wire

from .verdict import Finding


@dataclass
class CellRun:
    """A cell from its arrival to its verdict. Times are monotonic seconds."""

    cell: wire.Cell
    arrived: float
    twin: asyncio.Future[wire.Twin]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """The inside run is over; ``finding`` is there."""
    finding: Finding | None = None
    known: float = 0.0
    twin_known: float = 0.0
    """When each of the two runs was over: the later is what the verdict's tick tells."""
    cancelled: bool = False
    """It was interrupted before it began."""
    owes_verdict: bool = False
    """Its verdict was told that it may leave, and has not left yet."""
    owes_reveals: dict[int, bool] = field(default_factory=dict)
    """Reveals that were asked for, by call: whether they were told that they may leave, and have not left yet."""

    @property
    def over(self) -> bool:
        """The inside run is over."""
        return self.ended.is_set()

    def end_twin(self, twin: wire.Twin, now: float) -> None:
        """The clear run is over; what comes twice counts once."""
        if not self.twin.done():
            self.twin_known = now
            self.twin.set_result(twin)

    def end(self, finding: Finding, now: float) -> None:
        """The inside run is over, and this is what it comes to."""
        self.finding = finding
        self.known = now
        self.ended.set()

    def files_written(self) -> None:
        """The workspace's files lie inside: they need not be kept in memory."""
        self.cell = self.cell.model_copy(update={"files": ()})
