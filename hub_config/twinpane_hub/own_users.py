"""A Linux user for each server, where the hub is root: a number that no account has, kept as the group of the server's folder.

So what gets out of a server's sandbox, by whatever hole, is nobody on this machine: it owns its own files and reaches nobody's process.
"""

import os
from contextlib import suppress
from pathlib import Path

from twinpane_sandbox import folders as safe
from twinpane_sandbox.errors import UnsafePath

from .folders import SERVER, Folders

MANY = 1_000_000
"""How many numbers there are for servers, from the first one on."""


class NoUser(Exception):
    """No user can be had; the message says why, for an administrator."""


def owner(found: Folders, users: Path, first: int) -> int:
    """The user of a server whose folders are made: the one it had, else a new one, to whom the folders then belong. 0: the hub's own.

    ``users`` is the folder of all users' folders; ``first`` the first number, 0 for none. Raises NoUser.
    """
    if os.geteuid() != 0 or not first:
        return 0
    base = found.workspace.parent
    number = os.stat(base).st_gid
    if not first <= number < first + MANY:
        taken = [os.stat(path).st_gid for path in users.glob("*/*")]
        number = max([first - 1, *(known for known in taken if first <= known < first + MANY)]) + 1
        if number >= first + MANY:
            raise NoUser(f"all {MANY} numbers from users_from = {first} on are taken")
        safe.give_all(found.workspace, number)
        safe.give_all(found.server, number)
        os.chown(base, 0, number)  # last: where this was interrupted, it is done again
    for name in ("", *SERVER):
        with suppress(OSError, UnsafePath):  # gone, or something else by now: then it is the user's own
            safe.give(found.server, name, number)
    safe.give(found.workspace, "", number)
    return number
