"""The review of a site as its agent runs it: the requests it hands in, and the pages that reviewers open."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import uvicorn

from twinpane_site.config import Site
from twinpane_site.db import Database
from twinpane_site.exports import Asked, until_stored
from twinpane_site.keys import SiteKey
from twinpane_site.kinds import Kind
from twinpane_site.ledger import Ledger
from twinpane_site.trying import Trying
from twinpane_wire.messages import Export, ExportAsk, ExportState

from .app import CALLBACK, Settings, create_app
from .desk import Desk
from .identity import HubIdentity
from .model import ReviewPolicy
from .review import Review
from .workshop import Workshop

log = logging.getLogger(__name__)

NEEDED = ("TWINPANE_REVIEW_CLIENT_ID", "TWINPANE_REVIEW_CLIENT_SECRET", "TWINPANE_HUB_PUBLIC_URL")
"""What the hub's administrator gives a site, so that reviewers can sign in; ``TWINPANE_HUB_API_URL`` where the site reaches the hub
at another address than browsers do."""


class Unattended:
    """The review of a site whose policy names no reviewers: nobody could decide, so the author is told at once."""

    attended = False

    def __init__(self, db: Database, ledger: Ledger, send: Callable[[Export], None], clock: Callable[[], datetime]) -> None:
        self._db, self._ledger, self._send, self._clock = db, ledger, send, clock

    async def submit(self, asked: Asked) -> None:
        """Turn the request down, whatever it asks for, as soon as the disk takes it."""
        await until_stored(lambda: self._turn_down(asked.author, asked.project, asked.ask))

    def _turn_down(self, author: str, project: str, ask: ExportAsk) -> None:
        """Evidence and crossing in one transaction."""
        remark = "This site has named no reviewers, so it lets nothing out. Ask its steward."
        export = Export(session=ask.session, request=ask.request, state=ExportState.rejected, remark=remark)
        body = {
            "request": ask.request, "session": ask.session, "user": author, "project": project, "state": export.state.value,
            "items": [], "remark": remark,
        }  # fmt: skip
        with self._db.transaction():
            self._ledger.append(Kind.export, body, self._clock())
            self._send(export)


@dataclass(frozen=True)
class Opened:
    """The two sides of a site's review: what the agent calls, and the pages."""

    exports: Desk | Unattended
    site: Site
    environment: Mapping[str, str]

    def close(self) -> None:
        """End what makes requests readable."""
        if isinstance(self.exports, Desk):
            self.exports.close()

    async def pages(self) -> None:
        """Serve the pages until cancelled; waits for ever where the site has none."""
        address = self.site.config.review
        missing = [name for name in NEEDED if not self.environment.get(name)]
        if address is None or isinstance(self.exports, Unattended) or missing:
            if address is not None:
                log.warning("no review pages: %s", f"set {', '.join(missing)}" if missing else "policy.toml names no reviewers")
            await asyncio.Event().wait()
            return
        public = address.public_url.rstrip("/")
        identity = HubIdentity(
            self.environment["TWINPANE_HUB_PUBLIC_URL"], self.environment["TWINPANE_REVIEW_CLIENT_ID"],
            self.environment["TWINPANE_REVIEW_CLIENT_SECRET"], public + CALLBACK, api=self.environment.get("TWINPANE_HUB_API_URL", ""),
        )  # fmt: skip
        app = create_app(self.exports.review, identity, Settings(public, self.site.config.title or self.site.config.id))
        config = uvicorn.Config(
            app, host=address.host, port=address.port, lifespan="off", access_log=False, server_header=False, log_config=None,
            timeout_graceful_shutdown=2,
        )  # fmt: skip
        server = _Server(config)
        try:
            await server.serve()
        finally:
            server.should_exit = True


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the agent."""
        yield


def open_review(
    site: Site, db: Database, ledger: Ledger, key: SiteKey, trying: Trying, send: Callable[[Export], None], clock: Callable[[], datetime]
) -> Opened:
    """The review of a site folder, with what was decided and not carried out before a crash carried out now. Call from the main thread."""
    policy = site.policy.review
    if not policy.reviewers:
        return Opened(Unattended(db, ledger, send, clock), site, os.environ)
    rules = ReviewPolicy(policy.reviewers, policy.quorum, site.policy.rules.threshold, site.policy.digest())
    review = Review(db, ledger, key, site.config.id, rules, send, clock)
    for problem in review.resume():
        log.error("%s", problem)
    return Opened(Desk(review, Workshop(), trying, clock), site, os.environ)
