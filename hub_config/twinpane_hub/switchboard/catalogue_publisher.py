"""Limit what one site publishes: some catalogues at once, further ones slowly. For each project only the newest waits."""

import asyncio

from twinpane_wire.messages import Catalogued

from .router import Agent, Router
from .token_bucket import TokenBucket

CATALOGUES, CATALOGUE_S = 4, 30.0
"""Catalogues that a site may publish at once, besides two for each of its projects; and seconds for each further one."""


class CataloguePublisher:
    """The catalogues of one agent's link, on their way to the router."""

    def __init__(self, agent: Agent, router: Router) -> None:
        self._agent = agent
        self._router = router
        self._waiting: dict[str, Catalogued] = {}
        self._some = asyncio.Event()
        self._free_at = 0.0
        self._pace = TokenBucket(CATALOGUES + 2 * len(router.directory().projects_of_site(agent.site)), 1 / CATALOGUE_S)

    def put(self, catalogued: Catalogued) -> None:
        """Publish now, or when it is the site's turn again. A catalogue that the site may not publish is dropped and counted."""
        now = asyncio.get_running_loop().time()
        if now >= self._free_at or not self._router.may_publish(self._agent, catalogued):
            self._publish(catalogued)
            return
        self._waiting[catalogued.project] = catalogued
        self._some.set()

    async def run(self) -> None:
        """Publish waiting catalogues, each when it is due, until cancelled."""
        while True:
            await self._some.wait()
            await asyncio.sleep(self._free_at - asyncio.get_running_loop().time())
            if project := next(iter(self._waiting), None):
                self._publish(self._waiting[project])
            if not self._waiting:
                self._some.clear()

    def _publish(self, catalogued: Catalogued) -> None:
        now = asyncio.get_running_loop().time()
        self._free_at = now + self._pace.wait(1, now)
        self._waiting.pop(catalogued.project, None)
        self._router.publish(self._agent, catalogued)
