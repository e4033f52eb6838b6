"""Bring what came from sites into the hub's store, beside the links: the database may be slow, and no link waits for it."""

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime

from sqlalchemy import Engine

from twinpane_hub.network.database import StoreError
from twinpane_hub.network.from_sites import keep_answer, note

from .router import Router

log = logging.getLogger(__name__)
EVERY_S = 2.0
"""Seconds between two looks for what is to be kept."""
BEATS = 10
"""Looks after which it is noted again who is here, and how many crossings came."""


class Recorder:
    """Keeps what a router collected."""

    def __init__(self, router: Router, engine: Engine) -> None:
        self._router = router
        self._engine = engine

    async def run(self) -> None:
        """Go on until cancelled. What cannot be written is tried again at the next look."""
        beat = 0
        while True:
            await self.keep(counts=beat % BEATS == 0)
            beat += 1
            await asyncio.sleep(EVERY_S)

    async def keep(self, counts: bool) -> None:
        """Write sites' words on projects, and with ``counts`` who is here and what came."""
        router = self._router
        try:
            for key, standing in list(router.standings.items()):
                await asyncio.to_thread(keep_answer, self._engine, datetime.now(UTC), key[0], standing)
                if router.standings.get(key) is standing:  # the site may have said something else meanwhile
                    del router.standings[key]
            if counts:
                came = Counter(router.crossings)
                await asyncio.to_thread(note, self._engine, datetime.now(UTC), router.online, came)
                router.crossings -= came
        except StoreError as error:
            log.error("what came from sites is not kept yet: %s", error)
