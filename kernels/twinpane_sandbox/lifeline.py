"""Children that end with their parent (Linux, prctl(2)). Ours have no other way to outlive us: no orphan keeps rows or a port."""

import ctypes
import os
import signal

_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
"""Loaded here, not between fork and exec, where loading can hang on another thread's lock."""


def die_with_parent(parent: int, number: int = signal.SIGTERM) -> None:
    """In a child, before it becomes another program: get a signal when the parent ends.

    ``parent`` is its pid as known before the fork: where it is gone already, this ends at once. The kernel sends the signal when the
    *thread* that forked ends, so fork from one that lives as long as the child shall. Raises OSError.
    """
    if _LIBC.prctl(_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def outlive_parent() -> None:
    """Undo ``die_with_parent``, for a program that ties itself. Raises OSError."""
    if _LIBC.prctl(_SET_PDEATHSIG, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
