"""The agent: the site's one process facing out. It takes messages in, keeps the sessions, and lets out what the glass lets out."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from twinpane_broker.plan import Plan
from twinpane_sandbox.environment import environment
from twinpane_wire import limits
from twinpane_wire import messages as wire

from .config import Project, Site, project_catalogue
from .errors import SiteError, StoreError
from .exports import Exports, Real
from .glass import Glass
from .held import HeldStore
from .inside import InsideKernel
from .kinds import Kind
from .ledger import Ledger
from .mailbox import Duplicate, Gap, Mailbox, New, Outcome, Refused
from .meter import Meter
from .retention import delete_old
from .rooms import Rooms
from .session import Session, Write

log = logging.getLogger(__name__)

RESEND_S = 3.0
GRANTS_S = 2.0


Ask = Callable[[wire.Principal, Plan, Write], Awaitable[wire.Released | None]]
"""Puts a question to the site's broker, has the answer's evidence written, and gives what was written when its tick has come."""


@dataclass(frozen=True)
class Stores:
    """What the agent keeps on the disk."""

    ledger: Ledger
    meter: Meter
    mailbox: Mailbox
    held: HeldStore


class Agent:
    """One site at work. ``ask`` puts questions to the broker; ``rooms`` makes the places that inside kernels run in."""

    def __init__(
        self, site: Site, stores: Stores, glass: Glass, ask: Ask, rooms: Rooms, exports: Exports, public_key: str
    ) -> None:
        self._site = site
        self._stores = stores
        self._glass = glass
        self._ask = ask
        self._rooms = rooms
        self._exports = exports
        self._public_key = public_key
        self._sessions: dict[str, Session] = {}
        self._heard: dict[str, float] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._granted = max((grant.seq for grant in stores.meter.grants()), default=0)

    # ------------------------------------------------------------ the link

    def joined(self, projects: tuple[str, ...]) -> None:
        """The link stands: publish what the steward published, and send again what may have been lost."""
        for project in self._site.config.projects:
            if project.id in projects:
                self._attempt(lambda project=project: self._glass.catalogued(self._catalogued(project)))
        self._glass.again(sessions=self._sessions)

    def _catalogued(self, project: Project) -> wire.Catalogued:
        meter = self._site.policy.meter
        return wire.Catalogued(
            project=project.id, catalogue=project_catalogue(self._site.catalogue, project), code=self._site.policy.code,
            environment=environment(), public_key=self._public_key, day_bits=meter.day_bits, total_bits=meter.total_bits,
        )  # fmt: skip

    def receive(self, message: wire.ForAgent) -> None:
        """Take one message in. It is acknowledged once it is on the disk, whatever the inside kernel does."""
        principal, body = message.principal, message.body
        if isinstance(body, wire.Received):
            self._attempt(lambda: self._stores.mailbox.received(body.session, body.ids, principal))
            return
        if not self._site.config.admits(principal.user, principal.project):
            self._refuse(wire.LinkCode.no_project, principal, body.session)
            return
        if body.session not in self._sessions and not isinstance(body, wire.Open) and self._stores.mailbox.session(body.session) is None:
            self._refuse(wire.LinkCode.unknown_session, principal, body.session)
            return
        if isinstance(body, wire.Open) and body.session not in self._sessions and not self._room_for(principal):
            self._refuse(wire.LinkCode.unavailable, principal, body.session)
            return
        # A session is opened once, by its first message: each further kernel would be one more than the site allows.
        again = isinstance(body, wire.Open) and message.n != 1
        if again or (isinstance(body, wire.Cell) and body.cell > self._site.policy.session.max_cells):
            self._refuse(wire.LinkCode.refused_message, principal, body.session)
            return
        try:
            outcome = self._receive(message)
        except SiteError as error:
            log.error("message not taken in: %s", error)
            self._attempt(lambda: self._lacking(principal, body.session))
            return
        match outcome:
            case New(ack):
                self._glass.link(body.session, wire.LinkCode.ack, n=ack)
                self._attempt(lambda: self._take(principal, body))
            case Duplicate(ack) | Gap(ack):
                self._glass.link(body.session, wire.LinkCode.ack, n=ack)
            case Refused():
                self._refuse(wire.LinkCode.refused_message, principal, body.session)

    def _receive(self, message: wire.ForAgent) -> Outcome:
        """Take a message in, with its line in the ledger: both are durable or neither."""
        principal, body, now = message.principal, message.body, self._glass.now()
        with self._stores.ledger.transaction():
            outcome = self._stores.mailbox.receive(body.session, principal, message.n, body, now)
            if isinstance(outcome, New) and isinstance(body, wire.Open):
                entry = {"session": body.session, "user": principal.user, "project": principal.project, "seed": body.seed}
                self._stores.ledger.append(Kind.opened, entry, now)
            elif isinstance(outcome, New) and isinstance(body, wire.Cell):
                files = [[file.path, _digest(file.content or "")] for file in body.files]
                entry = {"session": body.session, "cell": body.cell, "source": _digest(body.source), "files": files}
                self._stores.ledger.append(Kind.cell, entry, now)
        return outcome

    def _lacking(self, principal: wire.Principal, session: str) -> None:
        """Say what is on the disk, so that the pane sends again what follows."""
        known = self._stores.mailbox.session(session)
        if known is None or known.principal == principal:
            self._glass.link(session, wire.LinkCode.ack, n=known.received if known else 0)

    def _refuse(self, code: wire.LinkCode, principal: wire.Principal, session: str) -> None:
        entry = {"code": code.value, "user": principal.user, "project": principal.project, "session": session}
        if self._attempt(lambda: self._stores.ledger.append(Kind.refused, entry, self._glass.now())):
            self._glass.link(session, code)

    def _take(self, principal: wire.Principal, body: Any) -> None:
        self._heard[body.session] = asyncio.get_running_loop().time()
        match body:
            case wire.Open() if body.session not in self._sessions:
                self._open(principal, body)
            case wire.Close():
                self._spawn(self._close(body.session, "closed"))
            case wire.ExportAsk():
                self._spawn(self._export(principal, body))
            case _ if body.session in self._sessions:
                self._sessions[body.session].take(body)

    # ------------------------------------------------------------ sessions

    def _room_for(self, principal: wire.Principal) -> bool:
        """Whether one more session may open here.

        Notebooks are closed by closing laptops: of a user's own sessions the one silent for longest makes room, so that what was
        left open shuts nobody out, and nobody shuts out others.
        """
        limits = self._site.policy.session
        own = [session for session in self._sessions.values() if session.principal == principal]
        full = len(self._sessions) >= limits.max_sessions
        if not full and len(own) < limits.max_sessions_per_user:
            return True
        if not own:
            return False
        oldest = min(own, key=lambda session: self._heard.get(session.id, 0))
        self._glass.link(oldest.id, wire.LinkCode.unavailable)
        self._spawn(self._close(oldest.id, "another session of its user opened"))
        return True

    def _open(self, principal: wire.Principal, opened: wire.Open) -> None:
        self._sessions[opened.session] = self._session(principal, opened, alive=True)
        left = self._stores.meter.account(principal.user, principal.project).left()
        self._glass.link(opened.session, wire.LinkCode.opened, left=left)
        self._glass.again(opened.session)
        self._deliver(principal, opened.session)

    def _session(self, principal: wire.Principal, opened: wire.Open, alive: bool) -> Session:
        volume = self._rooms.volume(principal)

        async def start(session: Session) -> InsideKernel | None:
            return await self._rooms.enter(session.opened, principal, volume, session.call) if alive else None

        async def ask(query: wire.Query, write: Write) -> wire.Released | None:
            return await self._ask(principal, query.plan, write)

        return Session(opened, principal, self._glass, self._stores.held, volume, start, ask)

    def restore(self) -> None:
        """After a restart: inside kernels are gone, and what still owes a verdict, reveal or answer gets it."""
        mailbox = self._stores.mailbox
        for known in mailbox.open_sessions():
            messages = [message for _, message in mailbox.pending(known.id, after=0)]
            opened = next((message for message in messages if isinstance(message, wire.Open)), None)
            if opened is None or not self._site.config.admits(known.principal.user, known.principal.project):
                mailbox.close(known.id, self._glass.now())
                continue
            session = self._sessions[known.id] = self._session(known.principal, opened, alive=False)
            self._heard[known.id] = asyncio.get_running_loop().time()
            if any(isinstance(message, wire.Close) for message in messages):
                self._spawn(self._close(known.id, "closed"))
                continue
            for message in messages:
                if isinstance(message, wire.ExportAsk):
                    self._spawn(self._export(known.principal, message))
                elif isinstance(message, wire.Cell | wire.Twin | wire.RevealAsk | wire.Query) and not self._settled(message):
                    session.take(message)

    def _settled(self, message: wire.Cell | wire.Twin | wire.RevealAsk | wire.Query) -> bool:
        kinds = {wire.RevealAsk: "reveal", wire.Query: "release"}
        name = kinds.get(type(message))
        where, call = f"{message.session}:{message.cell}", getattr(message, "call", 0)
        posted = self._stores.mailbox.posted
        return posted(f"{name}:{where}:{call}" if name else f"verdict:{where}") or posted(f"spent:{where}:{call}")

    async def _close(self, session: str, reason: str) -> None:
        found = self._sessions.pop(session, None)
        self._heard.pop(session, None)
        if found is None:
            return
        silent = found.silent()
        await found.close()
        with self._stores.ledger.transaction():
            for name, tick in silent:
                self._attempt(lambda name=name, tick=tick: self._glass.silence(found.principal, name, tick))
            self._stores.meter.release(session)
            self._stores.mailbox.close(session, self._glass.now())
            self._stores.ledger.append(Kind.closed, {"session": session, "reason": reason}, self._glass.now())
        self.tell_left(found.principal)

    # ------------------------------------------------------------ exports

    async def _export(self, principal: wire.Principal, ask: wire.ExportAsk) -> None:
        if not self._exports.attended:
            await self._submit(principal, ask, [])
            return
        session = self._sessions.get(ask.session)
        items: list[tuple[int, int | str, Real]] = []
        seen: list[wire.ExportItem] = []
        for index, item in enumerate(ask.items):
            source = item.source
            if item.cell is not None:
                if session is not None:
                    await session.ended(item.cell)
                source = self._source(ask.session, item.cell)
                items.append((index, item.cell, self._held(ask.session, item.cell)))
            else:
                items.append((index, str(item.path), self._rooms.volume(principal).read(str(item.path), limits.FILE)))
            # Reviewers read the code that ran here, not the code that the outside says it was.
            seen.append(item.model_copy(update={"source": source}))
        shown = ask.model_copy(update={"items": tuple(seen)})
        await self._submit(principal, shown, items)

    async def _submit(self, principal: wire.Principal, ask: wire.ExportAsk, items: list[tuple[int, int | str, Real]]) -> None:
        """Hand a request in, as soon as the disk takes it."""
        while True:
            try:
                self._exports.submit(principal.user, principal.project, ask, items)
                return
            except StoreError as error:
                log.error("%s", error)
                await asyncio.sleep(RESEND_S)
            except SiteError as error:
                log.error("%s", error)
                return

    def _source(self, session: str, cell: int) -> str:
        """A cell's source as it came to this site, also where the session was taken up again or is over."""
        messages = self._stores.mailbox.pending(session, after=0)
        return next((message.source for _, message in messages if isinstance(message, wire.Cell) and message.cell == cell), "")

    def _held(self, session: str, cell: int) -> Real:
        try:
            found = self._stores.held.get(session, cell)
        except SiteError as error:
            log.error("%s", error)  # reviewers are shown that there is nothing
            return None
        return found[1] if found else None

    def _deliver(self, principal: wire.Principal, session: str) -> None:
        """Decisions that came while no notebook of this user was open go to the one that opens now."""
        for crossing in self._stores.mailbox.unreceived():
            known = self._stores.mailbox.session(crossing.session)
            if isinstance(crossing.body, wire.Export) and known and known.principal == principal and crossing.session not in self._sessions:
                self._glass.deliver(crossing.body, session)

    # ------------------------------------------------------------ keeping house

    async def keep_house(self) -> None:
        """Send again what was not received, tell of grants, close what is idle; until cancelled."""
        idle = self._site.policy.session.idle_minutes * 60
        waiting: frozenset[str] = frozenset()
        cleaned = None
        while True:
            await asyncio.sleep(RESEND_S)
            waiting = self._glass.again(known=waiting, sessions=self._sessions)
            for session in list(self._sessions.values()):
                self._attempt(lambda session=session: self._deliver(session.principal, session.id))
            self._attempt(self._tell_grants)
            if self._glass.now().date() != cleaned:
                cleaned = self._glass.now().date()
                self._attempt(self._delete_old)
            now = asyncio.get_running_loop().time()
            for session, heard in list(self._heard.items()):
                if now - heard > idle:
                    self._spawn(self._close(session, "idle"))

    def _delete_old(self) -> None:
        stores = self._stores
        delete_old(self._site.policy.held, stores.ledger, stores.held, stores.mailbox, self._glass.now())

    def _tell_grants(self) -> None:
        for grant in self._stores.meter.grants(self._granted):
            self._granted = grant.seq
            self.tell_left(wire.Principal(user=grant.user, project=grant.project))

    def tell_left(self, principal: wire.Principal, but: str = "") -> None:
        """Tell the account's open sessions what is left."""
        left = self._stores.meter.account(principal.user, principal.project).left()
        for session in self._sessions.values():
            if session.principal == principal and session.id != but:
                self._glass.link(session.id, wire.LinkCode.meter, left=left)

    async def close(self) -> None:
        """End every inside kernel; sessions stay open on the disk."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(session.close() for session in self._sessions.values()), return_exceptions=True)

    def _attempt(self, act: Any) -> bool:
        try:
            act()
        except SiteError as error:
            log.error("%s", error)
            return False
        return True

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s", error, exc_info=error)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
