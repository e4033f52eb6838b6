"""Whether a sandbox is over: killed is not gone, and what waits in the machine's kernel, for a disk above all, lives on for a while."""

import os
import select
from collections.abc import Iterable

from .launch import KernelProcess, children

PATIENCE_S = 10.0
"""Seconds that a killed sandbox's processes may take to be gone."""


def close_and_wait(kernel: KernelProcess, patience: float = PATIENCE_S) -> bool:
    """Close a kernel that runs; returns whether nothing in its sandbox lives any more."""
    first = [held for child in children(kernel.process.pid) if (held := hold(child)) is not None]
    try:
        kernel.close()
        return all_gone(first, patience)
    finally:
        for held in first:
            os.close(held)


def hold(pid: int) -> int | None:
    """A descriptor of a process; None where it is gone."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def all_gone(held: Iterable[int], patience: float) -> bool:
    """Wait for processes to end. The first process of a sandbox ends after all others in it."""
    return all(select.select([process], [], [], patience)[0] for process in held)
