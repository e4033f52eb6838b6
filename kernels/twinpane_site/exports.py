"""The agent's interface to the egress review: the agent hands in requests, and decisions come back through the glass."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from twinpane_wire import messages as wire

from .errors import StoreError

log = logging.getLogger(__name__)

RETRY_S = 3.0
T = TypeVar("T")


class Kind(StrEnum):
    """The kind of content that an asked item has inside."""

    held = "held"
    file = "file"
    nothing = "nothing"
    damaged = "damaged"
    """Something is held, and cannot be read any more."""


@dataclass(frozen=True)
class Source:
    """The source of an asked item's bytes: an open file, never its content. ``sha256`` and ``bytes`` describe the held content."""

    kind: Kind
    descriptor: int | None = None
    sha256: str = ""
    bytes: int = 0

    def close(self) -> None:
        """Close the descriptor."""
        if self.descriptor is not None:
            with suppress(OSError):
                os.close(self.descriptor)


@dataclass(frozen=True)
class Asked:
    """A request as the agent hands it in: the ask, and a way to get its bytes when its turn comes."""

    author: str
    project: str
    ask: wire.ExportAsk
    """Without twins, and with the code that ran here in place of the code that the outside says it was."""
    message: Callable[[], bytes]
    """The message as it was stored, twins and all."""
    sources: Callable[[], Sequence[Source]]
    """One for each item of the ask, for the caller to close."""


class Exports(Protocol):
    """The review, as the agent knows it. `twinpane_review` implements it."""

    async def admits(self, author: str, project: str, ask: wire.ExportAsk) -> bool:
        """Whether a request may be handed in, so that people decide. If False, the author has been told.

        Ask when it arrives, before anything inside is looked at or waited for: when a machine's answer comes tells of nothing but the ask.
        """

    async def submit(self, asked: Asked) -> None:
        """Take in a request; waits until the disk takes it. It is durable on return. A second one with the same id changes nothing.

        Raises SiteError if the request belongs to another author.
        """


async def until_stored(write: Callable[[], T]) -> T:
    """Call ``write`` in a thread until the disk takes it; it may be called many times."""
    while True:
        try:
            return await asyncio.to_thread(write)
        except StoreError as error:
            log.exception("%s", error)
            await asyncio.sleep(RETRY_S)
