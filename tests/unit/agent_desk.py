"""A site's agent without processes: real ledger, meter, mailbox and held store, a fake inside kernel, a list for a link."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.question.plan import Plan
from twinpane_sandbox.cgroups import Use
from twinpane_site.agent import Agent
from twinpane_site.attempt_log import AttemptLog
from twinpane_site.config import Policy, Project, Site, SiteConfig
from twinpane_site.db import Database
from twinpane_site.errors import HeldError
from twinpane_site.exports import Asked, Source
from twinpane_site.exports import Kind as Kind_
from twinpane_site.glass import Glass
from twinpane_site.held import HeldLimits, HeldStore, unpacked
from twinpane_site.held_form import pack
from twinpane_site.held_writer import HeldWriter
from twinpane_site.inside_kernel import Ended, Kept
from twinpane_site.keys import SiteKey
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.mailbox import Mailbox
from twinpane_site.meter import Budget, Meter
from twinpane_site.parts.port import sealed
from twinpane_site.projects import Projects
from twinpane_site.reader import reports
from twinpane_site.session import Session
from twinpane_site.stores import Stores
from twinpane_site.verdict import Run, find
from twinpane_site.volume import Volume
from twinpane_wire import messages as wire
from twinpane_wire.canonical import DisplayNames, Outputs
from twinpane_wire.prefix_code import PrefixCode

S = "a" * 32
ANA = wire.Principal(user="ana", project="p")
BEN = wire.Principal(user="ben", project="p")
KEY = SiteKey(Ed25519PrivateKey.from_private_bytes(b"k" * 32))
FAST = PrefixCode(first_tick_ms=1)
CATALOGUE = Catalogue(site="a", snapshot="s", persons=100, tables=())
RULES = {"threshold": 10}


def said(*texts: str) -> Outputs:
    """Outputs that printed these texts."""
    outputs = Outputs(DisplayNames())
    for text in texts:
        outputs.add("stream", {"name": "stdout", "text": text})
    return outputs


def failure(name: Any, *traceback: str, count: int | None = 1) -> Run:
    """A run that ended with an error of that class."""
    outputs = said()
    error = {"ename": name, "evalue": "x", "traceback": list(traceback)}
    outputs.add("error", error)
    return Run(outputs, error, execution_count=count)


def cell(number: int, source: str = "1", **more: Any) -> wire.Cell:
    return wire.Cell(session=S, cell=number, msg_id=f"m{number}", source=source, **more)


def twin(number: int, *texts: str, calls: int = 0) -> wire.Twin:
    """The clear run ended and printed these texts."""
    return wire.Twin(session=S, cell=number, outputs=said(*texts).digest("twin"), calls=calls)


def reveal_ask(number: int = 1, call: int = 1, digits: int = 3) -> wire.RevealAsk:
    return wire.RevealAsk(session=S, cell=number, call=call, name="AUC", digits=digits)


def answer(number: int = 1, call: int = 1, kind: str = "reveal", value: Any = None, error: str = "") -> wire.Answer:
    return wire.Answer(session=S, cell=number, call=call, call_kind=kind, value=value if value is not None else {}, error=error)


def query(number: int = 1, call: int = 1) -> wire.Query:
    """A question to the broker."""
    return wire.Query(session=S, cell=number, call=call, plan=Plan.model_validate({"table": "person", "measures": [{"kind": "count"}]}))


Play = Callable[["FakeKernel", wire.Cell], Awaitable[Run]]


class FakeKernel:
    """An inside kernel and its reader, which do what the test says; see `twinpane_site.inside_kernel.InsideKernel`."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.died = asyncio.Event()
        self.ran: list[int] = []
        self.rooms: list[int] = []
        self.comms: list[wire.Comm] = []
        self.given: list[Any] = []
        self.interrupts = 0
        self.interrupted = asyncio.Event()
        self.closed = False
        self.outlived = False
        self._numbers: dict[tuple[int, int], asyncio.Future[float | None]] = {}

    async def execute(self, cell: wire.Cell, room: int, interrupted: bool = False) -> Ended | None:
        self.ran.append(cell.cell)
        self.rooms.append(room)
        if interrupted:
            self.interrupt()
        run = await self.play(self, cell)
        for (number, call), told in list(self._numbers.items()):
            if number == cell.cell and not told.done():
                self.reveal(number, call, None)
        if run.died:
            return None
        finding = find(run, cell.source)
        if not run.outputs:
            return Ended(finding)
        packed = pack(run.outputs, room, run.outputs.dropped)
        held = reports.Held(sha256=packed.sha256, outputs=packed.outputs, bytes=packed.bytes, dropped=packed.dropped)
        return Ended(finding, Kept(sealed(packed.content), held))

    def give(self, message: Any) -> None:
        self.given.append(message)

    def reveal(self, cell: int, call: int, value: float | None) -> None:
        """The inside run reveals a number."""
        self._number(cell, call).set_result(value)

    async def value(self, cell: int, call: int) -> float | None:
        return await asyncio.shield(self._number(cell, call))

    def _number(self, cell: int, call: int) -> "asyncio.Future[float | None]":
        return self._numbers.setdefault((cell, call), asyncio.get_running_loop().create_future())

    def comm(self, message: wire.Comm) -> None:
        self.comms.append(message)

    def interrupt(self) -> None:
        self.interrupts += 1
        self.interrupted.set()

    def use(self) -> Use:
        return Use(2.5, 3 * 2**20)

    async def close(self) -> None:
        self.closed = True
        self.died.set()


async def silent_play(_kernel: FakeKernel, _cell: wire.Cell) -> Run:
    """Every cell ends well and says nothing."""
    return Run(said())


class FakeLauncher:
    """Makes fake kernels; see `twinpane_site.kernel_launcher.KernelLauncher`."""

    def __init__(self, desk: "Desk") -> None:
        self.desk = desk
        self.kernels: list[FakeKernel] = []

    def volume(self, principal: wire.Principal) -> Volume:
        return Volume(self.desk.folder / "projects" / principal.user)

    async def start(self, opened: wire.Open, principal: wire.Principal, volume: Volume) -> FakeKernel | None:
        self.kernels.append(FakeKernel(self.desk.play))
        return self.kernels[-1]


class FakeExports:
    """Notes what is handed in; see `twinpane_site.exports.Exports`. Real things are read at once, as (kind, bytes) of each source."""

    def __init__(self, attended: bool = True) -> None:
        self.attended = attended
        self.turned_down: list[str] = []
        self.submitted: list[tuple[str, wire.ExportAsk, list[tuple[Kind_, Any]]]] = []
        self.messages: list[bytes] = []
        self.problems: list[Exception] = []

    async def admits(self, author: str, project: str, ask: wire.ExportAsk) -> bool:
        if not self.attended:
            self.turned_down.append(ask.request)
        return self.attended

    async def submit(self, asked: Asked) -> None:
        if self.problems:
            raise self.problems.pop(0)
        found = [self._read(source) for source in asked.sources()]
        self.messages.append(asked.message())
        self.submitted.append((asked.author, asked.ask, found))

    @staticmethod
    def _read(source: Source) -> tuple[Kind_, Any]:
        content: Any = None
        if source.kind is Kind_.held and source.descriptor is not None:
            try:
                content = unpacked(source.descriptor, source.sha256, source.bytes)
            except HeldError:
                return Kind_.damaged, None
        elif source.descriptor is not None:
            content = os.pread(source.descriptor, 1_000_000, 0)
        source.close()
        return source.kind, content


PROJECTS = (Project(id="p", members=("ana", "ben")),)


class Desk:
    """A site's stores and the glass over them; ``sent`` is what went onto the link."""

    def __init__(self, folder: Any, code: PrefixCode = FAST, day_bits: float = 1024, play: Play = silent_play) -> None:
        self.folder = folder
        self.play = play
        self.sent: list[Any] = []
        self.since: list[float] = []
        self.change = asyncio.Event()
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.db = Database.open(folder)
        self.ledger = Ledger(self.db, KEY)
        self.meter = Meter(self.db, Budget(day_bits, 16 * day_bits), self.now)
        self.mailbox = Mailbox(self.db)
        self.held = HeldStore(self.db, HeldLimits(keep_free=0))
        self.attempts = AttemptLog(self.db, self.ledger)
        self.projects = Projects(self.db, self.ledger, self.now, PROJECTS)
        self.glass = Glass(self.db, self.ledger, self.meter, self.mailbox, code, self.now, self)
        self.kernel: FakeKernel | None = None
        self.code = code
        self.turn: asyncio.Event | None = None
        """Set it before the agent is made, for a site that waits for its turn."""

    def now(self) -> datetime:
        return self.time

    def send(self, message: Any) -> None:
        self.sent.append(message)
        self.change.set()

    def link(self, message: Any, since: float) -> None:
        """What the link itself says leaves at once here, and the moment it answers is noted; see `twinpane_site.send_slots`."""
        self.since.append(since)
        self.send(message)

    def at(self, message: Any, moment: float, spread: float = 0) -> None:
        """What has a moment of its own leaves at once here."""
        self.send(message)

    def holds(self, message: Any) -> bool:
        """So nothing waits."""
        return False

    def session(self, start: Any = None) -> Session:
        """An open session with a fake kernel."""

        async def begin(session: Session) -> FakeKernel:
            self.kernel = FakeKernel(self.play)
            return self.kernel

        async def ask(query: wire.Query) -> Any:
            raise NotImplementedError

        opened = wire.Open(session=S, seed=1)
        holding = HeldWriter(S, "ana in p", self.held, self.glass)
        return Session(opened, ANA, self.glass, holding, Volume(self.folder / "volume"), start or begin, ask)

    def agent(self, exports: FakeExports | None = None, broker: Any = None, **session: int) -> Agent:
        """An agent with a fake launcher, ``desk.launcher``; ``session`` is policy."""
        config = SiteConfig(id="a", source="data", projects=PROJECTS)
        policy = Policy.model_validate({"rules": RULES | {"preset": "10-5"}, "code": self.code.model_dump(), "session": session})

        async def ask(_principal: wire.Principal, plan: Plan) -> Any:
            return await broker(plan), asyncio.get_running_loop().time()

        self.launcher = FakeLauncher(self)
        self.exports = exports or FakeExports()
        self.agent_ = Agent(
            Site(self.folder, config, policy, CATALOGUE),
            Stores(self.ledger, self.meter, self.mailbox, self.held, self.attempts, self.projects),
            self.glass, ask, self.launcher, self.exports, KEY.public_hex, self.turn,
        )  # fmt: skip
        self.glass.on_spent = self.agent_.tell_left
        return self.agent_

    def pane(self, body: Any, n: int, principal: wire.Principal = ANA) -> None:
        """The agent gets this message."""
        self.agent_.receive(wire.ForAgent(principal=principal, n=n, body=body))

    async def until(self, holds: Callable[[], Any], seconds: float = 10) -> Any:
        """Wait until something holds, looking whenever the loop had a turn."""
        async with asyncio.timeout(seconds):
            while not (found := holds()):
                await asyncio.sleep(0.001)
            return found

    async def sent_of(self, kind: type, count: int = 1) -> list[Any]:
        """Wait for that many messages of a type."""
        return await self.until(lambda: found if len(found := self.of(kind)) >= count else None)

    def of(self, kind: type) -> list[Any]:
        return [message for message in self.sent if isinstance(message, kind)]

    def codes(self) -> list[str]:
        """What the link itself said."""
        return [message.code.value for message in self.sent if isinstance(message, wire.Link)]

    def lines(self, kind: LedgerEvent) -> list[dict[str, Any]]:
        """Bodies of the ledger's entries of a kind."""
        return [dict(entry.body) for entry in self.ledger.entries(kind)]

    async def turns(self, count: int = 30) -> None:
        """Let everything go on that can."""
        for _ in range(count):
            await asyncio.sleep(0)


async def forever_play(_kernel: FakeKernel, _cell: wire.Cell) -> Run:
    """No cell ends."""
    await asyncio.Event().wait()
    raise AssertionError


@asynccontextmanager
async def session_of(desk: Desk, play: Any = None, **more: Any) -> AsyncIterator[Session]:
    """A session at the desk whose kernel plays so; closed at the end."""
    desk.play = play or desk.play
    session = desk.session(**more)
    try:
        yield session
    finally:
        await session.close()


def printing(texts: dict[int, list[str]]) -> Any:
    """A kernel whose cells of these numbers print these texts."""

    async def play(_kernel, cell):
        return Run(said(*texts.get(cell.cell, ())))

    return play


async def forever(_kernel: Any, _cell: Any) -> None:
    """A kernel whose cells never end."""
    await asyncio.Event().wait()


async def until_interrupted(kernel: Any, _cell: Any) -> Run:
    """A kernel whose cells end when they are interrupted."""
    await kernel.interrupted.wait()
    kernel.interrupted.clear()
    return failure("KeyboardInterrupt")
