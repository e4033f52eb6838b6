"""A site's agent: opens a site folder, puts its parts and the review beside it together, and runs them until told to stop."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from twinpane_review.serve import open_review
from twinpane_review.store import Store
from twinpane_sandbox.limits import MIB
from twinpane_site import keys, same_machine
from twinpane_site.agent import Agent
from twinpane_site.answering.broker_client import BrokerClient
from twinpane_site.attempt_log import AttemptLog
from twinpane_site.config import KEYS, Project, Site, SiteConfig, load_site
from twinpane_site.db import Database
from twinpane_site.decision_sender import DecisionSender
from twinpane_site.ended_projects import EndedProjects, Places
from twinpane_site.event_feed import feeds
from twinpane_site.freeze_watch import FreezeWatch
from twinpane_site.glass import Glass
from twinpane_site.held import HeldStore
from twinpane_site.inbox_quota import InboxQuota
from twinpane_site.kernel_launcher import PROJECTS, KernelLauncher
from twinpane_site.keys import SiteKey
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.link import SiteLink, check_address
from twinpane_site.mailbox import Mailbox
from twinpane_site.meter import Meter
from twinpane_site.own_users import raise_own_limit
from twinpane_site.parts.fork_server import ForkServer
from twinpane_site.project_copier import MODULE as MOVING_MODULE
from twinpane_site.project_watch import ProjectWatch
from twinpane_site.projects import Projects, projects_of
from twinpane_site.proposal_inbox import ProposalInbox
from twinpane_site.reader import READER_MODULE
from twinpane_site.retention import Retention
from twinpane_site.reviewers import Reviewers, reviewers_of
from twinpane_site.send_slots import SendSlots
from twinpane_site.session_figures import FiguresTable
from twinpane_site.session_watch import SessionWatch
from twinpane_site.site_metrics import MetricsServer, numbers, written
from twinpane_site.snapshot import SnapshotData, project_folders, snapshot_of
from twinpane_site.start_signal import start_signal
from twinpane_site.stores import Stores

log = logging.getLogger(__name__)


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


LOCAL = "local"
"""Whoever can start a site's agent on this machine may run notebooks at it, as the one user of the one project of this name."""


def local_project(config: SiteConfig) -> Project:
    """The project of a run on this machine, with its user. One of site.toml that has the name already keeps its tables and members."""
    own = config.project(LOCAL) or Project(id=LOCAL, members=())
    return own.model_copy(update={"members": tuple(dict.fromkeys((*own.members, LOCAL)))})


async def serve(folder: Path, url: str, token: str = "", local: bool = False) -> None:
    """Run the agent of a site folder against the switchboard at ``url`` until SIGINT or SIGTERM.

    ``local`` is for a run on this machine (``twinpane run --sites``): the project and user ``local`` are accepted beside those of
    site.toml, no inside kernel starts before the parent gives the word (see `start_signal`), and no review pages are started. Export
    requests wait for the next ordinary start.
    Raises SiteError if the site does not start: no sandbox, no policy, no threshold, a ledger that does not hold together.
    """
    check_address(url)
    raise_own_limit()
    may_start = start_signal() if local else None
    if not local and await asyncio.to_thread(same_machine.on_this_machine, url):
        log.warning("%s", same_machine.WARNING)
    site, key = load_site(folder), keys.load(folder / KEYS)
    beside = (local_project(site.config),) if local else ()
    # It is forked before this process holds anything secret in memory.
    with contextlib.closing(ForkServer(READER_MODULE, MOVING_MODULE)) as fork_server, contextlib.closing(Database.open(folder)) as db:
        ledger = Ledger(db, key)
        projects = projects_of(db, ledger, site.config, now, beside)
        reviewers = reviewers_of(db, ledger, site.policy.review.reviewers, now)
        broker = BrokerClient(site, key, projects.working())
        try:
            await broker.open()
            await _open(site, key, url, token, broker, fork_server, may_start, db, ledger, projects, reviewers)
        finally:
            await broker.close()


async def _open(
    site: Site, key: SiteKey, url: str, token: str, broker: BrokerClient, fork_server: ForkServer, may_start: asyncio.Event | None,
    db: Database, ledger: Ledger, projects: Projects, reviewers: Reviewers,
) -> None:  # fmt: skip
    """Prove the sandbox, open the stores, and run the agent. The broker's process has already made the snapshot."""
    snapshot = snapshot_of(site.catalogue, site.folder)
    data = SnapshotData(snapshot, projects.working)
    launcher = KernelLauncher(site.folder, data, site.policy.session, fork_server, lambda: db.space.floor(), site.config.users_from)
    await asyncio.to_thread(launcher.prove)
    db.space.keep_free = site.policy.held.keep_free_mb * MIB
    stores = Stores(
        ledger,
        Meter(db, site.policy.meter.budget, now),
        Mailbox(db, InboxQuota(site.policy.session.inbox_mb * MIB, site.policy.session.inbox_site_mb * MIB)),
        HeldStore(db, site.policy.held.limits),
        AttemptLog(db, ledger),
        projects,
    )
    ledger.append(LedgerEvent.started, {
        "version": metadata.version("twinpane"), "policy": site.policy.digest(), "catalogue": site.catalogue.digest(),
        "snapshot": snapshot.name,
    }, now())  # fmt: skip
    await _run(site, key, url, token, db, stores, broker, launcher, fork_server, may_start, reviewers)
    stores.attempts.forgive()
    ledger.append(LedgerEvent.stopped, {"reason": "asked to stop"}, now())


async def _run(
    site: Site, key: SiteKey, url: str, token: str, db: Database, stores: Stores, broker: BrokerClient, launcher: KernelLauncher,
    fork_server: ForkServer, may_start: asyncio.Event | None, reviewers: Reviewers,
) -> None:  # fmt: skip
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    watch = FreezeWatch(stores.ledger)
    link = SiteLink(
        url, site.config.id, key, token, lambda projects: joined(projects), lambda message: agent.receive(message), _refused,
        watch.frozen, lambda proposal: keeping.proposed(proposal),
    )  # fmt: skip

    glass = Glass(db, stores.ledger, stores.meter, stores.mailbox, site.policy.code, now, SendSlots(link.send))
    # The review stands beside the site and builds on it; only this composition knows both.
    review = open_review(site, db, stores.ledger, key, stores.attempts, glass.export, now, reviewers)
    agent = Agent(site, stores, glass, watch.asking(broker.ask), launcher, review.exports, key.public_hex, may_start)
    glass.on_spent = agent.tell_left
    agent.restore()
    keeping = ProjectWatch(stores.projects, ProposalInbox(db, now), glass, broker.serve, agent)
    sessions = SessionWatch(stores.ledger, FiguresTable(db), agent, now)
    decisions = DecisionSender(stores.mailbox, glass, lambda: agent.open_sessions)
    retention = Retention(site.policy.held, db, stores.ledger, stores.held, stores.mailbox, now)
    rows = {
        "held": stores.held.purge_project, "inbox": stores.mailbox.room.forget_project, "outbox": stores.mailbox.give_up_project,
    }  # fmt: skip
    places: Places = {
        "volumes": lambda project: (site.folder / PROJECTS / project,),
        "views": partial(project_folders, site.folder),
        "review": Store(db, stores.ledger).folders_of,
    }
    ended = EndedProjects(stores.projects, stores.ledger, site.policy.held.ended_days, rows, places, now)

    def joined(projects: tuple[str, ...]) -> None:
        keeping.joined()
        agent.joined(projects)

    async def go_on() -> None:
        agent.unfrozen()
        await asyncio.to_thread(review.resume)

    def page() -> str:
        return written(numbers(db, stores.ledger, len(agent.open_sessions), link.is_joined))

    feeding = feeds(site.config.events, site.config.id, db, stores.ledger)
    works = (
        link.run(),
        fork_server.keep(),
        agent.keep_house(),
        watch.run(go_on),
        keeping.run(),
        sessions.run(),
        decisions.run(),
        retention.run(),
        ended.run(),
        *([review.pages()] if may_start is None else ()),
        *(feed.run() for feed in feeding),
        *([MetricsServer(site.config.metrics, page).run()] if site.config.metrics else ()),
    )
    try:
        await _until(stop, works)
    finally:
        await agent.close()
        await asyncio.to_thread(launcher.close)
        review.close()


async def _until(stop: asyncio.Event, works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all of these until told to stop; raises the error that ends one of them earlier."""
    tasks = [asyncio.create_task(work) for work in works]
    watching, stopping = asyncio.gather(*tasks), asyncio.create_task(stop.wait())
    try:
        ends: set[asyncio.Future[Any]] = {watching, stopping}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
    finally:
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.gather(*tasks, watching, stopping, return_exceptions=True)


def _refused(reason: str) -> None:
    log.warning("The hub does not take this site: %s. It is tried again; ask the hub's administrator for a token.", reason)
