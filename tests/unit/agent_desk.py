"""A site's agent without processes: real ledger, meter, mailbox and held store, a fake inside kernel, a list for a link."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from twinpane_broker.catalogue import Catalogue
from twinpane_broker.plan import Plan
from twinpane_site.agent import Agent, Stores
from twinpane_site.config import Policy, Project, Site, SiteConfig
from twinpane_site.db import Database
from twinpane_site.glass import Glass
from twinpane_site.held import HeldLimits, HeldStore
from twinpane_site.keys import SiteKey
from twinpane_site.kinds import Kind
from twinpane_site.ledger import Ledger
from twinpane_site.mailbox import Mailbox
from twinpane_site.meter import Budget, Meter
from twinpane_site.session import Session
from twinpane_site.verdict import Run
from twinpane_site.volume import Volume
from twinpane_wire import messages as wire
from twinpane_wire.canonical import DisplayNames, Outputs
from twinpane_wire.code import Code

S = "a" * 32
ANA = wire.Principal(user="ana", project="p")
BEN = wire.Principal(user="ben", project="p")
KEY = SiteKey(Ed25519PrivateKey.from_private_bytes(b"k" * 32))
FAST = Code(first_tick_ms=1)
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


Play = Callable[["FakeKernel", wire.Cell, Callable[[], Awaitable[str | None]]], Awaitable[Run]]


class FakeKernel:
    """An inside kernel that does what the test says; see `twinpane_site.inside.InsideKernel`."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.died = asyncio.Event()
        self.ran: list[int] = []
        self.comms: list[wire.Comm] = []
        self.interrupts = 0
        self.interrupted = asyncio.Event()
        self.closed = False

    async def execute(self, cell: wire.Cell, prompt: Callable[[], Awaitable[str | None]]) -> Run:
        self.ran.append(cell.cell)
        return await self.play(self, cell, prompt)

    async def comm(self, message: wire.Comm, buffers: tuple[bytes, ...]) -> None:
        self.comms.append(message)

    async def interrupt(self) -> None:
        self.interrupts += 1
        self.interrupted.set()

    async def close(self) -> None:
        self.closed = True
        self.died.set()


async def silent_play(_kernel: FakeKernel, _cell: wire.Cell, _prompt: Any) -> Run:
    """Every cell ends well and says nothing."""
    return Run(said())


class FakeRooms:
    """Makes fake kernels; see `twinpane_site.rooms.Rooms`."""

    def __init__(self, desk: "Desk") -> None:
        self.desk = desk
        self.kernels: list[FakeKernel] = []

    def volume(self, principal: wire.Principal) -> Volume:
        return Volume(self.desk.folder / "projects" / principal.user)

    async def enter(self, opened: wire.Open, principal: wire.Principal, volume: Volume, call: Any) -> FakeKernel | None:
        self.desk.call = call
        self.kernels.append(FakeKernel(self.desk.play))
        return self.kernels[-1]


class FakeExports:
    """Notes what is handed in; see `twinpane_site.exports.Exports`."""

    def __init__(self, attended: bool = True) -> None:
        self.attended = attended
        self.submitted: list[tuple[str, wire.ExportAsk, list[Any]]] = []
        self.problems: list[Exception] = []

    def submit(self, author: str, project: str, ask: wire.ExportAsk, items: Any) -> None:
        if self.problems:
            raise self.problems.pop(0)
        self.submitted.append((author, ask, list(items)))


class Desk:
    """A site's stores and the glass over them; ``sent`` is what went onto the link."""

    def __init__(self, folder: Any, code: Code = FAST, day_bits: float = 1024, play: Play = silent_play) -> None:
        self.folder = folder
        self.play = play
        self.call: Any = None
        self.sent: list[Any] = []
        self.change = asyncio.Event()
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.db = Database.open(folder)
        self.ledger = Ledger(self.db, KEY)
        self.meter = Meter(self.db, Budget(day_bits, 16 * day_bits), self.now)
        self.mailbox = Mailbox(self.db)
        self.held = HeldStore(self.db, HeldLimits(keep_free=0))
        self.glass = Glass(self.db, self.ledger, self.meter, self.mailbox, code, self.now, self.send)
        self.kernel: FakeKernel | None = None
        self.code = code

    def now(self) -> datetime:
        return self.time

    def send(self, message: Any) -> None:
        self.sent.append(message)
        self.change.set()

    def session(self, start: Any = None) -> Session:
        """An open session with a fake kernel."""

        async def begin(session: Session) -> FakeKernel:
            self.call = session.call
            self.kernel = FakeKernel(self.play)
            return self.kernel

        async def ask(query: wire.Query, write: Any) -> Any:
            raise NotImplementedError

        opened = wire.Open(session=S, seed=1)
        return Session(opened, ANA, self.glass, self.held, Volume(self.folder / "volume"), start or begin, ask)

    def agent(self, exports: FakeExports | None = None, broker: Any = None, **session: int) -> Agent:
        """An agent with fake rooms, ``desk.rooms``; ``session`` is policy."""
        config = SiteConfig(id="a", source="data", projects=(Project(id="p", members=("ana", "ben")),))
        policy = Policy.model_validate({"rules": RULES | {"preset": "10-5"}, "code": self.code.model_dump(), "session": session})

        async def ask(_principal: wire.Principal, plan: Plan, write: Any) -> Any:
            return await write(await broker(plan))

        self.rooms = FakeRooms(self)
        self.exports = exports or FakeExports()
        self.agent_ = Agent(
            Site(self.folder, config, policy, CATALOGUE), Stores(self.ledger, self.meter, self.mailbox, self.held), self.glass,
            ask, self.rooms, self.exports, KEY.public_hex,
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

    def lines(self, kind: Kind) -> list[dict[str, Any]]:
        """Bodies of the ledger's entries of a kind."""
        return [dict(entry.body) for entry in self.ledger.entries(kind)]

    async def turns(self, count: int = 30) -> None:
        """Let everything go on that can."""
        for _ in range(count):
            await asyncio.sleep(0)


async def forever_play(_kernel: FakeKernel, _cell: wire.Cell, _prompt: Any) -> Run:
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

    async def play(_kernel, cell, _prompt):
        return Run(said(*texts.get(cell.cell, ())))

    return play


async def forever(_kernel: Any, _cell: Any, _prompt: Any) -> None:
    """A kernel whose cells never end."""
    await asyncio.Event().wait()


async def until_interrupted(kernel: Any, _cell: Any, _prompt: Any) -> Run:
    """A kernel whose cells end when they are interrupted."""
    await kernel.interrupted.wait()
    kernel.interrupted.clear()
    return failure("KeyboardInterrupt")
