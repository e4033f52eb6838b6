"""The child processes of a program on this machine: started apart, watched, and ended in order with nothing left behind."""

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from twinpane_sandbox.lifeline import die_with_parent


@dataclass(frozen=True)
class Child:
    """A running child."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    def tail(self, lines: int = 12) -> str:
        """The last lines of its log."""
        try:
            return "\n".join(self.log.read_text("utf-8", errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


class ChildFailed(Exception):
    """A child ended that should not have; the message has the last lines of its log."""


def _failed(child: Child, code: int | None) -> ChildFailed:
    return ChildFailed(f"{child.name} ended with status {code}. The end of {child.log}:\n{child.tail()}")


class Children:
    """Starts children in sessions of their own, with a lifeline to this process."""

    def __init__(self, logs: Path) -> None:
        """``logs`` is the folder of their logs, one file each, written anew."""
        self._logs = logs
        self._running: list[Child] = []
        logs.mkdir(parents=True, exist_ok=True)

    async def start(self, name: str, command: list[str], environment: dict[str, str], cwd: Path) -> Child:
        """Start one."""
        parent = os.getpid()
        log = self._logs / f"{name}.log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *command, env=environment, cwd=cwd, stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=asyncio.subprocess.STDOUT,
                start_new_session=True, preexec_fn=lambda: die_with_parent(parent),
            )  # fmt: skip
        child = Child(name, process, log)
        self._running.append(child)
        return child

    async def run(self, name: str, command: list[str], environment: dict[str, str], cwd: Path) -> None:
        """Run one to its end; raises ChildFailed unless it ended well."""
        child = await self.start(name, command, environment, cwd)
        code = await child.process.wait()
        self._running.remove(child)
        if code != 0:
            raise _failed(child, code)

    async def watch(self) -> None:
        """Wait until one of the running children ends; raises ChildFailed."""
        waits = {asyncio.create_task(child.process.wait()): child for child in self._running}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            child = waits[done.pop()]
            raise _failed(child, child.process.returncode)
        finally:
            for task in waits:
                task.cancel()

    async def end(self, *names: str, patience: float = 10) -> None:
        """Ask these to end, all at once, and kill what does not."""
        ending = [child for child in self._running if child.name in names]
        for child in ending:
            with contextlib.suppress(ProcessLookupError):
                child.process.send_signal(signal.SIGTERM)
        for child in ending:
            try:
                async with asyncio.timeout(patience):
                    await child.process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    child.process.kill()
                await child.process.wait()
            self._running.remove(child)
