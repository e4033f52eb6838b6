"""One session at one site: cells run in order in the inside kernel, and each gets its verdict at a tick.

Two things go on side by side. The *runner* runs cells as they come. The *settler* takes cells in the same order and decides, at moments
that the outside knows, what of each may leave. Nothing that the inside kernel does changes when or whether anything else is sent.
"""

import asyncio
import base64
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

from twinpane_broker.release import Refusal, Release
from twinpane_sandbox.calls import CallError
from twinpane_wire import messages as wire
from twinpane_wire.canonical import DisplayNames, Outputs

from .cellrun import CellRun
from .errors import HeldError, MeterError, SiteError, StoreError
from .glass import Glass
from .held import HeldStore
from .inside import InsideKernel
from .verdict import DIED, UNREADABLE, Finding, Run, find
from .volume import Volume

log = logging.getLogger(__name__)

RETRY_S = 2.0
"""Seconds until a crossing whose evidence could not be written is tried again."""

Start = Callable[["Session"], Awaitable[InsideKernel | None]]
Write = Callable[[Release | Refusal], Awaitable[wire.Released | None]]
"""Makes an answer's evidence durable."""
Ask = Callable[[wire.Query, Write], Awaitable[wire.Released | None]]
"""Answers a question: gives what was written when its tick has come."""


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
            case wire.Cell() if message.cell not in self._cells:
                run = CellRun(message, time.monotonic(), asyncio.get_running_loop().create_future())
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
                self._cells[message.cell].take(message, time.monotonic())
            case wire.Interrupt():
                self._interrupt(message.cell)

    def _interrupt(self, cell: int) -> None:
        for run in self._cells.values():
            if run.cell.cell <= cell and not run.over:
                run.cancelled = True
        if self._current is not None and self._current.cancelled and self._kernel is not None:
            self._spawn(self._kernel.interrupt())

    # ------------------------------------------------------------ the runner

    async def _run_all(self) -> None:
        try:
            self._kernel = await self._start(self)
        except Exception:
            log.exception("no inside kernel for session %s", self.id)
        ending: asyncio.Task[None] | None = None
        while True:
            work = await self._to_run.get()
            if isinstance(work, wire.Comm):
                await self._comm(work)
                continue
            self._current = work
            try:
                run = await self._run(work)
            except Exception:
                log.exception("cell %d of session %s could not be run", work.cell.cell, self.id)
                run = Run(_nothing(), died=True)
            finally:
                self._current = None
            work.run_over()
            if ending is not None:
                await ending  # what one cell said may wait in memory, not what all cells said
            ending = self._spawn(self._end(work, run))

    async def _run(self, work: CellRun) -> Run:
        if self._kernel is None or self._kernel.died.is_set():
            return Run(_nothing(), died=True)
        if not work.cancelled:
            await asyncio.to_thread(self._volume.push, work.cell.files)
            work.files_written()
        if work.cancelled:
            return _interrupted()
        return await self._kernel.execute(work.cell, work.next_input)

    async def _comm(self, message: wire.Comm) -> None:
        if self._kernel is None or self._kernel.died.is_set():
            return
        try:
            await self._kernel.comm(message, tuple(base64.b64decode(buffer) for buffer in message.buffers))
        except Exception:
            log.exception("a comm message of session %s could not be passed on", self.id)

    async def _end(self, work: CellRun, run: Run) -> None:
        # In threads: how much this cell said may not hold up what the agent does for others.
        finding, _ = await asyncio.gather(asyncio.to_thread(_found, run, work.cell.source), self._hold(work, run))
        work.end(finding, time.monotonic())

    async def call(self, kind: str, args: dict[str, Any]) -> Any:
        """A ``tp`` call of the inside kernel: the running cell's next."""
        if self._current is None:
            raise CallError("no_cell", "tp calls are answered only while a cell runs")
        return await self._current.call(kind, args)

    # ------------------------------------------------------------ the settler

    async def _settle_all(self) -> None:
        while True:
            work = await self._to_settle.get()
            if work.cell.rehearsal or work.cell.silent:
                continue
            may = await self._insist(
                lambda work=work: self._glass.may_verdict(self.principal, self.id, work.cell.cell, work.cell.source)
            )
            if may:
                work.owes_verdict = True
                await self._settle(work)

    async def _settle(self, work: CellRun) -> None:
        twin = await work.twin
        await work.ended.wait()
        judgement = (work.finding or DIED).against(twin.outputs)
        tick = await self._tick(work, max(work.known, work.twin_known))
        await self._insist(lambda: self._glass.verdict(self.principal, self.id, work.cell.cell, work.cell.source, judgement, tick))
        work.owes_verdict = False

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

        def put() -> None:
            self._glass.held(self._held.put(self.id, work.cell.cell, outputs, self._glass.now(), run.outputs.dropped))

        while True:
            try:
                await asyncio.to_thread(put)
                return
            except (HeldError, StoreError) as error:
                log.error("%s", error)
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("outputs of cell %d of session %s cannot be held", work.cell.cell, self.id)
                return

    async def _insist(self, write: Callable[[], Any]) -> Any:
        """Evidence before effect: as long as it cannot be written, nothing leaves, and it is tried again.

        None where it will never leave: it has left before, or the meter does not know it.
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
            # Its cell was settled before the agent was started anew: the value is gone, and that is what leaves.
            await self._insist(lambda: self._glass.reveal(self.principal, ask, None, 0))
            return
        work.owes_reveals[ask.call] = True
        value = await work.value(ask.call)
        tick = await self._tick(work, time.monotonic())
        await self._insist(lambda: self._glass.reveal(self.principal, ask, value, tick))
        work.owes_reveals[ask.call] = False

    async def _query(self, query: wire.Query) -> None:
        message = await self._ask(query, lambda result: self._insist(lambda: self._glass.release(self.principal, query, result)))
        if message is not None:
            self._glass.reply(message)

    # ------------------------------------------------------------ for the review, and the end

    async def ended(self, cell: int) -> None:
        """Wait until a cell's inside run has ended and what it said is held; returns at once for a cell that never came."""
        run = self._cells.get(cell)
        if run is not None:
            await run.ended.wait()

    def silent(self) -> list[tuple[str, int]]:
        """What was told that it may leave and has not, if the session ended now: its crossing's id, and the last tick that it let pass.

        Only what could have left by then: a verdict waits for the clear run too, and before the first tick nothing leaves.
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

    async def close(self) -> None:
        """End the inside kernel and everything under way; whoever waits for a cell's end need not wait any longer."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._kernel is not None:
            await self._kernel.close()
        for run in self._cells.values():
            run.ended.set()

    def _spawn(self, work: Any) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("session %s: %s", self.id, task.exception(), exc_info=task.exception())


def _found(run: Run, source: str) -> Finding:
    try:
        return find(run, source)
    except Exception:
        log.exception("an inside run could not be read")
        return UNREADABLE


def _interrupted() -> Run:
    error = {"ename": "KeyboardInterrupt", "evalue": "", "traceback": []}
    outputs = _nothing()
    outputs.add("error", error)  # so that it is not the same as a clear run that ended well and said nothing
    return Run(outputs, error)


def _nothing() -> Outputs:
    return Outputs(DisplayNames())
