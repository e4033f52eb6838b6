"""A site's agent: opens a site folder, puts its parts and the review beside it together, and runs them until told to stop."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from twinpane_review.serve import open_review
from twinpane_sandbox.limits import MIB
from twinpane_site import keys, neighbour
from twinpane_site.agent import Agent, Stores
from twinpane_site.answering.desk import Desk
from twinpane_site.config import KEYS, Project, Site, load_site
from twinpane_site.db import Database
from twinpane_site.decisions import Decisions
from twinpane_site.departures import Departures
from twinpane_site.glass import Glass
from twinpane_site.held import HeldStore
from twinpane_site.inbox_room import InboxQuota
from twinpane_site.keys import SiteKey
from twinpane_site.kinds import Kind
from twinpane_site.ledger import Ledger
from twinpane_site.link import SiteLink, check_address
from twinpane_site.mailbox import Mailbox
from twinpane_site.meter import Meter
from twinpane_site.moving import MODULE as MOVING_MODULE
from twinpane_site.own_users import raise_own_limit
from twinpane_site.parts.nursery import Nursery
from twinpane_site.reader import READER_MODULE
from twinpane_site.retention import Retention
from twinpane_site.rooms import Rooms
from twinpane_site.snapshot import project_folder, snapshot_of
from twinpane_site.trying import Trying
from twinpane_site.turn import turn_of_the_sites

log = logging.getLogger(__name__)


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


LOCAL = Project(id="local", members=("local",))
"""Whoever can start a site's agent on this machine may run notebooks at it, as this one user of this one project."""


async def serve(folder: Path, url: str, token: str = "", local: bool = False) -> None:
    """Run the agent of a site folder against the switchboard at ``url`` until SIGINT or SIGTERM.

    ``local`` is for a run on this machine (``twinpane run --sites``): beside what site.toml accepts, the project ``local`` is, no inside
    kernel starts before the parent gives the word (see `turn`), and no review pages are started; what is asked for waits for the next
    ordinary start.
    Raises SiteError where the site does not start: no sandbox, no policy, no threshold, a ledger that does not hold together.
    """
    check_address(url)
    raise_own_limit()
    turn = turn_of_the_sites() if local else None
    if not local and await asyncio.to_thread(neighbour.on_this_machine, url):
        log.warning("%s", neighbour.WARNING)
    site, key = load_site(folder), keys.load(folder / KEYS)
    if local and site.config.project(LOCAL.id) is None:
        site = replace(site, config=site.config.model_copy(update={"projects": (*site.config.projects, LOCAL)}))
    # Forked from before anything secret is in memory here.
    with contextlib.closing(Nursery(READER_MODULE, MOVING_MODULE)) as nursery:
        desk = Desk(site, key)
        try:
            await desk.open()
            await _open(site, key, url, token, desk, nursery, turn)
        finally:
            await desk.close()


async def _open(site: Site, key: SiteKey, url: str, token: str, desk: Desk, nursery: Nursery, turn: asyncio.Event | None) -> None:
    """Prove the sandbox, open the stores, and run the agent; what is there of the snapshot, the broker's process has made."""
    snapshot = snapshot_of(site.catalogue, site.folder)
    data = {project.id: project_folder(snapshot, project) for project in site.config.projects}
    rooms = Rooms(site.folder, data, site.policy.session, nursery, lambda: db.space.floor(), site.config.users_from)
    await asyncio.to_thread(rooms.prove)
    db = Database.open(site.folder)
    db.space.keep_free = site.policy.held.keep_free_mb * MIB
    try:
        ledger = Ledger(db, key)
        stores = Stores(
            ledger,
            Meter(db, site.policy.meter.budget, now),
            Mailbox(db, InboxQuota(site.policy.session.inbox_mb * MIB, site.policy.session.inbox_site_mb * MIB)),
            HeldStore(db, site.policy.held.limits),
            Trying(db, ledger),
        )
        ledger.append(Kind.started, {
            "version": metadata.version("twinpane"), "policy": site.policy.digest(), "catalogue": site.catalogue.digest(),
            "snapshot": snapshot.name,
        }, now())  # fmt: skip
        await _run(site, key, url, token, db, stores, desk, rooms, nursery, turn)
        stores.trying.forgive()
        ledger.append(Kind.stopped, {"reason": "asked to stop"}, now())
    finally:
        db.close()


async def _run(
    site: Site, key: SiteKey, url: str, token: str, db: Database, stores: Stores, desk: Desk, rooms: Rooms, nursery: Nursery,
    turn: asyncio.Event | None,
) -> None:  # fmt: skip
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    link = SiteLink(
        url, site.config.id, key, token, lambda projects: agent.joined(projects), lambda message: agent.receive(message), _refused
    )

    glass = Glass(db, stores.ledger, stores.meter, stores.mailbox, site.policy.code, now, Departures(link.send))
    # The review stands beside the site and builds on it; only this composition knows both.
    review = open_review(site, db, stores.ledger, key, stores.trying, glass.export, now)
    agent = Agent(site, stores, glass, desk.ask, rooms, review.exports, key.public_hex, turn)
    glass.on_spent = agent.tell_left
    agent.restore()
    decisions = Decisions(stores.mailbox, glass, lambda: agent.open_sessions)
    retention = Retention(site.policy.held, db, stores.ledger, stores.held, stores.mailbox, now)
    works = (link.run(), nursery.keep(), agent.keep_house(), decisions.run(), retention.run(), *([review.pages()] if turn is None else ()))
    try:
        await _until(stop, works)
    finally:
        await agent.close()
        await asyncio.to_thread(rooms.close)
        review.close()


async def _until(stop: asyncio.Event, works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all this until told to stop; raises what ends one of them before."""
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
    print(
        f"The hub does not take this site: {reason}. It is tried again; ask the hub's administrator for a token.",
        file=sys.stderr,
        flush=True,
    )
