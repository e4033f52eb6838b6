"""A Linux user for each owner of processes that nobody trusts: a number that no account of the machine has, and that nobody else has here.

Linux counts some things per user, over all sandboxes, and what gets out of a sandbox by whatever hole may touch what is its user's. So the
servers and kernels of each are a user of their own, which owns their files and nothing else. Only root can give one.
"""

import os
import secrets
from collections.abc import Iterable

MANY = 1_000_000
"""How many numbers there are from a first one on."""


class NoUser(OSError):
    """No number is left; the message says which range is full."""


def user_from(first: int, known: int | None, taken: Iterable[int]) -> int:
    """A user of the range from ``first`` on: the ``known`` one where it is of that range, else one drawn that is not ``taken``.

    Drawn, so that others on the same machine with the same range hardly ever have the same. 0, which is our own, where ``first`` is 0 or
    we are not root. Raises NoUser.
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
