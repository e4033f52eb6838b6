"""The Linux user of a server, where the hub is root. It is kept as the group of the server's folder: see `twinpane_sandbox.own_users`."""

import os
from contextlib import suppress
from pathlib import Path

from twinpane_sandbox import folders as safe
from twinpane_sandbox.errors import UnsafePath
from twinpane_sandbox.own_users import is_one, user_from

from .folders import SERVER, Folders


def owner(found: Folders, users: Path, first: int) -> int:
    """The user of a server whose folders exist: the one it had, else a new one, who becomes the folders' owner. 0: the hub's own user.

    ``users`` is the folder of all users' folders. ``first`` is the first user number; 0 means no users of their own. Raises NoUser.
    """
    base = found.workspace.parent
    known = os.stat(base).st_gid
    number = user_from(first, known, (os.stat(path).st_gid for path in users.glob("*/*")))
    if not number:
        return 0
    if not is_one(first, known):
        safe.give_all(found.workspace, number)
        safe.give_all(found.server, number)
        os.chown(base, 0, number)  # last, so that an interrupted change is done again
    for name in ("", *SERVER):
        with suppress(OSError, UnsafePath):  # gone or replaced: then it is already the user's own
            safe.give(found.server, name, number)
    safe.give(found.workspace, "", number)
    return number
