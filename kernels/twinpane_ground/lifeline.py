"""Make children end with their parent (Linux, prctl(2)), so that no orphan keeps rows or a port."""

import ctypes
import os
import signal
from collections.abc import Callable

_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
"""Loaded here, not between fork and exec, where loading can hang on another thread's lock."""


def tied(then: Callable[[], None] | None = None, number: int = signal.SIGTERM) -> Callable[[], None]:
    """The ``preexec_fn`` of a child of this process: it calls ``die_with_parent`` and then ``then``."""
    parent = os.getpid()

    def begin() -> None:
        die_with_parent(parent, number)
        if then is not None:
            then()

    return begin


def die_with_parent(parent: int, number: int = signal.SIGTERM) -> None:
    """In a child, before it becomes another program: get a signal when the parent ends.

    ``parent`` is its pid as known before the fork: if it is gone already, this process ends at once. The kernel sends the signal when the
    *thread* that forked ends, so fork from one that lives as long as the child shall. Raises OSError.
    """
    _prctl(int(number))
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def outlive_parent() -> None:
    """Undo ``die_with_parent``, for a program that ties itself. Raises OSError."""
    _prctl(0)


def _prctl(number: int) -> None:
    if _LIBC.prctl(_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
