"""Imported by a fork server of the tests: two forks of three are refused there, as where its user has too many processes."""

import errno
import itertools
import os
from typing import Any

_fork, _counted = os.fork, itertools.count(1)


def _seldom() -> int:
    if next(_counted) % 3:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return _fork()


os.fork = _seldom


def main(*_: Any) -> None:
    """Nothing: it is no part."""
