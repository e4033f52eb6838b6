"""Keeps a member's kernels from using up what Linux counts per user: descriptors under way in sockets, epoll watches and pages of pipes.

If the agent is root, each member's kernels run under their own user. Otherwise they may have fewer descriptors than the processes that
send beside them.
"""

import os
import resource
import stat
from pathlib import Path

from twinpane_sandbox.own_users import user_from

from .errors import ConfigError
from .snapshot import FOLDER as SNAPSHOTS

OF_KERNELS, OF_READERS, OF_AGENT = 4096, 8192, 16_384
"""Descriptors that these may have open, the agent at least: Linux holds what one *user* has under way in sockets against this limit of
whoever sends next. Where kernels are no users of their own, theirs is so much lower that what they can fill stops nobody else."""


def raise_own_limit() -> None:
    """Let this process and its parts have many descriptors. Raises ConfigError if an agent that is not root may have too few.

    With too few, a kernel could keep readers and broker from sending, and so tell something past the meter.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OF_AGENT if hard == resource.RLIM_INFINITY else min(max(soft, OF_AGENT), hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    if most < OF_AGENT and os.geteuid() != 0:
        raise ConfigError(
            f"This process may have {most} files open, and needs {OF_AGENT}: with fewer, a kernel can keep the site's own processes from "
            f"sending. Set LimitNOFILE={OF_AGENT} (systemd) or --ulimit nofile={OF_AGENT} (containers), or run the agent as root."
        )


def of_member(place: Path, first: int) -> int:
    """The owner of a member's folder, which need not exist yet. Beside it lie the folders of projects, which hold members' folders."""
    known = place.stat().st_uid if place.exists() else None
    return user_from(first, known, (path.stat().st_uid for path in place.parents[1].glob("*/*")))


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
