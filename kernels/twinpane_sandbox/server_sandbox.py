"""The sandbox of a researcher's Jupyter server: as strict as a kernel's, with other folders in it.

It sees the system and the Python environment read-only, its workspace at /project, its own folder at /server, and at /run/twinpane,
read-only, the sockets that the gate made for it. It has no network but an empty loopback of its own, no capabilities, and no way to
make a sandbox: kernels are started by the gate, which stands outside.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import bubblewrap, cgroups, seccomp
from .bubblewrap import DATA, GID, HOSTNAME, PROJECT, UID, Kind, Mount, Sandbox
from .cgroups import Group
from .errors import SandboxError
from .fork_exec import ChildSetup, spawn
from .host import Host
from .limits import GIB, Limits
from .overlay_views import OverlayViews

FOLDER = "/server"
"""Where the server's own folder is inside."""
PACKAGES = ("twinpane", "twinpane_broker", "twinpane_ground", "twinpane_kernel", "twinpane_sandbox", "twinpane_wire")
"""What of this distribution a server and its panes import; ``survey(PACKAGES)`` gives the host that fits."""
LIMITS = Limits(memory=4 * GIB, processes=512, tmp=GIB // 4, shm=GIB // 8)
"""Limits of one server with all its panes; the kernels have limits of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerBox:
    """One server's world: folders of the host for /project and /server (both writable) and for /run/twinpane (read-only)."""

    workspace: Path
    server: Path
    sockets: Path
    owner: int = 0
    """The machine's user that it runs under, as for a kernel; 0: ours. ``workspace`` and ``server`` belong to this user."""
    limits: Limits = field(default_factory=lambda: LIMITS)

    @property
    def sandbox(self) -> Sandbox:
        """The kernel's sandbox that differs least from this one."""
        return Sandbox(data=self.server, project=self.workspace, private=self.sockets, seed=0, limits=self.limits, owner=self.owner)


def mounts(box: ServerBox, host: Host) -> tuple[Mount, ...]:
    """Everything a server sees: what a kernel sees, with the server's own folder in place of the data."""
    own = Mount(Kind.writable, FOLDER, str(box.server))
    kept = (mount for mount in bubblewrap.mounts(box.sandbox, host) if not mount.target.startswith(f"{DATA}/"))
    return tuple(own if mount.target == DATA else mount for mount in kept)


def views_of(box: ServerBox, host: Host) -> OverlayViews:
    """The views to make before bubblewrap starts with ``arguments``: a kernel's, without the data."""
    return bubblewrap.plan(mounts(box, host), box.sandbox, host)


def arguments(box: ServerBox, host: Host, command: Sequence[str], *, filters: Sequence[int]) -> list[str]:
    """Bubblewrap's command line. It does not hold the environment, which bubblewrap gets as its own: everybody on the machine can read a
    command line, and the environment holds the server's token. Raises SandboxError if the sandbox would not hold.
    """
    bubblewrap.check_folders(box.sandbox, host)
    line = [str(host.bwrap), "--unshare-all", "--unshare-user", "--uid", str(UID), "--gid", str(GID), "--hostname", HOSTNAME]
    line += ["--disable-userns"] if host.disables_userns else []
    line += ["--cap-drop", "ALL", "--new-session", "--die-with-parent"]
    seen = views_of(box, host)
    for mount in mounts(box, host):
        line += mount.arguments(seen)
    for descriptor in filters:
        line += ["--add-seccomp-fd", str(descriptor)]
    return [*line, "--chdir", PROJECT, "--", *command]


def start(
    box: ServerBox, host: Host, command: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int] = ()
) -> tuple["subprocess.Popen[bytes]", Group]:
    """Start a program in the sandbox; its output comes in one pipe. It inherits ``descriptors`` and has ``environment``, no more.

    Call it from a thread that lives as long as the server shall. Raises SandboxError and SandboxUnavailable.
    """
    filters = seccomp.descriptors(loopback=True, locks=True)
    try:
        line = arguments(box, host, command, filters=filters)
        group = cgroups.make(box.limits, f"twinpane-{os.getpid()}-{os.urandom(4).hex()}")
        try:
            setup = ChildSetup(views_of(box, host), group.folders, owner=box.owner)
            process = spawn(line, setup, [*filters, *descriptors], env=dict(environment))
        except (OSError, SandboxError):
            group.remove()
            raise
    finally:
        for descriptor in filters:
            os.close(descriptor)
    return process, group
