"""Deletes what an ended project left inside, some days after its end, with a line of the ledger before each kind of it goes.

Its volumes, held outputs, messages and items under review go. What was released stays remembered: the broker's memory, the meter, the
ledger, and the record of who decided what. What could not be deleted is tried again, with another line.
"""

import asyncio
import logging
import shutil
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from .errors import SiteError
from .ledger import Ledger
from .ledger_events import LedgerEvent
from .projects import Projects

log = logging.getLogger(__name__)

EACH_S = 3600.0
PAUSE_S = 0.05
"""Between two pieces of work: messages are taken in meanwhile."""

Rows = Mapping[str, Callable[[str], int]]
"""By kind: deletes some records of a project; returns how many, 0 when all are gone."""
Places = Mapping[str, Callable[[str], Iterable[Path]]]
"""By kind: the folders of a project."""


class EndedProjects:
    """The rule of one site. ``days``: after a project's end."""

    def __init__(self, projects: Projects, ledger: Ledger, days: int, rows: Rows, places: Places, clock: Callable[[], datetime]) -> None:
        self._projects, self._ledger, self._days, self._rows, self._places, self._clock = projects, ledger, days, rows, places, clock

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.once()
            except SiteError as error:
                log.error("%s", error)
            await asyncio.sleep(EACH_S)

    async def once(self) -> None:
        """Delete all that is due. Raises StoreError where the ledger cannot be written: then nothing of that kind is deleted."""
        before = self._clock() - timedelta(days=self._days)
        for project in self._projects.ended(before):
            for what, delete in self._rows.items():
                while self._some(project, what, delete, before):
                    await asyncio.sleep(PAUSE_S)
            for what, find in self._places.items():
                if found := [place for place in find(project) if place.exists()]:
                    self._note(project, what, len(found), before)
                    await asyncio.to_thread(_remove, found)

    def _some(self, project: str, what: str, delete: Callable[[str], int], before: datetime) -> int:
        with self._ledger.transaction():
            gone = delete(project)
            if gone:
                self._note(project, what, gone, before)
        return gone

    def _note(self, project: str, what: str, count: int, before: datetime) -> None:
        body = {"what": what, "project": project, "older_than": before.isoformat(timespec="seconds"), "count": count}
        self._ledger.append(LedgerEvent.purged, body, self._clock())


def _remove(places: Iterable[Path]) -> None:
    """Delete folders with all that kernels put there: no link in them is followed."""
    for place in places:
        try:
            shutil.rmtree(place)
        except OSError as error:
            log.error("%s of an ended project is not deleted and is tried again: %s", place, error.strerror or error)
