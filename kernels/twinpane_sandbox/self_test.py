"""Proof from within that the sandbox holds: a probe runs in the very sandbox, and what it finds is judged here, promise by promise.

The expected world comes from the same list of mounts that the arguments are made from; an extra place, or a writable one that
should not be, is a failure, whatever put it there. Fails closed: evidence that is missing or not understood is a failure too.
"""

import errno
import json
import os
import socket
import subprocess
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path

from . import bubblewrap, cgroups, namespaces, seccomp
from .bubblewrap import DATA, GID, HOSTNAME, PRIVATE, PROJECT, UID, Kind, Sandbox
from .errors import SandboxUnavailable
from .expected import ABSENT, ANSWERS, BY_BWRAP, CANARY, DEVICES, HARMLESS, NAMESPACES, NUMBERS, SECONDS, WRITABLE, WRITES
from .fork_exec import ChildSetup, spawn
from .host import Host, covered, survey
from .launch import prepare, share
from .overlay_views import DEVICES as MADE
from .overlay_views import STAGE, STAGED
from .probe import Evidence, Mounted, Questions, identity

Rewrite = Callable[[list[str]], list[str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One promise: its name, whether it holds, and what was found."""

    promise: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What the self-test found, and which limits this machine cannot enforce."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every promise holds."""
        return bool(self.findings) and all(finding.holds for finding in self.findings)

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The promises that do not hold."""
        return tuple(finding for finding in self.findings if not finding.holds)


def self_test(sandbox: Sandbox, host: Host | None = None) -> Report:
    """Prove that this sandbox holds. About 0.1 s. Raises SandboxUnavailable, naming what does not hold."""
    report = examine(sandbox, host)
    if not report.holds:
        broken = "; ".join(f"{finding.promise} ({finding.detail})" for finding in report.broken) or "nothing could be proved"
        raise SandboxUnavailable(
            f"its self-test failed: {broken}", "do not run kernels on this machine until what is named here is found and mended"
        )
    return report


def examine(sandbox: Sandbox, host: Host | None = None, weaken: Rewrite | None = None) -> Report:
    """Run the probe and judge it. ``weaken`` rewrites bubblewrap's arguments, for tests that show what would be noticed."""
    host = host or survey()
    prepare(sandbox.private)
    share(sandbox.owner, sandbox.private)
    try:
        found = probe(sandbox, host, weaken)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return Report((Finding("the probe runs in the sandbox", False, str(error)[:500]),), ())
    try:
        findings = tuple(judge(found, sandbox, host))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return Report((Finding("the probe's evidence is complete", False, repr(error)[:500]),), ())
    return Report(findings, notes(sandbox))


def probe(sandbox: Sandbox, host: Host, weaken: Rewrite | None = None) -> Evidence:
    """The probe's evidence; raises ValueError where it gives none."""
    numbers = NUMBERS.get(os.uname().machine)
    if numbers is None:
        raise ValueError(f"the self-test does not know the system calls of {os.uname().machine}")
    abstract = f"twinpane-probe-{os.getpid()}-{os.urandom(8).hex()}"
    with socket.create_server(("127.0.0.1", 0)) as loopback, socket.socket(socket.AF_UNIX) as unix:
        unix.bind("\0" + abstract)
        unix.listen()
        questions: Questions = {
            "numbers": numbers, "port": loopback.getsockname()[1], "abstract": abstract, "namespaces": NAMESPACES,
            "absent": absent(sandbox, host),
            "writes": [*WRITES, *map(str, (*host.environment, *host.packages))], "bound": list(bound(sandbox, host)),
        }  # fmt: skip
        command = [str(host.executable), "-I", "-S", str(Path(__file__).with_name("probe.py")), json.dumps(questions)]
        filters = seccomp.descriptors(sandbox.loopback)
        try:
            seen = bubblewrap.views_of(sandbox, host)
            line = bubblewrap.arguments(sandbox, host, command, seccomp=filters, seen=seen)
            setup = ChildSetup(seen, owner=sandbox.owner)
            with spawn(weaken(line) if weaken else line, setup, filters, CANARY, subprocess.PIPE) as process:
                try:
                    said, complained = process.communicate(timeout=SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise
        finally:
            for descriptor in filters:
                os.close(descriptor)
    if process.returncode != 0:
        raise ValueError(f"it ended with status {process.returncode}: {complained.decode(errors='replace').strip()[-400:]}")
    found: Evidence = json.loads(said)  # ``judge`` finds out whether it has this shape
    return found


def absent(sandbox: Sandbox, host: Host) -> list[str]:
    """Paths of this machine that must not exist inside: fixed ones, this user's home, the repository, the folders' own host paths."""
    shown = (Path("/usr"), *host.environment, *host.packages)
    above = {parent for path in shown for parent in path.parents}
    candidates = {Path(name) for name in ABSENT}
    for folder in {Path.home(), Path(__file__).parent.parent.parent, Path.cwd()} - {Path("/")}:
        candidates |= {Path(entry.path) for entry in os.scandir(folder)} if os.access(folder, os.R_OK | os.X_OK) else set()
    candidates |= {sandbox.data.absolute(), sandbox.project.absolute(), sandbox.private.absolute()}
    inside = {Path(PRIVATE), Path(DATA), Path(PROJECT)}
    return sorted(str(path) for path in candidates - inside if not covered(path, shown) and path not in above)


def judge(found: Evidence, sandbox: Sandbox, host: Host) -> Sequence[Finding]:
    """Every promise with what was found. Raises KeyError and the like where evidence is missing."""
    inner, init = found["self"], found["init"]
    strange = {name: os.strerror(abs(code)) for name, code in found["calls"].items() if code not in ANSWERS.get(name, (errno.EPERM,))}
    session, pid, terminal = found["session"]
    ours = {name: os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES}
    shared = [name for name in NAMESPACES if found["namespaces"][name] == ours[name]]
    environment = bubblewrap.environment(sandbox, host) | {"PWD": sandbox.cwd}
    capabilities = {name: value for name, value in inner.items() if name.startswith("Cap")} | {
        f"init {name}": value for name, value in init.items() if name in ("CapEff", "CapPrm")
    }
    extra, open_places, missing = compare(found["mounts"], sandbox, host)
    others = [target for target, place in bound(sandbox, host).items() if found["identities"][target] != identity(place)]
    others += strangers(found["mounts"], sandbox, host)
    reached = [name for name, code in found["connections"].items() if code == 0]
    return [
        _none("no network interface but lo", [name for name in found["interfaces"] if name != "lo"]),
        _none("no connection to anything", reached),
        _none("no other process visible", [number for number in found["processes"] if number not in (1, pid)]),
        _none("every namespace its own", shared),
        _none("no new user namespace, and no refused system call answers", strange),
        Finding(
            "the seccomp filter holds kernel and init", inner["Seccomp"] == init["Seccomp"] == "2", f"{inner['Seccomp']}, {init['Seccomp']}"
        ),
        Finding("no new privileges", inner["NoNewPrivs"] == "1", inner["NoNewPrivs"]),
        _none("no capabilities", {name: value for name, value in capabilities.items() if int(value, 16)}),
        Finding("the fixed user and group", found["ids"] == [UID] * 3 + [GID] * 3, str(found["ids"])),
        Finding("the fixed host name", found["hostname"] == HOSTNAME, found["hostname"]),
        Finding(
            "a session of its own, without a terminal", session in (1, pid) and terminal != 0, f"session {session}, terminal {terminal}"
        ),
        _none("no environment variable of the host", _unlike(found["environment"], environment)),
        Finding(
            "nothing but the canary in init's environment",
            found["environment of init"] == "TWINPANE_CANARY=1\0",
            found["environment of init"],
        ),
        _none("no place but the named ones", extra),
        _none("every named place", missing),
        _none("every folder the one it should be", others),
        _none("no mount writable but the named ones", open_places),
        _none("no writable path but /project, /tmp and /dev/shm", sorted(set(found["written"]) - WRITABLE - HARMLESS)),
        _none("no device but the harmless ones", sorted(set(found["devices"]) - DEVICES)),
        _none("no file of the host", found["found"]),
    ]


def bound(sandbox: Sandbox, host: Host) -> dict[str, str]:
    """Place inside -> the machine's folder that is bound there. A holder's /project is left out: only its mounts know the folder."""
    shown = {PRIVATE: str(sandbox.private)}
    return shown if sandbox.holder else shown | {PROJECT: str(sandbox.project)}


def strangers(table: Sequence[Mounted], sandbox: Sandbox, host: Host) -> list[str]:
    """Places that do not show the view, or the fixed file, that was made for them."""
    last = {point: (name, place) for point, _, name, place in table}
    seen = bubblewrap.views_of(sandbox, host)
    expected = {}
    for mount in bubblewrap.mounts(sandbox, host):
        if mount.kind is Kind.view:
            expected[mount.target] = seen.name(str(mount.source))
        elif mount.kind is Kind.read_only and str(mount.source).startswith(f"{STAGE}/"):
            expected[mount.target] = (STAGED, str(mount.source)[len(STAGE) :])
    if seen.devices:
        expected |= {f"/dev/{name}": (STAGED, f"/d/{name}") for name in MADE}
    return sorted(target for target, view in expected.items() if last.get(target) != view)


def compare(table: Sequence[Mounted], sandbox: Sandbox, host: Host) -> tuple[list[str], list[str], list[str]]:
    """Mounts that nobody asked for, mounts that can be written and should not be, and mounts that are missing."""
    allowed = {"/": True}
    for mount in bubblewrap.mounts(sandbox, host):
        if mount.kind in (Kind.writable, Kind.memory, Kind.devices, Kind.processes):
            allowed[mount.target] = True
        elif mount.kind in (Kind.view, Kind.read_only, Kind.seal):
            allowed[mount.target] = False
    needed = set(allowed)
    allowed.update({f"/dev/{name}": True for name in DEVICES})
    points = [point for point, *_ in table]
    extra = {f"{point} (twice)" for point in points if points.count(point) > 1 and point not in BY_BWRAP}
    extra |= {point for point in points if point not in allowed and point not in BY_BWRAP}
    open_places = [point for point, is_writable, *_ in table if is_writable and not allowed.get(point, point not in BY_BWRAP)]
    return sorted(extra), open_places, sorted(needed - set(points))


def notes(sandbox: Sandbox) -> tuple[str, ...]:
    """The limits that this machine does not enforce, in sentences."""
    said = [warning] if (warning := cgroups.kept(sandbox.limits).warning) else []
    if not namespaces.may_make_devices():
        said.append("this process may not make device files: the times of the machine's own /dev/null are shared by all sandboxes")
    if _sets_shared_times():
        said.append(
            "this process is root on a Linux older than 6.16: a cell can set the times of files that all programs share (event counters); "
            "run the agent as an ordinary user, or a newer Linux"
        )
    return tuple(said)


def _sets_shared_times() -> bool:
    """Whether we, and so our kernels, may set the times of the one inode behind all anonymous files."""
    counter = os.eventfd(0)
    try:
        found = os.fstat(counter)
        os.utime(counter, ns=(found.st_atime_ns, found.st_mtime_ns))
    except OSError:
        return False
    finally:
        os.close(counter)
    return True


def _none(promise: str, found: Sized) -> Finding:
    return Finding(promise, not found, str(found) if found else "")


def _unlike(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
