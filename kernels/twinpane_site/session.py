"""One session at one site: cells run in order in the inside kernel, and each gets its verdict at a tick.

Two tasks work side by side. The *runner* runs cells as they come. The *settler* takes cells in the same order. At moments that the outside
knows, it decides what may leave. Nothing that the inside kernel does changes when or whether other messages are sent.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from twinpane_broker import Refusal, Release
from twinpane_sandbox.cgroups import Use
from twinpane_wire import messages as wire

from .cell_run import CellRun
from .errors import MeterError, SiteError
from .glass import Glass
from .held_writer import HeldWriter
from .inside_kernel import Ended, Given, InsideKernel
from .session_figures import Figures, KernelState
from .verdict import DIED, UNFINISHED, UNREADABLE, Finding, Judgement
from .volume import Volume

log = logging.getLogger(__name__)

RETRY_S = 2.0
"""Seconds until a crossing whose evidence could not be written is tried again."""

T = TypeVar("T")
Start = Callable[["Session"], Awaitable[InsideKernel | None]]
Ask = Callable[[wire.Query], Awaitable[tuple[Release | Refusal, float]]]
"""Gives the broker's answer, and its moment by the loop's clock."""


class Session:
    """One notebook's session at this site."""

    def __init__(
        self, opened: wire.Open, principal: wire.Principal, glass: Glass, writer: HeldWriter, volume: Volume, start: Start, ask: Ask,
        later: bool = False,
    ) -> None:  # fmt: skip
        self.id = opened.session
        self.opened = opened
        self.principal = principal
        self._glass = glass
        self._writer = writer
        self._volume = volume
        self._start = start
        self._ask = ask
        self._begun = asyncio.Event()
        """Until it is set cells wait: each counts as arrived then, as before it nothing about a run could be seen."""
        if not later:
            self._begun.set()
        self._cells: dict[int, CellRun] = {}
        self._to_run: asyncio.Queue[CellRun | wire.Comm] = asyncio.Queue()
        self._to_settle: asyncio.Queue[CellRun] = asyncio.Queue()
        self._kernel: InsideKernel | None = None
        self._early: list[Given] | None = []
        """What was given before there was a kernel; None from then on."""
        self._started = asyncio.Event()
        self._current: CellRun | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._spawn(self._run_all())
        self._spawn(self._settle_all())

    # ------------------------------------------------------------ what comes from outside

    def take(self, message: wire.Inward) -> None:
        """Act on one message of the session, in the order they were numbered."""
        match message:
            case wire.Cell() if message.cell not in self._cells:
                arrived = time.monotonic() if self._begun.is_set() else math.inf
                run = CellRun(message, arrived, asyncio.get_running_loop().create_future())
                self._cells[message.cell] = run
                self._to_run.put_nowait(run)
                self._to_settle.put_nowait(run)
            case wire.Comm():
                self._to_run.put_nowait(message)
            case wire.Query():
                self._spawn(self._query(message))
            case wire.RevealAsk():
                self._spawn(self._reveal(message))
            case wire.Twin() | wire.Answer() | wire.Input() if message.cell in self._cells:
                self._give(message)
                if isinstance(message, wire.Twin):
                    self._cells[message.cell].end_twin(message, time.monotonic())
            case wire.Interrupt() if message.cell in self._cells:
                self._interrupt(self._cells[message.cell])

    def _give(self, message: Given) -> None:
        if self._early is not None:
            self._early.append(message)
        elif self._kernel is not None:
            self._kernel.give(message)

    def _interrupt(self, run: CellRun) -> None:
        """Interrupt only the cell that the clear kernel ran when the interrupt came."""
        if run is self._current and self._kernel is not None:
            self._kernel.interrupt()
        elif not run.over:
            run.cancelled = True

    def begin(self) -> None:
        """Treat all messages that came so far as arriving now."""
        for run in self._cells.values():
            run.arrived = time.monotonic()
        self._begun.set()

    # ------------------------------------------------------------ the runner

    async def _run_all(self) -> None:
        try:
            self._kernel = await self._start(self)
        except Exception:
            log.exception("no inside kernel for session %s", self.id)
        early, self._early = self._early or [], None
        for message in early:
            self._give(message)
        self._started.set()
        while True:
            work = await self._to_run.get()
            if isinstance(work, wire.Comm):
                if self._kernel is not None:
                    self._kernel.comm(work)
                continue
            try:
                ended = await self._run(work)
                finding = DIED if ended is None else ended.finding
            except Exception:
                log.exception("cell %d of session %s could not be run", work.cell.cell, self.id)
                ended, finding = None, UNREADABLE
            work.end(finding, time.monotonic())
            if ended is not None and ended.kept is not None:
                self._writer.keep(work.cell.cell, ended.kept)

    async def _run(self, work: CellRun) -> Ended | None:
        kernel = self._kernel
        if kernel is None or kernel.died.is_set():
            return None
        await asyncio.to_thread(self._volume.push, work.cell.files)
        work.files_written()
        room = self._writer.room()
        self._current = work
        try:
            return await kernel.execute(work.cell, room, interrupted=work.cancelled)
        finally:
            self._current = None

    # ------------------------------------------------------------ the settler

    async def _settle_all(self) -> None:
        while True:
            work = await self._to_settle.get()
            if work.cell.rehearsal or work.cell.silent:
                continue
            may = await self._insist(partial(self._glass.may_verdict, self.principal, self.id, work.cell.cell, work.cell.source))
            if may:
                work.owes_verdict = True
                await self._settle(work)

    async def _settle(self, work: CellRun) -> None:
        twin = await work.twin
        known = await self._known(work, work.ended.wait, lambda: max(work.known, work.twin_known))
        tick, moment = await self._tick(work, known)
        judgement, cell = self._judgement(work.finding, twin.outputs, tick), work.cell
        await self._insist(lambda: self._glass.verdict(self.principal, self.id, cell.cell, cell.source, judgement, tick, moment))
        work.owes_verdict = False

    def _judgement(self, finding: Finding | None, twin_digest: str, tick: int) -> Judgement:
        """The verdict's content. At the last tick it is always the same, whatever the run did: nobody has paid to learn more."""
        if finding is None or tick >= self._glass.code.ticks:
            return UNFINISHED
        return finding.against(twin_digest)

    async def _known(self, work: CellRun, news: Callable[[], Awaitable[object]], when: Callable[[], float]) -> float:
        """Wait for the news of an inside run, until the last tick at the longest; returns when it was known."""
        await self._begun.wait()
        last = work.arrived + self._glass.code.tick_ms(self._glass.code.ticks) / 1000
        try:
            async with asyncio.timeout(max(0.0, last - time.monotonic())):
                await news()
        except TimeoutError:
            return last
        return when()

    async def _tick(self, work: CellRun, known: float) -> tuple[int, float]:
        """Wait for the first tick after ``known``, counted from the cell's arrival; returns its number and its moment."""
        code = self._glass.code
        tick = code.tick((known - work.arrived) * 1000)
        moment = work.arrived + code.tick_ms(tick) / 1000
        await asyncio.sleep(max(0.0, moment - time.monotonic()))
        return tick, moment

    async def _insist(self, write: Callable[[], T]) -> T | None:
        """Evidence before effect: while it cannot be written, nothing leaves, and writing is tried again.

        None if the message will never leave: it has left before, or the meter does not know it.
        """
        while True:
            try:
                return write()
            except MeterError as error:
                log.error("nothing leaves: %s", error)
                return None
            except SiteError as error:
                log.error("nothing leaves: %s", error)
                await asyncio.sleep(RETRY_S)

    async def _reveal(self, ask: wire.RevealAsk) -> None:
        work = self._cells.get(ask.cell)
        if work is not None and ask.call in work.owes_reveals:
            return
        if work is not None:
            work.owes_reveals[ask.call] = False
        if not await self._insist(lambda: self._glass.may_reveal(self.principal, ask)):
            return
        if work is None:
            # Its cell was settled before the agent restarted. The value is gone, so None leaves.
            await self._insist(lambda: self._glass.reveal(self.principal, ask, None, 0, time.monotonic()))
            return
        work.owes_reveals[ask.call] = True
        value = asyncio.ensure_future(self._value(ask))
        try:
            known = await self._known(work, lambda: asyncio.shield(value), time.monotonic)
        finally:
            value.cancel()
        tick, moment = await self._tick(work, known)
        told = value.result() if value.done() and not value.cancelled() and tick < self._glass.code.ticks else None
        await self._insist(lambda: self._glass.reveal(self.principal, ask, told, tick, moment))
        work.owes_reveals[ask.call] = False

    async def _value(self, ask: wire.RevealAsk) -> float | None:
        """The value that the inside run reveals in that call; None if it does not make the call, or there is no kernel."""
        await self._started.wait()
        return None if self._kernel is None else await self._kernel.value(ask.cell, ask.call)

    async def _query(self, query: wire.Query) -> None:
        result, moment = await self._ask(query)
        await self._insist(lambda: self._glass.release(self.principal, query, result, moment))

    # ------------------------------------------------------------ for the steward

    def figures(self) -> Figures:
        """What the session uses now. It reads files of the machine: call it in a thread."""
        kernel, run = self._kernel, self._current
        use = kernel.use() if kernel is not None else Use()
        disk, size = self._volume.use() or (None, None)
        return Figures(self.id, self._state(kernel, run), run.cell.cell if run else None, use.processor_s, use.memory, disk, size)

    def _state(self, kernel: InsideKernel | None, run: CellRun | None) -> KernelState:
        if not self._started.is_set():
            return KernelState.starting
        if kernel is None or kernel.died.is_set():
            return KernelState.gone
        return KernelState.idle if run is None else KernelState.running

    # ------------------------------------------------------------ for the review, and the end

    async def kept(self, cell: int) -> None:
        """Wait until a cell's inside run has ended and what it said is held; returns at once for a cell that never came."""
        run = self._cells.get(cell)
        if run is not None:
            await run.ended.wait()
            await self._writer.done(cell)

    async def caught_up(self) -> None:
        """Wait until the inside runs of all cells that came so far have ended."""
        for run in list(self._cells.values()):
            await run.ended.wait()

    def silent(self) -> list[tuple[str, int]]:
        """The crossings that may leave and have not: each with its id and the last tick that it let pass, if the session ended now.

        Includes only those that could have left by now: a verdict waits for the clear run too, and before the first tick nothing leaves.
        """
        now, first = time.monotonic(), self._glass.code.first_tick_ms / 1000
        owed = []
        for number, run in self._cells.items():
            passed = math.floor(math.log2((now - run.arrived) / first)) if now - run.arrived >= first else -1
            if passed < 0:
                continue
            if run.owes_verdict and run.twin.done():
                owed.append((f"verdict:{self.id}:{number}", passed))
            owed += [(f"reveal:{self.id}:{number}:{call}", passed) for call, owes in run.owes_reveals.items() if owes]
        return owed

    def stop(self) -> None:
        """Let nothing more leave, at once; whoever waits for a cell's end need not wait any longer."""
        if self._stopped:
            return  # if it is cancelled twice, the runner cannot end a kernel that it is starting
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        for run in self._cells.values():
            run.ended.set()

    async def end(self) -> bool:
        """Stop, and end the inside kernel. Returns whether it is dead."""
        self.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._kernel is not None:
            await self._kernel.close()
        return self._kernel is None or not self._kernel.outlived

    async def close(self) -> None:
        """End the session. Its cells' outputs are still held."""
        await self.end()
        await self.held()

    async def held(self) -> None:
        """Wait until all outputs of its cells are held, or noted as lost."""
        await self._writer.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("session %s: %s", self.id, task.exception(), exc_info=task.exception())
