"""Submissions: the agent hands in requests here. Each is tried once, in a worker. Items that could not be made are set aside.

Nothing that leaves shows what a request costs, or whether its items could be made. The author first hears of it when people have decided.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from twinpane_site.attempt_log import AttemptLog
from twinpane_site.exports import Asked, until_stored
from twinpane_wire.messages import ExportAsk

from .item_pairs import ItemPairs
from .open_request_limit import OpenRequestLimit
from .review import Review
from .worker_runner import WorkerRunner

log = logging.getLogger(__name__)


class Submissions:
    """The agent's interface to a review in which people decide; see `twinpane_site.exports.Exports`."""

    def __init__(
        self, review: Review, limit: OpenRequestLimit, runner: WorkerRunner, attempts: AttemptLog, clock: Callable[[], datetime]
    ) -> None:
        self.review = review
        self._limit = limit
        self._runner = runner
        self._attempts = attempts
        self._clock = clock
        self._under_way: set[str] = set()

    def close(self) -> None:
        """End the worker at work."""
        self._runner.close()

    async def admits(self, author: str, project: str, ask: ExportAsk) -> bool:
        """Whether the author has room for one more open request; told to the author where not, as soon as the disk takes it."""
        return await until_stored(lambda: self._limit.admits(author, project, ask))

    async def submit(self, asked: Asked) -> None:
        """Take a request in; the same one again is no second request. Raises ReviewError for an id that is another author's."""
        ask = asked.ask
        if ask.request in self._under_way or self.review.has(asked.author, asked.project, ask.request):
            return
        self._under_way.add(ask.request)
        try:
            await self._submit(asked, f"request:{ask.request}")
        finally:
            self._under_way.discard(ask.request)

    async def _submit(self, asked: Asked, mark: str) -> None:
        made: Mapping[int, ItemPairs] = {}
        if not self._attempts.fatal(mark):
            await until_stored(lambda: self._attempts.begin(mark, self._clock()))
            made = await self._runner.make(asked)
        await until_stored(lambda: self.review.submit(asked.author, asked.project, asked.ask, made))
        await until_stored(lambda: self._attempts.done(mark))
