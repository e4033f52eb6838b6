"""A Linux user for each member's kernels, where the agent is root: a number that no account of the machine has.

Linux counts some things per user, over all sandboxes: descriptors under way in sockets, watches of epoll, pages of pipes. Kernels that were
one user with each other, with the readers and with the agent could fill such a count, and so stop what others send.
"""

import os
import resource
import secrets
import stat
from pathlib import Path

from .errors import ConfigError
from .snapshot import FOLDER as SNAPSHOTS

MANY = 1_000_000
"""How many numbers there are from the first one on. Drawn at random: sites on one machine hardly ever have the same."""
OF_KERNELS, OF_READERS, OF_AGENT = 4096, 8192, 16_384
"""Descriptors that these may have open, the agent at least: Linux holds what one *user* has under way in sockets against this limit of
whoever sends next. Where kernels are no users of their own, theirs is so much lower that what they can fill stops nobody else."""


def raise_own_limit() -> None:
    """Let this process and its parts have many descriptors. Raises ConfigError where an agent that is not root may have too few: a kernel
    could keep readers and broker from sending, and by that tell something past the meter."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OF_AGENT if hard == resource.RLIM_INFINITY else min(max(soft, OF_AGENT), hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    if most < OF_AGENT and os.geteuid() != 0:
        raise ConfigError(
            f"This process may have {most} files open, and needs {OF_AGENT}: with fewer, a kernel can keep the site's own processes from "
            f"sending. Set LimitNOFILE={OF_AGENT} (systemd) or --ulimit nofile={OF_AGENT} (containers), or run the agent as root."
        )


class OwnUsers:
    """Which user has which member's folder: its owner. ``folder`` holds the folders of projects, which hold members'."""

    def __init__(self, folder: Path, first: int) -> None:
        """``first`` 0: nobody has one of their own, nor where we are not root."""
        self._folder = folder
        self._first = first if os.geteuid() == 0 else 0

    def of(self, place: Path) -> int:
        """The user of a member's folder, which need not be there yet: the one it had, else a new one. 0: ours."""
        if not self._first:
            return 0
        if place.exists() and self._is_one(known := place.stat().st_uid):
            return known
        taken = {path.stat().st_uid for path in self._folder.glob("*/*")}
        while (number := self.any()) in taken:
            pass
        return number

    def any(self) -> int:
        """Some user, for a trial; 0: ours."""
        return self._first + secrets.randbelow(MANY) if self._first else 0

    def _is_one(self, number: int) -> bool:
        return self._first <= number < self._first + MANY


def let_read(data: Path, site: Path) -> None:
    """Let kernels of other users read what ``/data`` shows: the site's snapshot, or links to some of its files.

    Raises ConfigError unless nobody else can walk to either.
    """
    try:
        if not all(any(_is_shut(folder) for folder in (home, *home.parents)) for home in (data.parent, site / SNAPSHOTS)):
            raise ConfigError(f"{site} is open to others, and holds rows that kernels of other users must be let read: chmod 700 {site}")
        for folder, _, files in os.walk(data):
            for path, more in ((folder, 0o055), *((os.path.join(folder, name), 0o044) for name in files)):
                mode = stat.S_IMODE(os.lstat(path).st_mode)
                if mode & more != more:
                    os.chmod(path, mode | more)
    except OSError as error:
        raise ConfigError(f"{data} cannot be made readable for kernels: {error.strerror}.") from None


def _is_shut(folder: Path) -> bool:
    status = folder.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & 0o077
