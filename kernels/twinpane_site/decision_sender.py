"""Sends reviewers' decisions. The process of the pages puts decisions in the outbox, and the agent looks there.

It looks once a second, whatever else happens. So only the clock and the reviewers determine when a decision leaves.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from twinpane_wire import messages as wire

from .errors import StoreError
from .glass import Glass
from .mailbox import Mailbox

log = logging.getLogger(__name__)

LOOK_S = 1.0


class DecisionSender:
    """The agent's look at its outbox. ``sessions`` gives the open sessions and whose they are."""

    def __init__(self, mailbox: Mailbox, glass: Glass, sessions: Callable[[], Mapping[str, wire.Principal]]) -> None:
        self._mailbox = mailbox
        self._glass = glass
        self._sessions = sessions
        self._seen = mailbox.last_posted()

    async def run(self) -> None:
        """Look until cancelled, on every full second."""
        while True:
            await asyncio.sleep(LOOK_S - time.time() % LOOK_S)
            self.look()

    def look(self) -> None:
        """Send new decisions to the session that asked, or, if it is closed, to the author's open sessions."""
        try:
            found = self._mailbox.exports_after(self._seen)
        except StoreError as error:
            log.exception("%s", error)
            return
        for seq, principal, export in found:
            self._seen = seq
            sessions = self._sessions()
            own = [export.session] if export.session in sessions else [each for each, whose in sessions.items() if whose == principal]
            for session in own:
                self._glass.deliver(export, session)
