"""A sandbox with nothing in it but Python: for a program that parses hostile bytes and hands back the result.

It has no data, no folder it could write to, no processes of others to look at (``/proc`` is not even mounted), no network and no
capabilities. What it works on, and where its results go, are descriptors that it inherits or is sent.
"""

import os
import socket
from collections.abc import Mapping, Sequence

from . import seccomp
from .bubblewrap import GID, HOSTNAME, UID, Kind, Mount
from .host import Host
from .overlay_views import OverlayViews

ROOM = 2**20
"""Bytes of its ``/tmp``, which nothing needs."""
NO_VIEWS = OverlayViews((), {}, {}, devices=False)
"""This sandbox has no overlays: every place is bound directly."""


def mounts(host: Host) -> tuple[Mount, ...]:
    """Everything it sees, in the order in which it is mounted."""
    places = [Mount(Kind.read_only, "/usr", "/usr")]
    places += [Mount(Kind.link, name, target) for name, target in host.root_links]
    places += [Mount(Kind.read_only, path, path) for path in (*host.root_folders, *host.etc)]
    places += [Mount(Kind.memory, "/tmp", ROOM)]  # noqa: S108 - before the environment, which may itself lie below the host's /tmp
    places += [Mount(Kind.read_only, str(path), str(path)) for path in (*host.environment, *host.packages)]
    for path in host.hidden:
        places += [Mount(Kind.memory, str(path), ROOM)] if path.is_dir() else [Mount(Kind.read_only, str(path), "/dev/null")]
    return (*places, Mount(Kind.seal, "/"))


def arguments(host: Host, command: Sequence[str], environment: Mapping[str, str], *, filters: Sequence[int]) -> list[str]:
    """Bubblewrap's command line: ``command`` runs inside, with these variables and no others. ``filters`` are compiled seccomp programs."""
    line = [str(host.bwrap), "--unshare-all", "--unshare-user", "--uid", str(UID), "--gid", str(GID), "--hostname", HOSTNAME]
    line += ["--disable-userns"] if host.disables_userns else []
    line += ["--cap-drop", "ALL", "--new-session", "--die-with-parent", "--clearenv"]
    for name, value in sorted(environment.items()):
        line += ["--setenv", name, value]
    for mount in mounts(host):
        line += mount.arguments(NO_VIEWS)
    for descriptor in filters:
        line += ["--add-seccomp-fd", str(descriptor)]
    return [*line, "--chdir", "/", "--", *command]


def become(host: Host, command: Sequence[str], environment: Mapping[str, str], end: socket.socket) -> None:
    """Turn this process into that program in its sandbox; it inherits ``end``. Its output is discarded, since it may hold rows.

    Raises OSError, and SandboxUnavailable where there are no filters.
    """
    line = arguments(host, command, environment, filters=seccomp.descriptors())
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    end.set_inheritable(True)
    os.execve(line[0], line, {})  # noqa: S606 - no shell wanted
