"""A cell's inputs from outside (replies to its prompts, answers to its ``tp`` calls), and the numbers that its inside run reveals."""

import asyncio
from typing import Any

from twinpane_ground import limits
from twinpane_sandbox.call_server import CallError

from .reports import number


class CellInputs:
    """The inputs of one cell. Messages from outside come in any order, before, during and after the run; repeated ones count once."""

    def __init__(self) -> None:
        self.over = False
        """The inside run is over."""
        self.twin_over = False
        """The clear run is over: no further answer or reply will come."""
        self.interrupted = False
        """It is to be interrupted as it begins."""
        self.values: dict[int, float | None] = {}
        """Numbers revealed, by call."""
        self.wanted: set[int] = set()
        """Reveals that the agent waits for, by call."""
        self._answers: dict[int, tuple[str, Any, str]] = {}
        self._inputs: dict[int, str] = {}
        self._calls = 0
        self._prompts = 0
        self._news = asyncio.Event()

    @classmethod
    def closed(cls) -> "CellInputs":
        """The inputs of a cell that is over on both sides and revealed nothing."""
        desk = cls()
        desk.over = desk.twin_over = True
        return desk

    def answer(self, call: int, kind: str, value: Any, error: str) -> None:
        """Note the answer that the clear run's call of that number got."""
        if not self.over:
            self._answers.setdefault(call, (kind, value, error))
        self.tell()

    def input(self, nth: int, value: str) -> None:
        """Note the client's reply to the clear run's prompt of that number."""
        if not self.over:
            self._inputs.setdefault(nth, value)
        self.tell()

    def end_twin(self) -> None:
        """The clear run is over."""
        self.twin_over = True
        self.tell()

    def end(self) -> None:
        """Note that the inside run is over, and forget its inputs."""
        self.over = True
        self._answers.clear()
        self._inputs.clear()
        self.tell()

    async def next_input(self) -> str | None:
        """The client's reply to the next prompt; None where the clear run had no such prompt."""
        self._prompts += 1
        nth = self._prompts
        while nth not in self._inputs:
            if self.twin_over or self.over:
                return None
            await self._news.wait()
        return self._inputs[nth]

    async def call(self, kind: str, args: dict[str, Any]) -> Any:
        """The inside run's next ``tp`` call: it gets what the clear run's call of the same number got, and nothing else."""
        if self._calls >= limits.CALLS:
            raise CallError("too_many", f"a cell may make {limits.CALLS} tp calls at most")
        self._calls += 1
        mine = self._calls
        if kind == "reveal":
            self.values[mine] = number(args.get("value"))
            self.tell()
        while mine not in self._answers:
            # Answers come before the news that the clear run ended, so now none will come.
            if self.twin_over or self.over:
                raise CallError("not_made", "the run on the twin did not make this call, so there is no answer to it")
            await self._news.wait()
        call_kind, value, error = self._answers[mine]
        if call_kind != kind:
            raise CallError("other_call", f"the run on the twin made another call here ({call_kind})")
        if error:
            raise CallError(error, str(value))
        return value

    def answerable(self) -> dict[int, float | None]:
        """The reveals to tell now, by call: those made and, once the run is over, the others as None. Each is told once."""
        found = {call: self.values.get(call) for call in self.wanted if self.over or call in self.values}
        self.wanted -= set(found)
        return found

    @property
    def done(self) -> bool:
        """Whether nobody will ask anything of it any more."""
        return self.over and self.twin_over and not self.wanted

    def tell(self) -> None:
        """Wake whoever waits here."""
        self._news.set()
        self._news = asyncio.Event()
