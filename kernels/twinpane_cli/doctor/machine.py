"""The machine itself: Linux, what the sandbox needs, control groups."""

import os
import re

from twinpane_sandbox import cgroups, machine_check
from twinpane_sandbox.errors import SandboxUnavailable
from twinpane_sandbox.limits import Limits

from .diagnosis import Diagnosis, fine, warning, wrong

OLDEST_LINUX = (5, 11)
"""The first in which an ordinary user may mount overlayfs in a namespace."""


def linux(release: str | None = None) -> Diagnosis:
    """The kernel's version."""
    release = release or os.uname().release
    found = re.match(r"(\d+)\.(\d+)", release)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_LINUX:
        return wrong("linux", f"its version is {release}", "install a Linux of 5.11 or newer: Debian 12, Ubuntu 22.04 or newer have one")
    return fine("linux", f"its version is {release}")


def sandbox() -> Diagnosis:
    """Bubblewrap, user namespaces, AppArmor, seccomp and overlayfs, tried as each start tries them."""
    try:
        host = machine_check.check()
    except SandboxUnavailable as error:
        return wrong("sandbox", error.reason, error.remedy)
    version = ".".join(map(str, host.version))
    return fine("sandbox", f"bubblewrap {version} makes one here, with namespaces, overlayfs and a filter of system calls")


def control_groups(limits: Limits) -> Diagnosis:
    """Whether limits hold for a kernel as a whole, tried on a group that is removed at once."""
    said, _, remedy = cgroups.kept(limits).warning.partition(". Remedy: ")
    if said:
        return warning("control groups", said, remedy)
    kind = "version 2" if (cgroups.ROOT / "cgroup.controllers").exists() else "version 1"
    return fine("control groups", f"{kind}; memory, processes and processors of a kernel can be limited")
