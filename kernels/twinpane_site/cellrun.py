"""One cell on its way at a site: what came from outside about it, and what its inside run gets and gives."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from twinpane_sandbox.calls import CallError
from twinpane_wire import limits
from twinpane_wire import messages as wire

from .verdict import Finding


@dataclass
class CellRun:
    """A cell from its arrival to its verdict. Times are monotonic seconds."""

    cell: wire.Cell
    arrived: float
    twin: asyncio.Future[wire.Twin]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """The inside run is over and what it said is held; ``finding`` is there."""
    finding: Finding | None = None
    over: bool = False
    """The inside run is over, or will not begin."""
    known: float = 0.0
    twin_known: float = 0.0
    """When each of the two runs was over: the later is what the verdict's tick tells."""
    values: dict[int, float | None] = field(default_factory=dict)
    """Reveal values by call, as the inside run gave them."""
    cancelled: bool = False
    owes_verdict: bool = False
    """Its verdict was told that it may leave, and has not left yet."""
    owes_reveals: dict[int, bool] = field(default_factory=dict)
    """Reveals that were asked for, by call: whether they were told that they may leave, and have not left yet."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _answers: dict[int, wire.Answer] = field(default_factory=dict)
    _inputs: dict[int, str] = field(default_factory=dict)
    _calls: int = 0
    _prompts: int = 0

    def take(self, message: wire.Twin | wire.Answer | wire.Input, now: float) -> None:
        """Something from outside about this cell; what comes twice counts once."""
        match message:
            case wire.Twin() if not self.twin.done():
                self.twin_known = now
                self.twin.set_result(message)
            case wire.Answer() if not self.over:
                self._answers.setdefault(message.call, message)
            case wire.Input() if not self.over:
                self._inputs.setdefault(message.nth, message.value)
        self._tell()

    async def next_input(self) -> str | None:
        """The client's reply to the next prompt; None where the clear run had no such prompt."""
        self._prompts += 1
        number = self._prompts
        while number not in self._inputs:
            if self.twin.done() or self.over:
                return None
            await self._news.wait()
        return self._inputs[number]

    async def call(self, kind: str, args: dict[str, Any]) -> Any:
        """The inside run's next ``tp`` call: it gets what the clear run's call of the same number got, and nothing else."""
        if self._calls >= limits.CALLS:
            raise CallError("too_many", f"a cell may make {limits.CALLS} tp calls at most")
        self._calls += 1
        number = self._calls
        if kind == "reveal":
            value = args.get("value")
            self.values[number] = value if isinstance(value, int | float) else None
            self._tell()
        while number not in self._answers:
            # Answers come before the news that the clear run ended, so now none will come.
            if self.twin.done() or self.over:
                raise CallError("not_made", "the run on the twin did not make this call, so there is no answer to it")
            await self._news.wait()
        answer = self._answers[number]
        if answer.call_kind != kind:
            raise CallError("other_call", f"the run on the twin made another call here ({answer.call_kind})")
        if answer.error:
            raise CallError(answer.error, str(answer.value))
        return answer.value

    async def value(self, call: int) -> float | None:
        """What the inside run reveals in that call; None once it is known that it will not make it."""
        while call not in self.values and not self.ended.is_set():
            await self._news.wait()
        return self.values.get(call)

    def files_written(self) -> None:
        """The workspace's files lie inside: they need not be kept in memory."""
        self.cell = self.cell.model_copy(update={"files": ()})

    def run_over(self) -> None:
        """The inside run made its last call."""
        self.over = True
        self._answers.clear()
        self._inputs.clear()
        self._tell()

    def end(self, finding: Finding, now: float) -> None:
        """What the inside run said is held, and this is what it comes to."""
        self.finding = finding
        self.known = now
        self.ended.set()
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
