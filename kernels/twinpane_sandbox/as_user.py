"""File operations as another user: what a thread of root makes is that user's from the start, and it reaches no more than they do."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_LIBC = ctypes.CDLL(None)
ASK = 0xFFFFFFFF
"""No user has this number: nothing is changed, and the present one is told."""


@contextmanager
def acting_as(user: int) -> Iterator[None]:
    """While the block runs, this thread's file operations are that user's (and of the group of its number); 0: nothing changes.

    Only root may, and nothing in the block may wait for others: the event loop's other work would act as that user too.
    Raises PermissionError where it cannot be.
    """
    if not user:
        yield
        return
    try:
        _LIBC.setfsgid(user)
        _LIBC.setfsuid(user)
        if (_LIBC.setfsuid(ASK), _LIBC.setfsgid(ASK)) != (user, user):
            raise PermissionError(f"this process cannot act as user {user}")
        yield
    finally:
        _LIBC.setfsuid(0)
        _LIBC.setfsgid(0)
