"""The agent: the site's one process that faces out. It takes in messages, keeps the sessions, and sends what the glass lets out."""

import asyncio
import base64
import hashlib
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Coroutine
from functools import partial
from typing import Any

from twinpane_broker import Plan, Refusal, Release
from twinpane_sandbox.environment import environment
from twinpane_wire import messages as wire

from .config import Project, Site, project_catalogue
from .errors import SiteError
from .export_submission import ExportSubmission
from .exports import Exports
from .glass import Glass
from .held_writer import HeldWriter
from .inside_kernel import InsideKernel
from .kernel_capacity import KernelCapacity
from .kernel_launcher import KernelLauncher
from .ledger_events import LedgerEvent
from .mailbox import Duplicate, Gap, New, Outcome, Refused
from .recovery import OWING, Recovery
from .refusals import Refusals
from .session import Session
from .stores import Stores

log = logging.getLogger(__name__)

RESEND_S = 3.0
STUCK_S = 0.2
"""Seconds until a kernel that was to start looks again whether one that had to be dead is."""


Ask = Callable[[wire.Principal, Plan], Awaitable[tuple[Release | Refusal, float]]]
"""Puts a question to the site's broker: the answer, and its moment by the loop's clock."""


class Agent:
    """One site at work. ``ask`` puts questions to the broker; ``launcher`` starts inside kernels.

    With ``may_start``, the agent starts no inside kernel, and touches nothing that one left behind, before the event is set: see
    `start_signal`.
    """

    def __init__(
        self, site: Site, stores: Stores, glass: Glass, ask: Ask, launcher: KernelLauncher, exports: Exports, public_key: str,
        may_start: asyncio.Event | None = None,
    ) -> None:  # fmt: skip
        self._site = site
        self._stores = stores
        self._glass = glass
        self._ask = ask
        self._launcher = launcher
        self._submission = ExportSubmission(exports, stores.mailbox, stores.held, launcher.volume, self._ended)
        self._public_key = public_key
        self._may_start = may_start
        self._refusals = Refusals(stores.ledger, glass.now)
        self._sessions: dict[str, Session] = {}
        self._heard: dict[str, float] = {}
        self._sees: dict[str, Project] = {}
        self._capacity = KernelCapacity(site.policy.session.max_sessions)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._named: set[str] = set()
        """The projects that the hub named on this link."""
        self._granted = max((grant.seq for grant in stores.meter.grants()), default=0)

    # ------------------------------------------------------------ the link

    def joined(self, projects: tuple[str, ...]) -> None:
        """The link is up: publish the steward's catalogue, and send again the crossings that may have been lost."""
        self._named = set(projects)
        self.unfrozen()

    def name(self, project: str) -> bool:
        """The hub names one more project on the link that is up; False where it had done so before."""
        is_new = project not in self._named
        self._named.add(project)
        return is_new

    def publish(self, projects: Collection[str]) -> None:
        """Publish the catalogue to these projects, where the hub names them and they work today."""
        for project in self._stores.projects.working():
            if project.id in projects and project.id in self._named:
                self._attempt(partial(self._publish, project))

    def unfrozen(self) -> None:
        """Two stewards ended a freeze: publish the catalogue, and send what was stopped on its way."""
        self.publish(self._named)
        self._glass.again(sessions=self._sessions)

    def _publish(self, project: Project) -> None:
        meter = self._site.policy.meter
        self._glass.catalogued(wire.Catalogued(
            project=project.id, catalogue=project_catalogue(self._site.catalogue, project), code=self._site.policy.code,
            environment=environment(), public_key=self._public_key, day_bits=meter.day_bits, total_bits=meter.total_bits,
        ))  # fmt: skip

    def receive(self, message: wire.ForAgent) -> None:
        """Take in one message. Acknowledge it once it is on the disk, at a drawn moment that does not depend on the inside kernel."""
        principal, body, came = message.principal, message.body, _clock()
        if isinstance(body, wire.Received):
            self._attempt(lambda: self._stores.mailbox.received(body.session, body.ids, principal))
            return
        if not self._stores.projects.admits(principal.user, principal.project):
            self._refuse(wire.LinkCode.no_project, principal, body.session, came)
            return
        if body.session not in self._sessions and not isinstance(body, wire.Open) and self._stores.mailbox.session(body.session) is None:
            self._refuse(wire.LinkCode.unknown_session, principal, body.session, came)
            return
        if isinstance(body, wire.Open) and body.session not in self._sessions and not self._room_for(principal, came):
            self._refuse(wire.LinkCode.unavailable, principal, body.session, came)
            return
        # Only the first message opens a session: each further kernel would be one more than the site allows.
        again = isinstance(body, wire.Open) and message.n != 1
        if again or (isinstance(body, wire.Cell) and body.cell > self._site.policy.session.max_cells):
            self._refuse(wire.LinkCode.refused_message, principal, body.session, came)
            return
        try:
            outcome = self._receive(message)
        except SiteError as error:
            log.error("message not taken in: %s", error)
            self._attempt(lambda: self._lacking(principal, body.session, came))
            return
        match outcome:
            case New(ack):
                self._glass.link(body.session, wire.LinkCode.ack, came, n=ack)
                self._attempt(lambda: self._take(principal, message.n, body, came))
            case Duplicate(ack) | Gap(ack):
                self._glass.link(body.session, wire.LinkCode.ack, came, n=ack)
            case Refused():
                self._refuse(wire.LinkCode.refused_message, principal, body.session, came)

    def _receive(self, message: wire.ForAgent) -> Outcome:
        """Take in a message with its line in the ledger: both are durable, or neither."""
        principal, body, now = message.principal, message.body, self._glass.now()
        with self._stores.ledger.transaction():
            outcome = self._stores.mailbox.receive(body.session, principal, message.n, body, now)
            if isinstance(outcome, New) and isinstance(body, wire.Open):
                entry = {"session": body.session, "user": principal.user, "project": principal.project, "seed": body.seed}
                self._stores.ledger.append(LedgerEvent.opened, entry, now)
            elif isinstance(outcome, New) and isinstance(body, wire.Cell):
                files = [[file.path, _digest(_content(file))] for file in body.files]
                entry = {"session": body.session, "cell": body.cell, "source": _digest(body.source.encode()), "files": files}
                self._stores.ledger.append(LedgerEvent.cell, entry, now)
        return outcome

    def _lacking(self, principal: wire.Principal, session: str, came: float) -> None:
        """Say which messages are on the disk, so that the pane sends the following ones again."""
        known = self._stores.mailbox.session(session)
        if known is None or known.principal == principal:
            self._glass.link(session, wire.LinkCode.ack, came, n=known.received if known else 0)

    def _refuse(self, code: wire.LinkCode, principal: wire.Principal, session: str, came: float) -> None:
        if self._attempt(lambda: self._refusals.note(code, principal, session)):
            self._glass.link(session, code, came)

    def _take(self, principal: wire.Principal, n: int, body: wire.Inward, came: float) -> None:
        self._heard[body.session] = came
        match body:
            case wire.Open() if body.session not in self._sessions:
                self._open(principal, body, came)
            case wire.Close():
                self._heard[body.session] = -math.inf  # where it cannot be written now, it is closed as soon as it can
                self._close(body.session, "closed")
            case wire.ExportAsk():
                self._spawn(self._submission.take(principal, n, body))
            case _ if body.session in self._sessions:
                self._sessions[body.session].take(body)

    # ------------------------------------------------------------ sessions

    @property
    def open_sessions(self) -> dict[str, wire.Principal]:
        """The open sessions, with their owners."""
        return {session.id: session.principal for session in self._sessions.values()}

    def _room_for(self, principal: wire.Principal, came: float) -> bool:
        """Whether one more session may open here.

        People leave notebooks open when they close their laptops. So a user's own session that was silent for longest makes room. Then an
        abandoned session shuts nobody out, and nobody shuts out others.
        """
        if self._capacity.stuck(came):
            log.error("no session is opened: a kernel of a closed session is not dead yet")
            return False
        limits = self._site.policy.session
        own = [session for session in self._sessions.values() if session.principal == principal]
        full = len(self._sessions) >= limits.max_sessions
        if not full and len(own) < limits.max_sessions_per_user:
            return True
        if not own:
            return False
        oldest = min(own, key=lambda session: self._heard.get(session.id, 0))
        self._glass.link(oldest.id, wire.LinkCode.unavailable, came)
        self._attempt(lambda: self._close(oldest.id, "another session of its user opened"))
        return True

    def _open(self, principal: wire.Principal, opened: wire.Open, came: float) -> None:
        if project := self._stores.projects.admitted(principal.user, principal.project):
            self._sees[opened.session] = project
        self._sessions[opened.session] = self._session(principal, opened, alive=True)
        left = self._stores.meter.account(principal.user, principal.project).left()
        self._glass.link(opened.session, wire.LinkCode.opened, came, left=left)
        self._glass.again(opened.session)
        self._deliver(principal, opened.session)

    def _session(self, principal: wire.Principal, opened: wire.Open, alive: bool) -> Session:
        volume = self._launcher.volume(principal)
        begins = self._capacity.take(opened.session, _clock()) if alive else None
        writer = HeldWriter(opened.session, f"{principal.user} in {principal.project}", self._stores.held, self._glass)

        async def start(session: Session) -> InsideKernel | None:
            if self._may_start is not None:
                await self._may_start.wait()
                session.begin()
            if begins is None:
                return None
            await asyncio.sleep(max(0.0, begins - _clock()))
            while self._capacity.stuck(_clock()):
                await asyncio.sleep(STUCK_S)
            return await self._launcher.start(session.opened, principal, volume)

        async def ask(query: wire.Query) -> tuple[Release | Refusal, float]:
            return await self._ask(principal, query.plan)

        return Session(opened, principal, self._glass, writer, volume, start, ask, later=self._may_start is not None)

    def restore(self) -> None:
        """Resume after a restart: the inside kernels are gone, and every cell or call that is owed a verdict, reveal or answer gets it."""
        recovery = Recovery(self._stores.mailbox, self._stores.attempts, self._glass.now)
        for known in recovery.sessions():
            session, opened = known.session, known.first(wire.Open)
            if opened is None or not self._stores.projects.admits(session.principal.user, session.principal.project):
                self._stores.mailbox.close(session.id, self._glass.now())
                continue
            recovery.attempt(session, 1, partial(self._take_up, session.principal, opened))
            if session.id not in self._sessions:
                self._stores.mailbox.close(session.id, self._glass.now())
                continue
            if known.first(wire.Close):
                self._attempt(partial(self._close, session.id, "closed"))
                continue
            for n, message in known.messages:
                if isinstance(message, wire.ExportAsk):
                    self._spawn(self._submission.take(session.principal, n, message))
                elif isinstance(message, OWING) and not self._settled(message):
                    act = self._sessions[session.id].take
                    recovery.attempt(session, n, partial(act, message), lasting=isinstance(message, wire.Query))

    def _take_up(self, principal: wire.Principal, opened: wire.Open) -> None:
        self._sessions[opened.session] = self._session(principal, opened, alive=False)
        self._heard[opened.session] = _clock()

    def _settled(self, message: wire.Cell | wire.Twin | wire.RevealAsk | wire.Query) -> bool:
        kinds = {wire.RevealAsk: "reveal", wire.Query: "release"}
        name = kinds.get(type(message))
        where, call = f"{message.session}:{message.cell}", getattr(message, "call", 0)
        posted = self._stores.mailbox.posted
        return posted(f"{name}:{where}:{call}" if name else f"verdict:{where}") or posted(f"spent:{where}:{call}")

    def _close(self, session: str, reason: str) -> None:
        """Shut the mailbox and write the ledger's line, at once. Then kill the kernel; its place is free at a fixed time.

        Raises StoreError if the line cannot be written. The session then goes on, and is closed once it is silent for long.
        """
        found = self._sessions.get(session)
        if found is None:
            return
        with self._stores.ledger.transaction():
            for name, tick in found.silent():
                self._attempt(partial(self._glass.silence, found.principal, name, tick))
            self._stores.meter.release(session)
            self._stores.mailbox.close(session, self._glass.now())
            self._stores.ledger.append(LedgerEvent.closed, {"session": session, "reason": reason}, self._glass.now())
        del self._sessions[session]
        self._heard.pop(session, None)
        self._sees.pop(session, None)
        self._capacity.close(session, _clock())
        found.stop()
        self._ending.add(self._spawn(self._end(found)))
        self.tell_left(found.principal)

    async def _end(self, session: Session) -> None:
        if await session.end():
            self._capacity.dead(session.id)  # before its outputs are held: a full disk does not keep a kernel alive
        else:
            log.error("a kernel of session %s cannot be killed: no session is opened until the site is started anew", session.id)
        await session.held()

    # ------------------------------------------------------------ exports

    async def _ended(self, session: str, cell: int | None) -> None:
        """Wait for the end of a cell, or, for a file (None), for the end of all cells that have arrived."""
        if self._may_start is not None:
            await self._may_start.wait()  # reading an earlier run's outputs takes time, which a clear kernel beside it could measure
        if found := self._sessions.get(session):
            await (found.caught_up() if cell is None else found.kept(cell))

    def _deliver(self, principal: wire.Principal, session: str) -> None:
        """Send the session that opens now the decisions that came while no notebook of this user was open."""
        for _, _, export in self._stores.mailbox.exports_after(0, principal):
            if export.session not in self._sessions:
                self._glass.deliver(export, session)

    # ------------------------------------------------------------ keeping house

    async def keep_house(self) -> None:
        """Until cancelled: send again what was not received, announce grants, and close idle sessions."""
        idle = self._site.policy.session.idle_minutes * 60
        waiting: frozenset[str] = frozenset()
        while True:
            await asyncio.sleep(RESEND_S)
            waiting = self._glass.again(known=waiting, sessions=self._sessions)
            for session in list(self._sessions.values()):
                self._attempt(partial(self._deliver, session.principal, session.id))
            self._attempt(self._tell_grants)
            self._attempt(self._refusals.flush)
            now = _clock()
            for silent, heard in list(self._heard.items()):
                if now - heard > idle:
                    self._attempt(partial(self._close, silent, "idle"))

    def keep_to_projects(self) -> None:
        """End the sessions of who is not admitted any more, and those of projects that see other data than when they were opened."""
        for session in list(self._sessions.values()):
            project = self._stores.projects.admitted(session.principal.user, session.principal.project)
            if project is None or not project.sees_as(self._sees.get(session.id, project)):
                self._glass.link(session.id, wire.LinkCode.no_project, _clock())
                self._attempt(partial(self._close, session.id, "the project does not admit it any more"))

    def running(self) -> list[Session]:
        """The open sessions."""
        return list(self._sessions.values())

    def stop(self, session: str) -> None:
        """End a session that a steward stopped, if it is open. Raises StoreError where that cannot be written; it goes on then."""
        if session in self._sessions:
            self._close(session, "a steward stopped it")
            self._glass.link(session, wire.LinkCode.unavailable, _clock())

    def _tell_grants(self) -> None:
        for grant in self._stores.meter.grants(self._granted):
            self._granted = grant.seq
            self.tell_left(wire.Principal(user=grant.user, project=grant.project))

    def tell_left(self, principal: wire.Principal, but: str = "") -> None:
        """Tell the account's open sessions how many bits are left."""
        left = self._stores.meter.account(principal.user, principal.project).left()
        for session in self._sessions.values():
            if session.principal == principal and session.id != but:
                self._glass.link(session.id, wire.LinkCode.meter, _clock(), left=left)

    async def close(self) -> None:
        """End every inside kernel; sessions stay open on the disk."""
        for task in self._tasks - self._ending:
            task.cancel()
        await asyncio.gather(*self._tasks, *(session.close() for session in self._sessions.values()), return_exceptions=True)

    def _attempt(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except SiteError as error:
            log.exception("%s", error)
            return False
        return True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._ending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s", error, exc_info=error)


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(file: wire.WorkspaceFile) -> bytes:
    """The file's own bytes. Content that is not base64 is never written inside; its text alone stands for it."""
    try:
        return base64.b64decode(file.content or "", validate=True)
    except ValueError:
        return (file.content or "").encode()
