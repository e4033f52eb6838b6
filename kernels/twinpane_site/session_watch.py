"""Keeps a running agent to its stewards' stops of sessions, and writes what its sessions use. The ledger says what was stopped.

Both go by the clock alone: when and how often depends on nothing that runs inside.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from .errors import SiteError
from .ledger import Ledger
from .ledger_events import LedgerEvent
from .session_figures import Figures, FiguresTable

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Seconds between two looks for sessions that were stopped."""
MEASURE_S = 5.0
"""Seconds between two measurements."""


class Measured(Protocol):
    """What it needs of a session."""

    def figures(self) -> Figures:
        """What it uses now. Called in a thread."""


class AtWork(Protocol):
    """What it needs of the agent."""

    def stop(self, session: str) -> None:
        """End a session, if it is open. Raises SiteError where that cannot be written: it is tried again."""

    def running(self) -> Sequence[Measured]:
        """The open sessions."""


class SessionWatch:
    """The agent's look at what stewards stopped. A session is never opened again, so that lines of earlier lives stop nothing anew."""

    def __init__(self, ledger: Ledger, table: FiguresTable, agent: AtWork, clock: Callable[[], datetime]) -> None:
        self._ledger, self._table, self._agent, self._clock = ledger, table, agent, clock
        self._known = 0

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._stops())
            both.create_task(self._figures())

    async def _stops(self) -> None:
        while True:
            try:
                self.look()
            except SiteError as error:
                log.error("%s This is tried again.", error)
            await asyncio.sleep(LOOK_S)

    async def _figures(self) -> None:
        while True:
            await asyncio.sleep(MEASURE_S)
            try:
                await self.measure()
            except Exception:  # no figure is worth the agent
                log.exception("what sessions use is not written")

    def look(self) -> None:
        """Have the agent end what was stopped since the last look. Raises SiteError."""
        for entry in self._ledger.entries(LedgerEvent.session_stopped, after=self._known):
            self._agent.stop(str(entry.body["session"]))
            self._known = entry.seq

    async def measure(self) -> None:
        """Write what every open session uses. Raises SiteError."""
        sessions = self._agent.running()
        self._table.put(await asyncio.to_thread(lambda: [session.figures() for session in sessions]), self._clock())
