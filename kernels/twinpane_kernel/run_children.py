"""Processes that a run starts: their last words are kept, and none outlives the run."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from twinpane_ground import children
from twinpane_ground.lifeline import tied

END = 10.0
"""Seconds that they have to end by themselves when they are told to."""


class RunError(Exception):
    """The run cannot start or go on; the message says what to do."""


class Processes:
    """What a run started. Each is a session of its own, so that Ctrl-C reaches us first, and dies with us."""

    def __init__(self, logs: Path, enter: Callable[[], None] = lambda: None) -> None:
        """Keep what they say in ``logs``, one file each. ``enter`` is called in each of them before it becomes its program."""
        self._logs = logs
        self._enter = enter
        self._running: dict[str, asyncio.subprocess.Process] = {}

    async def start(
        self, name: str, command: Sequence[str], more: Mapping[str, str], read: bool = False, write: bool = False, keep: int | None = None
    ) -> asyncio.subprocess.Process:
        """Start one with ``more`` in its environment. ``read``: its standard output can be read; ``write``: its input be written;
        ``keep``: a descriptor that it holds on to."""
        log: IO[bytes]
        with (self._logs / name).open("wb") as log:
            self._running[name] = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE if write else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if read else log, stderr=log, env={**os.environ, **more},
                start_new_session=True, pass_fds=() if keep is None else (keep,), preexec_fn=tied(self._enter),
            )  # fmt: skip
        return self._running[name]

    def check(self) -> None:
        """Raise RunError with the last words of a process that ended."""
        for name, process in self._running.items():
            if process.returncode is not None:
                words = (self._logs / name).read_text("utf-8", errors="replace").strip().splitlines()[-6:]
                raise RunError(f"{name} did not start:\n" + "\n".join(words or ["it ended without a word"]))

    async def end(self) -> None:
        """End all: asked first, the ones started last before the ones they need; killed when they do not."""
        await children.end([*reversed(self._running.values())], END)
        self._running.clear()
