"""How a running agent keeps to a freeze, and goes on after it. The ledger says whether the site is frozen; the agent looks there.

The ledger itself takes no evidence of a crossing while the site is frozen, so nothing new can leave. Two things remain for the agent:
crossings that were on their way already are stopped at the link, and no question reaches the broker, which would count it as answered.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from twinpane_broker import Plan
from twinpane_wire import messages as wire

from .errors import SiteError
from .ledger import Ledger
from .ledger_events import LedgerEvent

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Seconds between two looks whether a freeze is over. Its beginning needs none: each crossing asks as it leaves."""

T = TypeVar("T")


class FreezeWatch:
    """The agent's look at its site's freeze."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def frozen(self) -> bool:
        """Whether the site is frozen; so it counts while nobody can tell."""
        try:
            return self._ledger.frozen()
        except SiteError as error:
            log.error("nothing leaves: %s", error)
            return True

    def asking(self, ask: Callable[[wire.Principal, Plan], Awaitable[T]]) -> Callable[[wire.Principal, Plan], Awaitable[T]]:
        """``ask``, but a question waits for the end of a freeze."""

        async def asked(principal: wire.Principal, plan: Plan) -> T:
            while self.frozen():
                await asyncio.sleep(LOOK_S)
            return await ask(principal, plan)

        return asked

    async def run(self, go_on: Callable[[], Awaitable[None]]) -> None:
        """Until cancelled: when a freeze is over, go on with what it stopped. However short it was: its end is a line of the ledger."""
        known = self._ended(0)
        while True:
            await asyncio.sleep(LOOK_S)
            ended = self._ended(known)
            if ended > known:
                known = ended
                try:
                    await go_on()
                except Exception:
                    log.exception("not all that a freeze stopped goes on")

    def _ended(self, known: int) -> int:
        """The number of the line that ended the latest freeze; what is known already, where nobody can tell."""
        try:
            entry = self._ledger.last(LedgerEvent.unfrozen)
        except SiteError as error:
            log.error("%s", error)
            return known
        return entry.seq if entry else 0
