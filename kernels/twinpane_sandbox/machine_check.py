"""Can this machine run the sandbox? A cheap look, and where the answer is no, the exact reason and the command that helps."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from . import seccomp
from .errors import SandboxUnavailable
from .fork_exec import ChildSetup, spawn
from .host import Host, survey
from .overlay_views import plan

TRIAL = (
    *("--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL", "--die-with-parent"),
    *("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"),
)
"""The part of the sandbox that machines refuse: new namespaces, a new /proc and a new /dev."""
PROFILE = (
    "as root, write /etc/apparmor.d/bwrap with `abi <abi/4.0>, include <tunables/global> profile bwrap /usr/bin/bwrap flags=(unconfined) "
    "{ userns, include if exists <local/bwrap> }` and run: systemctl reload apparmor"
)
DOCKER = (
    "start the container with: docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined"
)

Read = Callable[[str], str | None]


def check() -> Host:
    """What is known of this machine, if it can run the sandbox. About 25 ms. Raises SandboxUnavailable with reason and remedy."""
    host = survey()
    seccomp.programs()
    try:
        done = subprocess.run(
            [host.bwrap, *(("--disable-userns",) if host.disables_userns else ()), *TRIAL, "--", "/bin/true"],
            capture_output=True, text=True, timeout=20, check=False, env={}, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxUnavailable(f"{host.bwrap} does not run ({error})", "reinstall the package bubblewrap") from None
    if done.returncode != 0:
        raise diagnose(done.stderr.strip(), root=os.geteuid() == 0, read=_read)
    shown = ["/usr", *host.root_folders, *filter(os.path.isdir, host.etc), *map(str, (*host.environment, *host.packages))]
    with spawn(["/bin/true"], ChildSetup(plan(shown, {}))) as trial:
        assert trial.stdout is not None
        trial.stdout.read()
    return host


def diagnose(said: str, *, root: bool, read: Read) -> SandboxUnavailable:
    """Why bubblewrap failed, from what it said and from what the kernel's settings are. ``read`` gives a file's text, or None."""
    setting = {name: read(f"/proc/sys/{name}") for name in (
        "user/max_user_namespaces", "kernel/unprivileged_userns_clone", "kernel/apparmor_restrict_unprivileged_userns",
    )}  # fmt: skip
    in_container = read("/.dockerenv") is not None or read("/run/.containerenv") is not None
    if setting["user/max_user_namespaces"] == "0":
        return SandboxUnavailable(
            "user namespaces are switched off (user.max_user_namespaces is 0)", "as root: sysctl -w user.max_user_namespaces=15000"
        )
    if setting["kernel/unprivileged_userns_clone"] == "0" and not root:
        return SandboxUnavailable(
            "ordinary users may not make user namespaces (kernel.unprivileged_userns_clone is 0)",
            "as root: sysctl -w kernel.unprivileged_userns_clone=1",
        )
    if in_container:
        return SandboxUnavailable(f"the container does not let bubblewrap make namespaces or mount /proc ({said})", DOCKER)
    if setting["kernel/apparmor_restrict_unprivileged_userns"] == "1" and not root:
        return SandboxUnavailable("AppArmor restricts user namespaces (Ubuntu 23.10 and newer), and bubblewrap has no profile", PROFILE)
    return SandboxUnavailable(
        f"bubblewrap cannot make the sandbox here ({said or 'it said nothing'})", "allow unprivileged user namespaces on this machine"
    )


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
