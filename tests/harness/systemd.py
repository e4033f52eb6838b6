"""systemd itself, as the first process of namespaces of its own: it runs units as they are shipped, beside whatever runs the machine.

What it starts can write nothing of the machine but the folders that a test gives it. It is started only once that was tried: a systemd that
sets up a machine, as Debian's own targets tell it to, clears /tmp.
"""

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SYSTEMD = Path("/lib/systemd/systemd")
GROUPS = Path("/sys/fs/cgroup")
USER = pwd.getpwnam("daemon")
"""Whom units run as here: an ordinary account that every Debian has, in place of the one that they name."""
FRESH = ("/run", "/opt", "/srv", "/tmp", "/var", "/dev/shm", "/sys/fs/cgroup")
"""Places that are new and empty for it. All else is read-only."""
LOST = "sys_time sys_boot sys_module sys_rawio syslog net_admin mac_admin mac_override wake_alarm mknod audit_control"
"""Capabilities that it does without: what they allow is the machine's."""
PLAIN = ("sysinit", "basic", "shutdown", "network-online")
"""Targets that units name, empty here. No other unit is known to it: Debian's set up a whole machine."""

_BOOT = """\
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /mnt
{stage}
while read -r _ place _; do
    case "$place" in /proc*|/dev*|/mnt*|/sys/*) ;; *) mount -o remount,bind,ro "$place" ;; esac
done < /proc/mounts
for place in {fresh}; do mount -t tmpfs -o mode=755 tmpfs $place; done
chmod 1777 /tmp /dev/shm
{move}
umount /mnt
for place in / /etc /root /usr /tmp/.. {root} /sys; do
    if touch "$place/.twinpane-can-write" 2>/dev/null; then echo "$place can be written"; exit 99; fi
done
[ -z "$(ls -A /tmp)$(ls -A /var)" ] || {{ echo "/tmp or /var is the machine's"; exit 99; }}
mkdir -p /sys/fs/cgroup/systemd /var/tmp
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd || true
exec env -i container=lxc PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8 SYSTEMD_UNIT_PATH=/run/there/units \\
    setpriv --bounding-set {lost} {systemd} --system --unit=start.target --log-target=null --show-status=no
"""


def lacks() -> str:
    """What this machine lacks for it, empty where it lacks nothing."""
    if os.geteuid() != 0:
        return "needs root: it makes namespaces and users"
    if not SYSTEMD.exists() or not all(map(shutil.which, ("unshare", "nsenter", "setpriv", "systemctl", "systemd-analyze"))):
        return "needs systemd"
    if not _system_python().exists() or any(
        ROOT.is_relative_to(home) for home in ("/root", "/home", "/run", "/tmp", "/var", "/opt", "/srv")
    ):
        return "needs a system Python: and a checkout that is in no home, as units see no homes"
    return ""


def _system_python() -> Path:
    return Path(f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")


@dataclass(frozen=True)
class Booted:
    """A running systemd."""

    folder: Path
    process: int
    """Its number outside."""

    def systemctl(self, *words: str) -> str:
        """What systemctl prints."""
        enter = ["nsenter", "--all", f"--target={self.process}", "systemctl", *words]
        return subprocess.run(enter, capture_output=True, text=True, check=False, timeout=150).stdout.strip()

    def state(self, unit: str) -> dict[str, str]:
        """How a unit is, and how its program ended."""
        said = self.systemctl("show", unit, "--property=ActiveState,SubState,Result,ExecMainStatus,NRestarts")
        return dict(line.split("=", 1) for line in said.splitlines())

    def log(self, unit: str) -> str:
        """What the unit's program said."""
        file = self.folder / f"{unit}.log"
        return file.read_text(errors="replace") if file.exists() else ""


def environment(folder: Path) -> dict[str, Path]:
    """Twinpane where units expect it: the tests' own packages under the system's Python. Place and folder for ``booted``.

    It is one folder with hard links: a sandbox of an ordinary user has no view of a folder below which something is mounted.
    """
    place = folder / "environment"
    for name in (f"lib/{_system_python().name}/site-packages", "share", "etc"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        if Path(sys.prefix, name).is_dir():
            shutil.copytree(Path(sys.prefix, name), place / name, symlinks=True, copy_function=_linked)
    (place / "bin").mkdir()
    (place / "bin" / "python").symlink_to(_system_python())
    (place / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    script = place / "bin" / "twinpane"
    script.write_text("#!/opt/twinpane/bin/python\nfrom twinpane_cli.command import main\nmain(prog_name='twinpane')\n")
    script.chmod(0o755)
    return {"/opt/twinpane": place}


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # on another disk
        shutil.copy2(source, target, follow_symlinks=False)


@contextlib.contextmanager
def booted(folder: Path, units: Mapping[str, Path], binds: Mapping[str, Path]) -> Iterator[Booted]:
    """systemd with these units (name as started -> file), and folders at places below /srv and /opt, until all of it has ended.

    The units are started as they are, but for their user, and for where their output goes.
    """
    (folder / "units").mkdir()
    _write_units(folder / "units", units)
    places = {"/run/there": folder, **binds}
    (folder / "boot.sh").write_text(_BOOT.format(
        stage="\n".join(f"mkdir /mnt/{n}; mount --bind {there} /mnt/{n}" for n, there in enumerate(places.values())),
        move="\n".join(f"mkdir -p {place}; mount --move /mnt/{n} {place}" for n, place in enumerate(places)),
        fresh=" ".join(FRESH), root=ROOT, lost=",".join(f"-{name}" for name in LOST.split()), systemd=SYSTEMD,
    ))  # fmt: skip
    own = list(_own_groups())
    enter = "".join(f"echo $$ > {each}/cgroup.procs && " for each in own)
    with (folder / "boot.log").open("wb") as log:
        outer = subprocess.Popen(
            ["sh", "-c", f"{enter} exec unshare --cgroup --mount --pid --fork --ipc --uts --kill-child sh {folder}/boot.sh"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        until = time.monotonic() + 30
        while not (first := _child(outer.pid)) or not Path(f"/proc/{first}/root/run/systemd/private").exists():
            assert outer.poll() is None, (folder / "boot.log").read_text()
            assert time.monotonic() < until, (folder / "boot.log").read_text()
            time.sleep(0.05)
        yield Booted(folder, first)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(outer.pid, signal.SIGKILL)
        outer.wait()
        for each in own:
            _remove(each)


def _write_units(places: Path, units: Mapping[str, Path]) -> None:
    for name, file in units.items():
        shutil.copy(file, places / file.name)
        (places / f"{name}.d").mkdir()
        output = f"append:/run/there/{name}.log"
        (places / f"{name}.d" / "output.conf").write_text(
            f"[Service]\nUser={USER.pw_name}\nStandardOutput={output}\nStandardError={output}\n"
        )
    for name in PLAIN:
        (places / f"{name}.target").write_text(f"[Unit]\nDescription={name}\nDefaultDependencies=no\n")
    wanted = f"[Unit]\nDescription=start\nDefaultDependencies=no\nWants={' '.join(units)}\nAllowIsolate=yes\n"
    (places / "start.target").write_text(wanted)


def _own_groups() -> Iterator[Path]:
    """A control group in each hierarchy, so that what systemd does to its own is below these."""
    name = f"twinpane-systemd-{os.getpid()}"
    for parent in [GROUPS] if (GROUPS / "cgroup.procs").exists() else GROUPS.iterdir():
        if (parent / "cgroup.procs").exists():
            (parent / name).mkdir(exist_ok=True)
            for setting in ("cpuset.cpus", "cpuset.mems"):
                if (parent / name / setting).exists() and (parent / setting).exists():
                    (parent / name / setting).write_text((parent / setting).read_text())
            yield parent / name


def _child(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        found = re.findall(r"\d+", Path(f"/proc/{pid}/task/{pid}/children").read_text())
        return int(found[0]) if found else None
    return None


def _remove(group: Path) -> None:
    """A control group with all below it, once its processes are gone."""
    until = time.monotonic() + 10
    while group.exists() and time.monotonic() < until:
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        time.sleep(0.02)
