"""Give each owner of untrusted processes a Linux user: a user id that no account of the machine and no other owner here has.

Linux counts some things per user, over all sandboxes, and code that escapes from a sandbox may touch whatever its user owns. So each
owner's servers and kernels run under a user of their own, which owns their files and nothing else. Only root can give one.
"""

import os
import secrets
from collections.abc import Iterable

MANY = 1_000_000
"""How many user ids a range has."""


class NoUser(OSError):
    """No number is left; the message says which range is full."""


def user_from(first: int, known: int | None, taken: Iterable[int]) -> int:
    """A user of the range that begins at ``first``: the ``known`` one if it is in the range, else a random one that is not ``taken``.

    It is random so that others on the same machine with the same range hardly ever choose the same. Returns 0, our own user, if
    ``first`` is 0 or we are not root. Raises NoUser.
    """
    if not first or os.geteuid() != 0:
        return 0
    if known is not None and is_one(first, known):
        return known
    others = {number for number in taken if is_one(first, number)}
    if len(others) >= MANY:
        raise NoUser(f"all {MANY} numbers from users_from = {first} on are taken")
    while (number := first + secrets.randbelow(MANY)) in others:
        pass
    return number


def is_one(first: int, number: int) -> bool:
    """Whether this number is of the range."""
    return first <= number < first + MANY
