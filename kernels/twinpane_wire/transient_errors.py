"""Errors that pass by themselves: the call may be tried again in a moment, and nothing is lost by waiting."""

import errno

PASSING = frozenset({errno.ETOOMANYREFS, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
"""The system, this process or its user has too much open, running or in memory for now. Often somebody else caused it."""
PATIENCE_S = 10.0
"""Seconds during which a call is tried again."""
PAUSE_S = 0.05


def is_transient(error: OSError) -> bool:
    """Whether the failed call may work in a moment."""
    return error.errno in PASSING
