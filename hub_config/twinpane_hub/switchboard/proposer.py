"""Tell a site each project that names it: all of them when it joins, and then each whenever it changes. A site decides for itself."""

import asyncio
import logging
from collections.abc import Callable, Iterator

from pydantic import ValidationError

from twinpane_hub.network.proposals import proposal
from twinpane_hub.projects import Directory
from twinpane_wire.messages import Proposal, Proposed, Standpoint, encode

from .fair_queue import FairQueue

log = logging.getLogger(__name__)
LANE = "proposals"
EVERY_S = 2.0
"""Seconds between two looks for what changed."""


class Proposer:
    """What one site's link was told."""

    def __init__(self, site: str, directory: Callable[[], Directory]) -> None:
        self._site = site
        self._directory = directory
        self._told: dict[str, Proposal] = {}

    async def run(self, lanes: FairQueue) -> None:
        """Go on for as long as the link stands. What the link has no room for is told at a later look."""
        while True:
            for asked in list(self._due()):
                if not lanes.put(LANE, encode(Proposed(proposal=asked))):
                    break
                self._told[asked.project] = asked
            await asyncio.sleep(EVERY_S)

    def _due(self) -> Iterator[Proposal]:
        """What differs from what was told. A project that does not name the site any more has ended for it."""
        wanted = dict(self._wanted())
        yield from (asked for name, asked in wanted.items() if self._told.get(name) != asked)
        for name, asked in self._told.items():
            if name not in wanted and asked.standpoint is not Standpoint.ended:
                yield asked.model_copy(update={"standpoint": Standpoint.ended})

    def _wanted(self) -> Iterator[tuple[str, Proposal]]:
        for name, project in self._directory().projects.items():
            if self._site in project.sites:
                try:
                    yield name, proposal(name, project)
                except ValidationError:
                    log.error("project %s asks for more than a site can be asked for, so it is not proposed", name)
