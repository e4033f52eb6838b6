"""Hands in export requests. It waits for the cells that they name, and opens the asked items when their turn comes.

A waiting request keeps no bytes of its message in memory; they stay on the disk until then.
"""

import logging
from collections.abc import Awaitable, Callable

from twinpane_wire import messages as wire

from .errors import SiteError
from .exports import Asked, Exports, Kind, Source
from .held import HeldStore
from .mailbox import Mailbox
from .volume import Volume

log = logging.getLogger(__name__)

Ended = Callable[[str, int | None], Awaitable[None]]
"""Waits for the end of a session's cell, or of all its cells so far: a file is what the cells before the request made of it."""


class ExportSubmission:
    """Brings a request from the link to the review."""

    def __init__(
        self, exports: Exports, mailbox: Mailbox, held: HeldStore, volume: Callable[[wire.Principal], Volume], ended: Ended
    ) -> None:
        self._exports = exports
        self._mailbox = mailbox
        self._held = held
        self._volume = volume
        self._ended = ended

    async def take(self, principal: wire.Principal, n: int, ask: wire.ExportAsk) -> None:
        """Hand in the request that is the session's message ``n``."""
        bare = ask.model_copy(update={"items": tuple(item.model_copy(update={"twins": (), "source": ""}) for item in ask.items)})
        del ask
        if not await self._exports.admits(principal.user, principal.project, bare):
            return
        for item in bare.items:
            await self._ended(bare.session, item.cell)
        try:
            await self._exports.submit(
                Asked(
                    principal.user, principal.project, self._with_sources(bare), lambda: self._mailbox.raw(bare.session, n),
                    lambda: tuple(self._open(principal, bare.session, item) for item in bare.items),
                )
            )  # fmt: skip
        except SiteError as error:
            log.exception("%s", error)

    def _with_sources(self, ask: wire.ExportAsk) -> wire.ExportAsk:
        """Add the code that ran here, so that reviewers can read it even after a restart or the end of the session."""
        items = []
        for item in ask.items:
            source = self._mailbox.source(ask.session, item.cell) if item.cell is not None else ""
            items.append(item.model_copy(update={"source": source}))
        return ask.model_copy(update={"items": tuple(items)})

    def _open(self, principal: wire.Principal, session: str, item: wire.ExportItem) -> Source:
        if item.cell is None:
            descriptor = self._volume(principal).open(str(item.path))
            return Source(Kind.nothing) if descriptor is None else Source(Kind.file, descriptor)
        try:
            opened = self._held.open(session, item.cell)
        except SiteError as error:
            log.exception("%s", error)
            return Source(Kind.damaged)
        if opened is None:
            return Source(Kind.nothing)
        held, descriptor = opened
        return Source(Kind.held, descriptor, held.sha256, held.bytes)
