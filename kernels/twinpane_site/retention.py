"""Deletes old content of a site, a little at a time, and gives the space back to the disk.

Held outputs and messages of closed sessions go after ``[held] days``. All that a closed session sent and that is not code goes after a day.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from .config import HeldPolicy
from .db import Database
from .errors import StoreError
from .held import HeldStore
from .ledger import Ledger
from .ledger_events import LedgerEvent
from .mailbox import Mailbox

log = logging.getLogger(__name__)

BULK_AFTER = timedelta(days=1)
"""Files pushed with the cells of a closed session, and all else that is not code."""
EACH_S = 3600.0
PAUSE_S = 0.05
"""Between two pieces of work: messages are taken in meanwhile."""


def delete_old(policy: HeldPolicy, ledger: Ledger, held: HeldStore, mailbox: Mailbox, now: datetime) -> Iterator[int]:
    """Delete old content piece by piece, each piece with its line in the ledger; yields how many cells or messages were deleted.

    Raises StoreError where the ledger cannot be written: then nothing of that piece is deleted.
    """
    before = now - timedelta(days=policy.days)
    room = mailbox.room
    kinds = (
        ("held", held.purge, before), ("inbox", room.forget_some, before), ("outbox", mailbox.give_up, before),
        ("bulk", room.strip_some, now - BULK_AFTER),
    )  # fmt: skip
    for what, delete, since in kinds:
        while True:
            with ledger.transaction():
                gone = delete(since)
                if gone:
                    ledger.append(LedgerEvent.purged, {"what": what, "older_than": since.isoformat(timespec="seconds"), "count": gone}, now)
            if not gone:
                break
            yield gone


class Retention:
    """Deletes old content and gives back the space, every hour while the site runs."""

    def __init__(
        self, policy: HeldPolicy, db: Database, ledger: Ledger, held: HeldStore, mailbox: Mailbox, clock: Callable[[], datetime]
    ) -> None:
        self._policy, self._db, self._ledger, self._held, self._mailbox, self._clock = policy, db, ledger, held, mailbox, clock

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.once()
            except StoreError as error:
                log.exception("%s", error)
            await asyncio.sleep(EACH_S)

    async def once(self) -> None:
        """Delete all that is old and give all free space back. Raises StoreError."""
        for _ in delete_old(self._policy, self._ledger, self._held, self._mailbox, self._clock()):
            await asyncio.sleep(PAUSE_S)
        while self._db.give_back():
            await asyncio.sleep(PAUSE_S)
