"""The self-test passes on the sandbox as it is, and notices when any one of its arguments is weakened."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from twinpane_sandbox import seccomp
from twinpane_sandbox.bubblewrap import Sandbox
from twinpane_sandbox.errors import SandboxUnavailable
from twinpane_sandbox.fork_exec import become
from twinpane_sandbox.machine_check import check
from twinpane_sandbox.namespaces import BIND, NEWNS, PRIVATE, RECURSIVE, mount, unshare
from twinpane_sandbox.self_test import Report, examine, self_test

NAMESPACES = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup")


@pytest.fixture
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    base = tmp_path_factory.mktemp("s")
    (base / "data").mkdir()
    (base / "project").mkdir()
    return Sandbox(data=base / "data", project=base / "project", private=base / "k", seed=1)


def without(*words: str):
    """Leave out the first run of these arguments."""

    def rewrite(line: list[str]) -> list[str]:
        for start in range(len(line)):
            if line[start : start + len(words)] == list(words):
                return line[:start] + line[start + len(words) :]
        raise AssertionError(f"{words} is not among the arguments")

    return rewrite


def instead(old: tuple[str, ...], new: tuple[str, ...]):
    """Replace the first run of these arguments."""

    def rewrite(line: list[str]) -> list[str]:
        for start in range(len(line)):
            if line[start : start + len(old)] == list(old):
                return line[:start] + list(new) + line[start + len(old) :]
        raise AssertionError(f"{old} is not among the arguments")

    return rewrite


def more(*words: str):
    """Add arguments before the command."""
    return lambda line: [*line[: line.index("--")], *words, *line[line.index("--") :]]


def early(*words: str):
    """Add arguments before the root is sealed."""
    return instead(("--remount-ro", "/"), (*words, "--remount-ro", "/"))


def both(first, second):
    """One rewrite after the other."""
    return lambda line: second(first(line))


def filterless(*numbers: int):
    """Leave out seccomp filters by their order."""

    def rewrite(line: list[str]) -> list[str]:
        starts = [index for index, word in enumerate(line) if word == "--add-seccomp-fd"]
        dropped = {index + step for number in numbers for index in (starts[number],) for step in (0, 1)}
        return [word for index, word in enumerate(line) if index not in dropped]

    return rewrite


def writable(target: str):
    """Show a read-only place as writable."""

    def rewrite(line: list[str]) -> list[str]:
        at = next(i for i, word in enumerate(line) if word == "--ro-bind" and line[i + 2] == target)
        return [*line[:at], "--bind", *line[at + 1 :]]

    return rewrite


def broken(report: Report) -> set[str]:
    return {finding.promise for finding in report.broken}


def test_the_sandbox_as_it_is_holds(sandbox: Sandbox) -> None:
    report = self_test(sandbox)
    assert report.holds
    assert not report.broken
    assert len(report.findings) > 15


def test_the_self_test_takes_less_than_half_a_second(sandbox: Sandbox) -> None:
    seccomp.programs()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        self_test(sandbox)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5


WEAKENED = {
    "the host's network": (more("--share-net"), "no network interface but lo"),
    "the host's network reaches the host": (more("--share-net"), "no connection to anything"),
    **{
        f"no {left_out}": (
            instead(("--unshare-all",), tuple(name for name in NAMESPACES if name != left_out)),
            "every namespace its own",
        )
        for left_out in NAMESPACES
    },
    "the host's processes": (
        both(
            instead(("--unshare-all",), tuple(name for name in NAMESPACES if name != "--unshare-pid")),
            instead(("--proc", "/proc"), ("--ro-bind", "/proc", "/proc")),
        ),
        "no other process visible",
    ),
    "another folder as data": (more("--ro-bind", "/var", "/data"), "every folder the one it should be"),
    "no filter": (filterless(0, 1, 2), "the seccomp filter holds kernel and init"),
    "no allow-list": (filterless(0), "no new user namespace, and no refused system call answers"),
    "no refusals by argument": (filterless(1), "no new user namespace, and no refused system call answers"),
    "the host's environment": (without("--clearenv"), "no environment variable of the host"),
    "one variable more": (more("--setenv", "HUB_TOKEN", "secret"), "no environment variable of the host"),
    "another hash seed": (more("--setenv", "PYTHONHASHSEED", "2"), "no environment variable of the host"),
    "the caller's session": (without("--new-session"), "a session of its own, without a terminal"),
    "another user": (instead(("--uid", "1000"), ("--uid", "0")), "the fixed user and group"),
    "another group": (instead(("--gid", "1000"), ("--gid", "0")), "the fixed user and group"),
    "capabilities": (instead(("--cap-drop", "ALL"), ("--cap-add", "ALL")), "no capabilities"),
    "the host's name": (instead(("--hostname", "twinpane"), ("--hostname", "other")), "the fixed host name"),
    "a place more": (early("--ro-bind", "/var", "/var"), "no place but the named ones"),
    "a place more, seen": (early("--ro-bind", "/var", "/var"), "no file of the host"),
    "a place more within a named one": (early("--bind", "/var", "/project"), "no place but the named ones"),
    "the host's /etc": (early("--ro-bind", "/etc", "/etc"), "no file of the host"),
    "a place less": (without("--size", "1073741824", "--tmpfs", "/tmp"), "every named place"),
    "data that can be written": (writable("/data"), "no writable path but /project, /tmp and /dev/shm"),
    "data mounted for writing": (writable("/data"), "no mount writable but the named ones"),
    "sockets that can be replaced": (writable("/run/twinpane"), "no writable path but /project, /tmp and /dev/shm"),
    "a system that can be written": (writable("/usr"), "no mount writable but the named ones"),
    "an environment that can be written": (writable(str(sys.prefix)), "no mount writable but the named ones"),
    "a root that can be written": (without("--remount-ro", "/"), "no writable path but /project, /tmp and /dev/shm"),
    "a /dev that can be written": (without("--remount-ro", "/dev"), "no writable path but /project, /tmp and /dev/shm"),
    "a /proc mounted for writing": (without("--remount-ro", "/proc"), "no mount writable but the named ones"),
    "the host's devices": (instead(("--dev", "/dev"), ("--dev-bind", "/dev", "/dev")), "no device but the harmless ones"),
    "the host's /proc": (instead(("--proc", "/proc"), ("--ro-bind", "/proc", "/proc")), "no other process visible"),
}


UNSTARTABLE = {"no --unshare-uts"}
"""Weakened arguments with which bubblewrap itself does not start: it sets no host name without a namespace for it."""


@pytest.mark.parametrize("name", sorted(set(WEAKENED) - UNSTARTABLE))
def test_a_weakening_is_noticed_by_the_promise_it_breaks(sandbox: Sandbox, name: str) -> None:
    weaken, promise = WEAKENED[name]
    assert promise in broken(examine(sandbox, weaken=weaken))


@pytest.mark.parametrize("name", sorted(UNSTARTABLE))
def test_a_weakening_that_cannot_start_is_a_failure(sandbox: Sandbox, name: str) -> None:
    assert broken(examine(sandbox, weaken=WEAKENED[name][0])) == {"the probe runs in the sandbox"}


def test_a_probe_that_says_nothing_is_a_failure(sandbox: Sandbox) -> None:
    report = examine(sandbox, weaken=lambda line: [*line[: line.index("--") + 1], "/bin/true"])
    assert broken(report) == {"the probe runs in the sandbox"}


def test_a_probe_that_says_too_little_is_a_failure(sandbox: Sandbox) -> None:
    report = examine(sandbox, weaken=lambda line: [*line[: line.index("--") + 1], "/bin/echo", "{}"])
    assert broken(report) == {"the probe's evidence is complete"}


def test_a_sandbox_that_fails_is_refused_naming_the_promise(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that does not hold is refused with the broken promise."""
    monkeypatch.setattr("twinpane_sandbox.bubblewrap.HOSTNAME", "somewhere")
    with pytest.raises(SandboxUnavailable, match="the fixed host name"):
        self_test(sandbox)


def test_check_passes_where_the_sandbox_runs() -> None:
    assert check().bwrap.exists()


PYTHON = (
    shutil.which("python3.11", path="/usr/bin")
    or shutil.which("python3.12", path="/usr/bin")
    or shutil.which("python3.13", path="/usr/bin")
)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it becomes somebody else")
@pytest.mark.skipif(PYTHON is None, reason="needs a system Python")
def test_a_mount_that_hinders_views_is_said_at_the_start(tmp_path: Path) -> None:
    """An ordinary user has no view of a folder below which something is mounted. Before, a start went well, and no kernel ever came up."""

    def become_ordinary() -> None:
        unshare(NEWNS)
        mount("none", "/", flags=RECURSIVE | PRIVATE)
        for folder, place in ((Path(seccomp.__file__).parent.parent, "/srv"), (Path(pytest.__file__).parent.parent, "/opt")):
            mount(str(folder), place, flags=BIND)
        mount(str(tmp_path), "/usr/local/share", flags=BIND)
        become(65534)

    code = "import sys; sys.path[:0] = ['/srv']; sys.path.append('/opt'); from twinpane_sandbox.machine_check import check; check()"
    done = subprocess.run(
        [PYTHON, "-P", "-s", "-c", code], preexec_fn=become_ordinary, capture_output=True, text=True, check=False, cwd="/",
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}, timeout=60,
    )  # fmt: skip
    assert "a view of /usr" in done.stderr
    assert "nothing mounted below /usr and" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it becomes somebody else")
@pytest.mark.skipif(PYTHON is None, reason="needs a system Python")
def test_the_sandbox_holds_for_an_ordinary_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An ordinary user's sandbox holds as root's does, with the system's own Python, also in a volume; what it lacks is said.

    And where something is mounted below /etc, as container engines mount ``hosts``. Before, there was none then.
    """
    base = Path("/tmp") / f"tp-user-{os.getpid()}"
    base.mkdir(mode=0o755)
    kernels = Path(seccomp.__file__).parent.parent
    packages = Path(pytest.__file__).parent.parent

    def become_ordinary() -> None:
        """With our code where everybody can walk: the checkout may lie behind a folder that is root's alone."""
        unshare(NEWNS)
        mount("none", "/", flags=RECURSIVE | PRIVATE)
        for folder, name in ((kernels, "kernels"), (packages, "packages")):
            mount(str(folder), str(base / name), flags=BIND)
        mount("/etc/hostname", "/etc/hosts", flags=BIND)
        become(65534)

    code = (
        "import sys, pathlib\n"
        f"sys.path[:0] = [{str(base / 'kernels')!r}]; sys.path.append({str(base / 'packages')!r})\n"
        "from twinpane_sandbox.bubblewrap import Sandbox\n"
        "from twinpane_sandbox.self_test import self_test\n"
        f"base = pathlib.Path({str(base)!r})\n"
        "report = self_test(Sandbox(data=base / 'data', project=base / 'project', private=base / 'k', seed=1))\n"
        "from twinpane_sandbox.volume_holder import hold_memory\n"
        "holder = hold_memory(base / 'project', 2**20)\n"
        "sandbox = Sandbox(data=base / 'data', project=base / 'project', private=base / 'k', seed=1, holder=holder.pid)\n"
        "print(report.holds, self_test(sandbox).holds, report.notes)\n"
    )
    try:
        for name in ("data", "project", "kernels", "packages"):
            (base / name).mkdir()
        for path in (base, base / "project"):
            os.chown(path, 65534, 65534)
        done = subprocess.run(
            [PYTHON, "-P", "-s", "-c", code],
            preexec_fn=become_ordinary,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={"HOME": str(base), "XDG_CACHE_HOME": str(base / "cache"), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[:2] == ["True", "True"]
        assert "/dev/null" in done.stdout
    finally:
        for name in ("kernels", "packages"):
            (base / name).rmdir()  # only empty ones: what was mounted there for the child is not removed
        shutil.rmtree(base)
