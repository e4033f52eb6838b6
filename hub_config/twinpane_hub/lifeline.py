"""No process left behind: a parent that takes in what its children leave (Linux, prctl(2)), and ends it."""

import ctypes
import os
import signal
import time

_SET_CHILD_SUBREAPER = 36


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


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def end_descendants(patience: float = 5.0) -> None:
    """End everything below this process: asked first, killed after ``patience`` seconds. For the end of a program only: it reaps all."""
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
