"""One session at one site: cells run in order in the inside kernel, and each gets its verdict at a tick.

Two things go on side by side. The *runner* runs cells as they come. The *settler* takes cells in the same order and decides, at moments
that the outside knows, what of each may leave. Nothing that the inside kernel does changes when or whether anything else is sent.
"""

import asyncio
import base64
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from twinpane_broker.release import Refusal, Release
from twinpane_sandbox.calls import CallError
from twinpane_wire import messages as wire
from twinpane_wire.canonical import DisplayNames, Outputs

from .errors import HeldError, SiteError
from .glass import Glass
from .held import HeldStore
from .inside import InsideKernel
from .verdict import Run, judge
from .volume import Volume

log = logging.getLogger(__name__)

RETRY_S = 2.0
"""Seconds until a crossing whose evidence could not be written is tried again."""

Start = Callable[["Session"], Awaitable[InsideKernel | None]]
Ask = Callable[[wire.Query], Awaitable[Release | Refusal]]


@dataclass
class CellRun:
    """A cell on its way: what came from outside about it, what its inside run gave."""

    cell: wire.Cell
    arrived: float
    """Monotonic seconds."""
    twin: asyncio.Future[wire.Twin]
    run: asyncio.Future[Run]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """The inside run is over and what it said is held."""
    known: float = 0.0
    twin_known: float = 0.0
    """When each of the two runs was over, in monotonic seconds: the later is what the verdict's tick tells."""
    calls: int = 0
    prompts: int = 0
    values: dict[int, Any] = field(default_factory=dict)
    """Reveal values by call, as the inside run gave them."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever something new is known: a value, an answer, an input, the twin's end."""
    answers: dict[int, wire.Answer] = field(default_factory=dict)
    inputs: dict[int, str] = field(default_factory=dict)
    cancelled: bool = False

    def tell(self) -> None:
        """Wake whoever waits for something about this cell."""
        self.news.set()
        self.news = asyncio.Event()


class Session:
    """One notebook's session at this site."""

    def __init__(
        self, opened: wire.Open, principal: wire.Principal, glass: Glass, held: HeldStore, volume: Volume, start: Start, ask: Ask
    ) -> None:
        self.id = opened.session
        self.opened = opened
        self.principal = principal
        self._glass = glass
        self._held = held
        self._volume = volume
        self._start = start
        self._ask = ask
        self._cells: dict[int, CellRun] = {}
        self._to_run: asyncio.Queue[CellRun | wire.Comm] = asyncio.Queue()
        self._to_settle: asyncio.Queue[CellRun] = asyncio.Queue()
        self._kernel: InsideKernel | None = None
        self._current: CellRun | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._spawn(self._run_all())
        self._spawn(self._settle_all())

    # ------------------------------------------------------------ what comes from outside

    def take(self, message: Any) -> None:
        """Act on one message of the session, in the order they were numbered."""
        match message:
            case wire.Cell():
                loop = asyncio.get_running_loop()
                run = CellRun(message, time.monotonic(), loop.create_future(), loop.create_future())
                self._cells[message.cell] = run
                self._to_run.put_nowait(run)
                self._to_settle.put_nowait(run)
            case wire.Comm():
                self._to_run.put_nowait(message)
            case wire.Query():
                self._spawn(self._query(message))
            case wire.RevealAsk():
                self._spawn(self._reveal(message))
            case wire.Twin() | wire.Answer() | wire.Input():
                self._about_cell(message)
            case wire.Interrupt():
                self._interrupt(message.cell)

    def _about_cell(self, message: wire.Twin | wire.Answer | wire.Input) -> None:
        run = self._cells.get(message.cell)
        if run is None:
            return
        match message:
            case wire.Twin() if not run.twin.done():
                run.twin_known = time.monotonic()
                run.twin.set_result(message)
            case wire.Answer():
                run.answers.setdefault(message.call, message)
            case wire.Input():
                run.inputs.setdefault(message.nth, message.value)
        run.tell()

    def _interrupt(self, cell: int) -> None:
        for run in self._cells.values():
            if run.cell.cell <= cell and not run.run.done() and run is not self._current:
                run.cancelled = True
        if self._current is not None and self._current.cell.cell <= cell and self._kernel is not None:
            self._spawn(self._kernel.interrupt())

    # ------------------------------------------------------------ the runner

    async def _run_all(self) -> None:
        self._kernel = await self._start(self)
        while True:
            work = await self._to_run.get()
            if isinstance(work, wire.Comm):
                if self._kernel is not None and not self._kernel.died.is_set():
                    await self._kernel.comm(work, tuple(base64.b64decode(buffer) for buffer in work.buffers))
                continue
            self._current = work
            try:
                run = await self._run(work)
            except Exception:
                log.exception("cell %d of session %s could not be run", work.cell.cell, self.id)
                run = Run(_nothing(), died=True)
            finally:
                self._current = None
            work.run.set_result(run)
            self._spawn(self._end(work, run))

    async def _end(self, work: CellRun, run: Run) -> None:
        # In threads: how much this cell said may not hold up what the agent does for others.
        await asyncio.gather(self._hold(work, run), asyncio.to_thread(lambda: run.digest))
        work.known = time.monotonic()
        work.ended.set()
        work.tell()

    async def _run(self, work: CellRun) -> Run:
        if work.cancelled:
            return Run(_nothing(), error={"ename": "KeyboardInterrupt"})
        if self._kernel is None or self._kernel.died.is_set():
            return Run(_nothing(), died=True)
        await asyncio.to_thread(self._volume.push, work.cell.files)
        return await self._kernel.execute(work.cell, lambda: self._next_input(work))

    async def _next_input(self, work: CellRun) -> str | None:
        work.prompts += 1
        number = work.prompts
        while number not in work.inputs:
            if work.twin.done():
                return None
            await work.news.wait()
        return work.inputs[number]

    async def call(self, kind: str, args: dict[str, Any]) -> Any:
        """The inside run's next ``tp`` call: it gets what the clear run's call of the same number got, and nothing else."""
        work = self._current
        if work is None:
            raise CallError("no_cell", "tp calls are answered only while a cell runs")
        work.calls += 1
        number = work.calls
        if kind == "reveal":
            work.values[number] = args.get("value")
            work.tell()
        while number not in work.answers:
            if work.twin.done() and work.twin.result().calls < number:
                raise CallError("not_made", "the run on the twin did not make this call, so there is no answer to it")
            await work.news.wait()
        answer = work.answers[number]
        if answer.call_kind != kind:
            raise CallError("other_call", f"the run on the twin made another call here ({answer.call_kind})")
        return answer.value

    # ------------------------------------------------------------ the settler

    async def _settle_all(self) -> None:
        while True:
            work = await self._to_settle.get()
            may = not (work.cell.rehearsal or work.cell.silent) and await self._insist(
                lambda work=work: self._glass.may_verdict(self.principal, self.id, work.cell.cell, work.cell.source)
            )
            if may:
                await self._settle(work)

    async def _settle(self, work: CellRun) -> None:
        run, twin = await work.run, await work.twin
        await work.ended.wait()
        judgement = judge(run, work.cell.source, twin.outputs)
        tick = await self._tick(work, max(work.known, work.twin_known))
        await self._insist(lambda: self._glass.verdict(self.principal, self.id, work.cell.cell, work.cell.source, judgement, tick))

    async def _tick(self, work: CellRun, known: float) -> int:
        """Wait for the first tick after ``known``, counted from the cell's arrival; returns its number."""
        code = self._glass.code
        tick = code.tick((known - work.arrived) * 1000)
        await asyncio.sleep(max(0.0, work.arrived + code.tick_ms(tick) / 1000 - time.monotonic()))
        return tick

    async def _hold(self, work: CellRun, run: Run) -> None:
        """Keep what the run said, for reviewers; a full disk keeps it in memory until there is room."""
        if not run.outputs:
            return
        outputs = list(run.outputs)
        while True:
            try:
                await asyncio.to_thread(self._held.put, self.id, work.cell.cell, outputs, self._glass.now(), run.outputs.dropped)
                return
            except HeldError as error:
                log.error("%s", error)
                await asyncio.sleep(RETRY_S)

    async def _insist(self, write: Callable[[], Any]) -> Any:
        """Evidence before effect: as long as it cannot be written, nothing leaves, and it is tried again."""
        while True:
            try:
                return write()
            except SiteError as error:
                log.error("nothing leaves: %s", error)
                await asyncio.sleep(RETRY_S)

    async def _reveal(self, ask: wire.RevealAsk) -> None:
        work = self._cells.get(ask.cell)
        if work is None or not await self._insist(lambda: self._glass.may_reveal(self.principal, ask)):
            return
        while ask.call not in work.values and not work.ended.is_set():
            await work.news.wait()
        tick = await self._tick(work, time.monotonic())
        await self._insist(lambda: self._glass.reveal(self.principal, ask, work.values.get(ask.call), tick))

    async def _query(self, query: wire.Query) -> None:
        result = await self._ask(query)
        await self._insist(lambda: self._glass.release(self.principal, query, result))

    # ------------------------------------------------------------ for the review, and the end

    def source(self, cell: int) -> str | None:
        """The source of a cell as it ran here."""
        run = self._cells.get(cell)
        return run.cell.source if run else None

    async def ended(self, cell: int) -> None:
        """Wait until a cell's inside run has ended and what it said is held; returns at once for a cell that never came."""
        run = self._cells.get(cell)
        if run is not None:
            await run.ended.wait()

    def file(self, path: str, limit: int) -> bytes | None:
        """A file below the inside ``/project``, None where there is none; links are not followed."""
        return self._volume.read(path, limit)

    async def close(self) -> None:
        """End the inside kernel and everything under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._kernel is not None:
            await self._kernel.close()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("session %s: %s", self.id, task.exception(), exc_info=task.exception())


def _nothing() -> Outputs:
    return Outputs(DisplayNames())
