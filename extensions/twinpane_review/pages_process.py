"""``python -m twinpane_review.pages_process``: the review pages of a site, as a process of their own beside the agent.

Strangers can reach this process, and no other process of the site. It shares the site's folder with the agent. It writes decisions to the
database with their evidence, and the agent finds them in the outbox. Load on the pages delays no acknowledgement.
"""

import asyncio
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

from twinpane_ground import json_lines
from twinpane_site import keys
from twinpane_site.config import KEYS
from twinpane_site.db import Database
from twinpane_site.errors import SiteError
from twinpane_site.ledger import Ledger
from twinpane_site.mailbox import Mailbox
from twinpane_site.meter import Budget
from twinpane_site.parts.part import own_end
from twinpane_site.parts.port import BlockingPort
from twinpane_site.projects import Projects
from twinpane_site.reviewers import Reviewers
from twinpane_wire.connection_limiter import Bounds
from twinpane_wire.log_limiter import limit_log
from twinpane_wire.messages import Export
from twinpane_wire.uvicorn_server import Guarded, serving

from .app import CALLBACK, Settings, create_app
from .identity import HubIdentity
from .pages_settings import SIZE, PagesSettings
from .review import Review
from .security_middleware import BODY_BYTES
from .steward.desk import Desk

log = logging.getLogger(__name__)

BOUNDS = Bounds(connections=256, strangers=128, each=32, seconds=10, served=60)


def _now() -> datetime:
    return datetime.now(UTC)


def opened(order: PagesSettings, db: Database) -> tuple[Review, Desk]:
    """Review and steward's desk on a connection of their own. What is decided is put in the outbox; the agent sends it."""
    key = keys.load(Path(order.folder) / KEYS)
    ledger, mailbox = Ledger(db, key), Mailbox(db)

    def post(export: Export) -> None:
        mailbox.post(export, _now())

    reviewers = Reviewers(db, ledger, _now)
    desk = Desk(db, ledger, Projects(db, ledger, _now), order.published, Budget(order.day_bits, order.total_bits), _now, reviewers)
    return Review(db, ledger, key, order.site, order.policy, post, _now, reviewers.now), desk


def identity_of(order: PagesSettings) -> HubIdentity | None:
    """The hub's sign-in, where the steward lets reviewers use it."""
    if not order.hub:
        return None
    return HubIdentity(order.hub, order.client_id, order.client_secret, order.public_url + CALLBACK, api=order.hub_api)


async def serve(order: PagesSettings) -> None:
    """Serve the pages until this process is ended. Raises SiteError, OSError where they cannot be served."""
    db = Database.open(Path(order.folder))
    app = create_app(*opened(order, db), identity_of(order), Settings(order.public_url, order.title))
    try:
        async with serving(Guarded(app, BOUNDS, body=BODY_BYTES), order.host, order.port):
            await asyncio.Event().wait()
    finally:
        db.close()


def main() -> int:
    """The process: it ends with the agent."""
    port = BlockingPort(own_end())  # open for as long as this process lives: its end is how the agent knows
    frame = port.receive()
    if frame is None:
        return 0
    json_lines.as_told()
    limit_log()
    try:
        asyncio.run(serve(PagesSettings.model_validate_json(frame.bulk(SIZE))))
    except (SiteError, OSError) as error:
        log.error("The review pages cannot be served: %s", error)
    finally:
        port.close()
    return 1


if __name__ == "__main__":
    sys.exit(main())
