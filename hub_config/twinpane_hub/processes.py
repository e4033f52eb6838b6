"""Child processes of a program on this machine: start them in their own sessions, watch them, and end them without leftovers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from twinpane_ground import children
from twinpane_ground.lifeline import tied

LASTS_S = 10.0
"""Seconds after which a child counts as started. One that ends earlier is not started again, because it would end again."""


@dataclass(frozen=True)
class Child:
    """A running child."""

    name: str
    process: asyncio.subprocess.Process
    log: Path
    began: float
    """When it was started, by the monotonic clock."""

    def tail(self, lines: int = 12) -> str:
        """The last lines of its log."""
        try:
            return "\n".join(self.log.read_text("utf-8", errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


class ChildFailed(Exception):
    """A child ended unexpectedly; the message has the last lines of its log."""


def _failed(child: Child, code: int | None) -> ChildFailed:
    return ChildFailed(f"{child.name} ended with status {code}. The end of {child.log}:\n{child.tail()}")


class Children:
    """Starts children in their own sessions, with a lifeline that ends them when this process ends."""

    def __init__(self, logs: Path) -> None:
        """``logs`` is the folder of their logs, one new file each."""
        self._logs = logs
        self._running: list[Child] = []
        self._names: set[str] = set()
        logs.mkdir(parents=True, exist_ok=True)

    async def start(self, name: str, command: list[str], environment: dict[str, str], cwd: Path) -> Child:
        """Start a child."""
        log = self._logs / f"{name}.log"
        with log.open("ab" if name in self._names else "wb") as file:  # a restarted child appends to its log
            process = await asyncio.create_subprocess_exec(
                *command, env=environment, cwd=cwd, stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=asyncio.subprocess.STDOUT,
                start_new_session=True, preexec_fn=tied(),
            )  # fmt: skip
        child = Child(name, process, log, time.monotonic())
        self._names.add(name)
        self._running.append(child)
        return child

    async def run(self, name: str, command: list[str], environment: dict[str, str], cwd: Path) -> None:
        """Run a child to its end; raises ChildFailed unless its exit status is 0."""
        child = await self.start(name, command, environment, cwd)
        code = await child.process.wait()
        self._running.remove(child)
        if code != 0:
            raise _failed(child, code)

    async def watch(self, again: Mapping[str, Callable[[], Awaitable[None]]], say: Callable[[str], None]) -> None:
        """Restart children named in ``again`` when they end. Raises ChildFailed when another ends, or one ends soon after its start."""
        while True:
            child = await self._ended()
            if child.name not in again or time.monotonic() - child.began < LASTS_S:
                raise _failed(child, child.process.returncode)
            self._running.remove(child)
            say(f"{child.name} ended with status {child.process.returncode}, and is started again; its log is {child.log}")
            await again[child.name]()

    async def _ended(self) -> Child:
        waits = {asyncio.create_task(child.process.wait()): child for child in self._running}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return waits[done.pop()]
        finally:
            for task in waits:
                task.cancel()

    async def end(self, *names: str, patience: float = 10) -> None:
        """Ask these children to end, all at once, and kill those that do not."""
        ending = [child for child in self._running if child.name in names]
        await children.end([child.process for child in ending], patience)
        for child in ending:
            self._running.remove(child)
