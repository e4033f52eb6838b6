"""One cell at a site: when it arrived, the results of both its runs, and what the site still owes for it."""

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
        """Note that the clear run is over. A repeated message counts once."""
        if not self.twin.done():
            self.twin_known = now
            self.twin.set_result(twin)

    def end(self, finding: Finding, now: float) -> None:
        """Note that the inside run is over, with its result."""
        self.finding = finding
        self.known = now
        self.ended.set()

    def files_written(self) -> None:
        """Drop the workspace's files from memory: they are written inside."""
        self.cell = self.cell.model_copy(update={"files": ()})
