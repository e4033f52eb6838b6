"""Keeps a running agent to the site's projects: a change holds within seconds, and nothing is started anew.

First the sessions of who may not work any more end, then the broker learns of new projects, then these get their catalogue, and last the
hub is told what the steward decided on what it proposed. What cannot be done now is tried again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from twinpane_wire import messages as wire

from .config import Project
from .errors import SiteError
from .glass import Glass
from .projects import Projects
from .proposal_inbox import MOST, ProposalInbox

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Seconds between two looks at the projects."""
AGAIN_S = 30.0
"""Seconds until the broker is asked again to serve what it could not."""


class AtWork(Protocol):
    """What it needs of the agent."""

    def keep_to_projects(self) -> None:
        """End the sessions of who is not admitted any more, and those of projects that see other data than when they were opened."""

    def name(self, project: str) -> bool:
        """The hub names one more project on the link that is up; False where it had done so before."""

    def publish(self, projects: Collection[str]) -> None:
        """Publish the catalogue to these projects, where the hub names them."""


class ProjectWatch:
    """``serve`` has the broker answer for these projects, and no others; it has done so for those that work when this is made."""

    def __init__(
        self, projects: Projects, inbox: ProposalInbox, glass: Glass, serve: Callable[[Collection[Project]], Awaitable[None]], agent: AtWork
    ) -> None:
        self._projects, self._inbox, self._glass, self._serve, self._agent = projects, inbox, glass, serve, agent
        self._served = projects.working()
        self._proposed: dict[str, wire.Proposal] = {}
        """What the hub proposed on this link, by project; the newest, until the next look."""
        self._asked: set[str] = set()
        self._named: set[str] = set()
        """Projects that it named on this link after it was up, until they were published to."""
        self._told: dict[str, str] = {}

    def joined(self) -> None:
        """The link is up: what was told on the last one may have been lost."""
        self._proposed.clear()
        self._asked.clear()
        self._named.clear()
        self._told.clear()

    def proposed(self, proposal: wire.Proposal) -> None:
        """The hub proposes a project, or says it anew. It is written at the next look: so seldom, however often a hub says it."""
        if proposal.project in self._asked or len(self._asked) < MOST:
            self._asked.add(proposal.project)
            self._proposed[proposal.project] = proposal
            if proposal.standpoint is wire.Standpoint.open and self._agent.name(proposal.project):
                self._named.add(proposal.project)

    async def run(self) -> None:
        """Until cancelled. Making a broker's store takes long on large data, and nobody who is removed stays in for so long."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._again_and_again(self.look, LOOK_S))
            both.create_task(self._again_and_again(self.serve, AGAIN_S))

    @staticmethod
    async def _again_and_again(work: Callable[[], Awaitable[None]], pause: float) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await work()
            except SiteError as error:
                log.error("%s This is tried again.", error)
                await asyncio.sleep(pause)

    async def look(self) -> None:
        """One look: who may work, and what the hub is to be told. Raises SiteError."""
        while self._proposed:
            self._inbox.take(self._proposed.popitem()[1])
        self._agent.keep_to_projects()
        served = {project.id for project in self._served}
        for kept in self._projects.all():
            name, standing = kept.project.id, kept.standing
            waits = kept.state is wire.ProjectState.accepted and name not in served
            if name in self._asked and not waits and self._told.get(name) != standing.digest():
                self._glass.standing(standing)
                self._told[name] = standing.digest()

    async def serve(self) -> None:
        """Have the broker serve the projects that work now, and publish to the new ones, the newly named, and those that see other data.

        Raises SiteError.
        """
        working = self._projects.working()
        before = {project.id: project for project in self._served}
        if working != self._served:
            await self._serve(working)
            self._served = working
        named, self._named = self._named, set()
        self._agent.publish([one.id for one in working if one.id in named or one.id not in before or not one.sees_as(before[one.id])])
