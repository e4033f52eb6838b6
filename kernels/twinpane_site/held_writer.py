"""Writes a session's outputs to the held store, in parallel with everything else. No verdict waits for it. Lost outputs are noted."""

import asyncio
import logging

from .errors import HeldError, SiteError
from .glass import Glass
from .held import Held, HeldStore
from .inside_kernel import Kept
from .reader import reports

log = logging.getLogger(__name__)

WAITING = 2
"""Cells whose outputs may wait for the disk; of more, nothing is kept but the note that something was said."""
TRIES = 30
RETRY_S = 2.0
"""Seconds until what could not be written is tried again, so many times."""


class HeldWriter:
    """What one session's cells said, on its way to the held store."""

    def __init__(self, session: str, member: str, held: HeldStore, glass: Glass) -> None:
        """``member``: the member whose share of the store it uses."""
        self._session = session
        self._member = member
        self._held = held
        self._glass = glass
        self._under_way: dict[int, asyncio.Task[None]] = {}

    def room(self) -> int:
        """Bytes that the next cell's outputs may have."""
        try:
            return self._held.room(self._session, self._member)
        except SiteError as error:
            log.error("nothing can be held: %s", error)
            return 0

    def keep(self, cell: int, kept: Kept) -> None:
        """Take a cell's outputs, and close their descriptor in the end."""
        full = len(self._under_way) >= WAITING
        self._under_way[cell] = asyncio.get_running_loop().create_task(self._keep(cell, kept, full))

    async def done(self, cell: int) -> None:
        """Wait until a cell's outputs are held, or noted as lost."""
        if cell in self._under_way:
            await asyncio.wait({self._under_way[cell]})

    async def close(self) -> None:
        """Wait until all is held, or noted as lost."""
        if self._under_way:
            await asyncio.wait(self._under_way.values())

    async def _keep(self, cell: int, kept: Kept, full: bool) -> None:
        try:
            if full or kept.descriptor is None or not await self._tried(cell, kept, kept.descriptor):
                await asyncio.to_thread(self._note, cell, kept)
        except Exception:
            log.exception("outputs of cell %d of session %s cannot be held", cell, self._session)
        finally:
            kept.close()
            del self._under_way[cell]

    async def _tried(self, cell: int, kept: Kept, descriptor: int) -> bool:
        for _ in range(TRIES):
            try:
                await asyncio.to_thread(self._put, cell, kept.told, descriptor)
                return True
            except HeldError as error:
                log.error("%s", error)  # a kernel brings it about at will: one short line
                if error.full:
                    return False
            except SiteError as error:
                log.exception("%s", error)
            await asyncio.sleep(RETRY_S)
        return False

    def _put(self, cell: int, told: reports.Held, descriptor: int) -> None:
        held = Held(self._session, cell, self._glass.now(), told.sha256, told.outputs, told.bytes, told.dropped)
        self._glass.held(self._held.take(held, self._member, descriptor))

    def _note(self, cell: int, kept: Kept) -> None:
        lost = max(1, kept.told.outputs + kept.told.dropped)
        self._glass.held(self._held.note_lost(self._session, cell, self._member, lost, self._glass.now()))
