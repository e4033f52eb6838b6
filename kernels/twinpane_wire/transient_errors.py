"""Errors that pass by themselves: what was tried may be tried again in a moment, and nothing is lost by waiting for it."""

import errno

PASSING = frozenset({errno.ETOOMANYREFS, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
"""The system, this process or its user has too much open, under way or in memory for now: often the doing of somebody else."""
PATIENCE_S = 10.0
"""Seconds for which it is tried again."""
PAUSE_S = 0.05


def is_transient(error: OSError) -> bool:
    """Whether it may work in a moment."""
    return error.errno in PASSING
