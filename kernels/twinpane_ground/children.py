"""Ends child processes: asks first, kills those that do not end, and adopts the orphans that they leave (Linux, prctl(2))."""

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Sequence

_SET_CHILD_SUBREAPER = 36


async def end(processes: "Sequence[asyncio.subprocess.Process]", patience: float) -> None:
    """Ask these to end, in this order and without a pause; kill what lives after ``patience`` seconds, and wait for it."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    until = asyncio.get_running_loop().time() + patience
    for process in processes:
        try:
            async with asyncio.timeout_at(until):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def take_in_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that ``descendants`` finds them."""
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def descendants(of: int) -> list[int]:
    """Pids of all processes below one, children before grandchildren."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    # the name is in brackets and may hold anything
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            children.setdefault(parent, []).append(int(entry))
    found, level = [], [of]
    while level:
        level = [child for parent in level for child in children.get(parent, ())]
        found += level
    return found


def end_descendants(patience: float = 5.0) -> None:
    """End all descendants: ask first, kill after ``patience`` seconds. Call it at a program's end only, since it reaps every child."""
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 2.0)):
        until = time.monotonic() + seconds
        for pid in descendants(os.getpid()):
            try:
                os.kill(pid, number)
            except (ProcessLookupError, PermissionError):
                continue
        while time.monotonic() < until:
            _reap()
            if not descendants(os.getpid()):
                return
            time.sleep(0.05)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
