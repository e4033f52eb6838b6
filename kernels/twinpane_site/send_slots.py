"""Send slots: they choose when messages leave a site, so that the time does not show how busy it is inside.

No message leaves at the moment it is ready. The link's own messages (acknowledgements, errors, repeated crossings) leave in *slots*: all
that came before a slot's cut leave together at the slot's departure. Cut and departure are drawn at random around the beats of a fixed
grid, from the system's own randomness, by a smooth distribution. A site's own delay that is small against the spread of the draw then
hardly shifts either of them, however often somebody outside looks. With a delay *d* and a spread *s* (the standard deviation), a slot
tells about (d / s)**2 / 5 bits of the delay. A message with its own moment (a verdict's tick, an answer's) leaves a random time after it.

The distribution is the sum of three uniform draws. It is bounded, so that slots do not cross, and smooth to its ends. `make redteam`
measures how much remains, and the threat model states it.
"""

import asyncio
import heapq
import itertools
import logging
import random
from collections.abc import Callable

from twinpane_wire.messages import Outward

log = logging.getLogger(__name__)

BEAT_S = 1.0
"""Seconds between two beats of the grid."""
SPREAD_S = 0.15
"""Standard deviation of a slot's cut and of its departure; neither is further than three of it from its beat."""
LAG_S = 1.1
"""Seconds from a slot's beat to the middle of its departure: what came before the latest cut is on the disk before the first departure."""
TICK_SPREAD_S = 0.02
"""The same for what leaves at a tick of its own."""

Send = Callable[[Outward], None]
Draw = Callable[[float], float]


def smooth(spread: float, source: random.Random = random.SystemRandom()) -> float:  # noqa: B008 - it has no state
    """A draw with mean 0 and this standard deviation, never further than three of it from 0."""
    return sum(source.uniform(-spread, spread) for _ in range(3))


class SendSlots:
    """The messages that wait to leave. ``send`` puts one on the link; ``draw`` gives a random time with a given spread."""

    def __init__(self, send: Send, draw: Draw = smooth) -> None:
        self._send = send
        self._draw = draw
        self._slots: dict[int, tuple[float, float]] = {}
        self._waiting: list[tuple[float, int, Outward]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self.late = 0
        """How often something was ready too late for its slot: the steward's figure."""

    def link(self, message: Outward, since: float) -> None:
        """Let out one of the link's own messages, in its slot. ``since``: when the message that it answers came, by the loop's clock."""
        number = int(since / BEAT_S)
        while self._slot(number)[0] < since:
            number += 1
        now = asyncio.get_running_loop().time()
        if self._slot(number)[1] < now:
            self.late += 1
            if self.late & (self.late - 1) == 0:  # the first, second, fourth, eighth …: it may happen often
                log.warning("a message was ready too late for its slot: the disk or the machine is slow (%d so far)", self.late)
        while self._slot(number)[1] < now:
            number += 1
        self._put(message, self._slot(number)[1])

    def at(self, message: Outward, moment: float, spread: float = TICK_SPREAD_S) -> None:
        """Let out a message that has its own moment, a random time after it."""
        self._put(message, max(moment, asyncio.get_running_loop().time()) + 3 * spread + self._draw(spread))

    def holds(self, message: Outward) -> bool:
        """Whether this very message waits to leave."""
        return any(waiting == message for _, _, waiting in self._waiting)

    def _slot(self, number: int) -> tuple[float, float]:
        """Cut and departure of a slot, drawn once."""
        if number not in self._slots:
            beat = number * BEAT_S
            self._slots[number] = beat + self._draw(SPREAD_S), beat + LAG_S + self._draw(SPREAD_S)
            for old in [known for known in self._slots if known < number - 100]:
                del self._slots[old]
        return self._slots[number]

    def _put(self, message: Outward, due: float) -> None:
        heapq.heappush(self._waiting, (due, next(self._order), message))
        self._set()

    def _set(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(self._waiting[0][0], self._leave) if self._waiting else None

    def _leave(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._waiting and self._waiting[0][0] <= now:
            self._send(heapq.heappop(self._waiting)[2])
        self._timer = None
        self._set()
