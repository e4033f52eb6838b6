"""Do file operations as another user: what a root thread makes belongs to that user from the start, and it reaches no more than they do."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_LIBC = ctypes.CDLL(None)
ASK = 0xFFFFFFFF
"""A number that no user has: the call changes nothing and returns the present user."""


@contextmanager
def acting_as(user: int) -> Iterator[None]:
    """Do this thread's file operations as that user and the group of the same number while the block runs; 0: change nothing.

    Only root can do this. Do not await in the block: the event loop's other work would act as that user too.
    Raises PermissionError if this process cannot act as that user.
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
