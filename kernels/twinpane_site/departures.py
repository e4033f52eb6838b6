"""When the link itself speaks: at moments of a fixed grid, so that a delay inside does not show in a delay outside.

What came at a time leaves at the first moment of the grid that is at least ``LEAD_S`` later. Within the lead the message is written to
the disk. Only where that takes longer than the lead, the next moment is taken; how often this happens, and what could be told by it, is
measured by `tests/redteam/` and stated in the threat model.
"""

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable

from twinpane_broker.closed import Closed

STEP_S = 0.1
"""Seconds between two moments of the grid."""
LEAD_S = 0.05
"""Seconds that writing a message to the disk may take without showing."""


class Departures:
    """What waits for its moment. ``send`` puts a crossing on the link."""

    def __init__(self, send: Callable[[Closed], None], step: float = STEP_S, lead: float = LEAD_S) -> None:
        self._send = send
        self._step = step
        self._lead = lead
        self._waiting: list[tuple[int, int, Closed]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def put(self, message: Closed, since: float) -> None:
        """Let a message out at its moment. ``since``: when what it answers came, by the loop's clock."""
        loop = asyncio.get_running_loop()
        moment = max(math.ceil((since + self._lead) / self._step), math.floor(loop.time() / self._step) + 1)
        heapq.heappush(self._waiting, (moment, next(self._order), message))
        if self._timer is None or self._timer.when() > moment * self._step:
            self._set()

    def _set(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(self._waiting[0][0] * self._step, self._leave) if self._waiting else None

    def _leave(self) -> None:
        self._timer = None
        now = math.floor(asyncio.get_running_loop().time() / self._step + 1e-6)
        while self._waiting and self._waiting[0][0] <= now:
            self._send(heapq.heappop(self._waiting)[2])
        self._set()
