"""What the agent needs of the egress review: it hands requests in. Decisions come back through the glass."""

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
    """What lies inside of an asked item."""

    held = "held"
    file = "file"
    nothing = "nothing"
    damaged = "damaged"
    """Something is held, and cannot be read any more."""


@dataclass(frozen=True)
class Source:
    """Where the bytes of an asked item can be read: an open file, never its content. ``sha256`` and ``bytes`` are of what is held."""

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
    """A request as the agent hands it in: the ask, and how to come by its bytes when its turn comes."""

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

    attended: bool
    """Whether people decide. Where a machine answers, it is asked before anything inside is looked at or waited for: when its answer
    comes tells of nothing but the ask."""

    async def admits(self, author: str, project: str, ask: wire.ExportAsk) -> bool:
        """Whether a request may be handed in; asked once it has arrived, before anything else. Where not, its author has been told."""

    async def submit(self, asked: Asked) -> None:
        """Take a request in, durable on return, as soon as the disk takes it; a second one of the same id changes nothing.

        Raises SiteError for a request that is another's.
        """


async def until_stored(write: Callable[[], T]) -> T:
    """Do what writes to the disk in a thread, as soon as the disk takes it; the ``write`` may be called again and again."""
    while True:
        try:
            return await asyncio.to_thread(write)
        except StoreError as error:
            log.exception("%s", error)
            await asyncio.sleep(RETRY_S)
