"""The review of a site as its agent runs it: the requests it hands in, and the process that serves reviewers' pages."""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from twinpane_site.acceptance import published
from twinpane_site.attempt_log import AttemptLog
from twinpane_site.config import ReviewAddress, Site
from twinpane_site.db import Database
from twinpane_site.keys import SiteKey
from twinpane_site.ledger import Ledger
from twinpane_site.parts.part import start_part
from twinpane_site.parts.port import Port, PortError
from twinpane_site.reviewers import Reviewers
from twinpane_wire.address import stays_private
from twinpane_wire.messages import Export

from .model import ReviewPolicy
from .open_request_limit import OpenRequestLimit
from .pages_settings import PagesSettings
from .review import Review
from .submissions import Submissions
from .worker_runner import WorkerRunner

log = logging.getLogger(__name__)

NEEDED = ("TWINPANE_REVIEW_CLIENT_ID", "TWINPANE_REVIEW_CLIENT_SECRET", "TWINPANE_HUB_PUBLIC_URL")
"""What the hub's administrator gives a site, so that reviewers can sign in; ``TWINPANE_HUB_API_URL`` where the site reaches the hub
at another address than browsers do."""

PAGES = "twinpane_review.pages_process"
LIMITS = {"RLIMIT_DATA": 2**30, "RLIMIT_NOFILE": 2048, "RLIMIT_CORE": 0}
"""Of the pages' process."""
NICENESS = 5
"""Pages give way to what acknowledges."""
PAUSE_S, LONGEST_S = 1.0, 60.0
"""Before the pages are started again: at first, and after many times."""


@dataclass(frozen=True)
class Opened:
    """The two sides of a site's review: what the agent calls, and the pages."""

    exports: Submissions
    policy: ReviewPolicy
    site: Site
    environment: Mapping[str, str]

    def close(self) -> None:
        """End what makes requests readable."""
        self.exports.close()

    def resume(self) -> None:
        """Carry out what was decided and could not be: after a crash, or a freeze."""
        for problem in self.exports.review.resume():
            log.error("%s", problem)

    async def pages(self) -> None:
        """Keep the process of the pages alive until cancelled; waits for ever where the site has none."""
        address = self.site.config.review
        if address is None:
            await asyncio.Event().wait()
            return
        order = self._order(address)
        pause = PAUSE_S
        while True:
            began = asyncio.get_running_loop().time()
            await _run_pages(order)
            if asyncio.get_running_loop().time() - began > LONGEST_S:
                pause = PAUSE_S
            log.error("the review pages ended; they are started again in %g s", pause)
            await asyncio.sleep(pause)
            pause = min(LONGEST_S, pause * 2)

    def _order(self, address: ReviewAddress) -> PagesSettings:
        meter = self.site.policy.meter
        order = PagesSettings(
            folder=str(self.site.folder.resolve()), site=self.site.config.id, title=self.site.config.title or self.site.config.id,
            host=address.host, port=address.port, public_url=address.public_url.rstrip("/"), policy=self.policy,
            published=published(self.site.catalogue), day_bits=meter.day_bits, total_bits=meter.total_bits,
            hub="", hub_api="", client_id="", client_secret="",
        )  # fmt: skip
        return order.model_copy(update=self._hub()) if address.sign_in == "hub" else order

    def _hub(self) -> dict[str, str]:
        """How reviewers sign in through the hub; nothing where that cannot be: then the site's own accounts are all that signs in."""
        if missing := [name for name in NEEDED if not self.environment.get(name)]:
            log.warning("nobody signs in to the review pages through the hub: set %s", ", ".join(missing))
            return {}
        hub, hub_api = self.environment["TWINPANE_HUB_PUBLIC_URL"], self.environment.get("TWINPANE_HUB_API_URL", "")
        if not stays_private(hub_api or hub):
            log.error(
                "nobody signs in to the review pages through the hub: it is on another machine, and the site's secret goes there: give its "
                "address with https://"
            )
            return {}
        secret = {"client_id": "TWINPANE_REVIEW_CLIENT_ID", "client_secret": "TWINPANE_REVIEW_CLIENT_SECRET"}
        return {"hub": hub, "hub_api": hub_api, **{key: self.environment[name] for key, name in secret.items()}}


async def _run_pages(order: PagesSettings) -> None:
    """One life of the pages' process. The agent tells it what to serve, and hears nothing of it but its end."""
    try:
        part = start_part(PAGES, limits=LIMITS, niceness=NICENESS)
    except OSError as error:
        log.error("the review pages cannot be started: %s", error)
        return
    port = Port(part.end)
    try:
        await port.send_bulk({}, order.model_dump_json().encode())
        while (frame := await port.receive()) is not None:
            frame.close()
    except (OSError, PortError) as error:
        log.error("the review pages: %s", error)
    finally:
        port.close()
        part.kill()


def open_review(
    site: Site,
    db: Database,
    ledger: Ledger,
    key: SiteKey,
    attempts: AttemptLog,
    send: Callable[[Export], None],
    clock: Callable[[], datetime],
    reviewers: Reviewers,
) -> Opened:
    """The review of a site folder, with what was decided and not carried out before a crash carried out now. Call from the main thread."""
    policy = site.policy.review
    rules = ReviewPolicy(policy.reviewers, policy.quorum, site.policy.rules.threshold, site.policy.digest())
    review = Review(db, ledger, key, site.config.id, rules, send, clock, reviewers.now)
    limit = OpenRequestLimit(db, ledger, send, clock, policy.open_per_author, lambda: bool(reviewers.now()))
    opened = Opened(Submissions(review, limit, WorkerRunner(), attempts, clock), rules, site, os.environ)
    opened.resume()
    return opened
