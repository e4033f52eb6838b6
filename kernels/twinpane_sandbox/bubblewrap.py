"""The sandbox as a value, and bubblewrap's arguments made from it by pure functions.

Everything a kernel can see is in ``mounts``: the arguments are rendered from that list, and the self-test compares what it finds
from within with the same list, so that neither can drift from the other.
"""

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath

from . import overlay_views, proc_files
from .errors import SandboxError
from .host import Host, covered
from .limits import MIB, Limits
from .overlay_views import EMPTY_FILE, EMPTY_FOLDER, FIXED, STAGE, OverlayViews

UID = GID = 1000
"""The user id of a kernel inside its sandbox. It is the same in both runs, whichever user the host's process has."""
HOSTNAME = "twinpane"
DATA, PROJECT, PRIVATE, HOME = "/data", "/project", "/run/twinpane", "/tmp/home"  # noqa: S108 - inside, /tmp is the kernel's own
CALLS = f"{PRIVATE}/calls.sock"
OWN_ETC = ("passwd", "group", "hosts", "nsswitch.conf", "hostname")
"""Files of the package's ``etc`` folder, the same for every kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """One kernel's world.

    ``data`` is shown at /data, read-only. ``project`` is shown at /project, the one place outside memory that a kernel can write.
    ``private`` is a folder of the host with a short path for sockets, shown read-only at /run/twinpane.
    ``cwd`` is below /project; ``seed`` (below 2**32) is what both runs share.
    """

    data: Path
    project: Path
    private: Path
    seed: int
    cwd: str = PROJECT
    limits: Limits = field(default_factory=Limits)
    covered: tuple[str, ...] = ()
    """Folders and files below /project that the kernel does not see: relative paths of the host's folder."""
    loopback: bool = False
    """Whether there are TCP and UDP, on the loopback of an empty network. The clear kernel's debugger needs them. Without them, nothing
    that a kernel does shows in the machine's counts of sockets and packets."""
    owner: int = 0
    """The user id and group id on the machine that the sandbox runs under; 0: ours. Only root can give another.
    ``project`` belongs to this user."""
    holder: int = 0
    """The process whose mount namespace holds ``project`` (see ``volume_holder``); 0: ours does."""


class Kind(StrEnum):
    """How a place inside is made."""

    view = "ro-bind of a view"
    read_only = "ro-bind"
    writable = "bind"
    memory = "tmpfs"
    devices = "dev"
    processes = "proc"
    link = "symlink"
    folder = "dir"
    seal = "remount-ro"


@dataclass(frozen=True, slots=True)
class Mount:
    """One place inside: where it is, how it is made, and from what (a host path, a link's target, or a size in bytes)."""

    kind: Kind
    target: str
    source: str | int = ""

    def arguments(self, seen: OverlayViews | None = None) -> list[str]:
        """Bubblewrap's arguments for this mount; a view needs ``seen``, the overlays made for the sandbox."""
        if self.kind is Kind.view:
            assert seen is not None
            return ["--ro-bind", seen.place(str(self.source)), self.target]
        if self.kind is Kind.memory:
            return ["--size", str(self.source), "--tmpfs", self.target]
        if self.kind in (Kind.devices, Kind.processes, Kind.folder, Kind.seal):
            return [f"--{self.kind}", self.target]
        source = str(self.source)
        return [f"--{self.kind}", seen.place(source) if seen is not None and source in seen.found_here else source, self.target]


def mounts(sandbox: Sandbox, host: Host) -> tuple[Mount, ...]:
    """Everything a kernel sees, in the order in which it is mounted."""
    own_etc = Path(__file__).parent / "etc"
    places = _view("/usr", "/usr", host)
    places += [Mount(Kind.link, name, target) for name, target in host.root_links]
    for name in host.root_folders:
        places += _view(name, name, host)
    for name in host.etc:
        # A file is copied: a view of it would be one of /etc, which an ordinary user cannot have where containers mount files below it.
        places += _view(name, name, host) if os.path.isdir(name) else [Mount(Kind.read_only, name, f"{FIXED}{name}")]
    places += [Mount(Kind.view, f"/etc/{name}", str(own_etc / name)) for name in OWN_ETC]
    places += [Mount(Kind.link, "/etc/localtime", "/usr/share/zoneinfo/UTC")]
    # Before the environment, which may itself lie below the host's /tmp.
    places += [Mount(Kind.memory, "/tmp", sandbox.limits.tmp), Mount(Kind.folder, HOME)]  # noqa: S108
    for path in (*host.environment, *host.packages):
        places += _view(str(path), str(path), host)
    places += [_cover(str(path), path.is_dir()) for path in host.hidden]
    places += [
        Mount(Kind.devices, "/dev"),
        Mount(Kind.memory, "/dev/shm", sandbox.limits.shm),  # noqa: S108
        Mount(Kind.seal, "/dev"),
        Mount(Kind.processes, "/proc"),
        *_proc(sandbox, host),
        # Where the host's process is root, files of /proc belong to us.
        Mount(Kind.seal, "/proc"),
        *_view(DATA, str(sandbox.data), host),
        Mount(Kind.writable, PROJECT, str(sandbox.project)),
        *(_cover(f"{PROJECT}/{path}", (sandbox.project / path).is_dir()) for path in sandbox.covered),
        Mount(Kind.read_only, PRIVATE, str(sandbox.private)),
        Mount(Kind.seal, "/"),
    ]
    return tuple(places)


def _readable(path: Path) -> bool:
    """Whether every user may read this file or folder; the folders on the way to it are not checked."""
    mode = path.stat().st_mode
    return bool(mode & stat.S_IROTH) and (not stat.S_ISDIR(mode) or bool(mode & stat.S_IXOTH))


def _view(target: str, source: str, host: Host) -> list[Mount]:
    """Views of a folder or file and of each mount of the machine below it, since an overlay shows only what such a mount hides."""
    real = os.path.realpath(source)
    below = [path for path in host.mounted if path.startswith(f"{real}/") and os.path.isdir(path)]
    return [Mount(Kind.view, target, source), *(Mount(Kind.view, target + path[len(real) :], path) for path in below)]


def _proc(sandbox: Sandbox, host: Host) -> list[Mount]:
    """Cover everything in /proc that is not about a process with fixed or empty content."""
    fixed = {path.partition("/")[0] for path in proc_files.texts(sandbox.limits, host.processors)}
    return [
        Mount(Kind.read_only, f"/proc/{name}", f"{FIXED}/{name}") if name in fixed else _cover(f"/proc/{name}", folder)
        for name, folder in host.proc.items()
    ]


def _cover(target: str, folder: bool) -> Mount:
    """Cover a place with an empty, read-only file or folder."""
    return Mount(Kind.read_only, target, EMPTY_FOLDER if folder else EMPTY_FILE)


def views_of(sandbox: Sandbox, host: Host) -> OverlayViews:
    """The views to make before bubblewrap starts with ``arguments``."""
    return plan(mounts(sandbox, host), sandbox, host)


def plan(places: Iterable[Mount], sandbox: Sandbox, host: Host) -> OverlayViews:
    """The views that these places need. A sandbox with a user of its own may be unable to walk to the machine's folders, so they are bound
    into its view."""
    sources = [str(mount.source) for mount in places if mount.kind is Kind.view]
    binds = [str(mount.source) for mount in places if mount.kind in (Kind.writable, Kind.read_only)] if sandbox.owner else []
    found_here = [source for source in binds if not source.startswith(f"{STAGE}/")]
    files = {name.lstrip("/"): Path(name).read_bytes() for name in host.etc if not os.path.isdir(name)}
    fixed = {"empty": b"", **files, **proc_files.texts(sandbox.limits, host.processors)}
    return overlay_views.plan(sources, fixed, sandbox.holder, found_here)


def environment(sandbox: Sandbox, host: Host) -> dict[str, str]:
    """Every environment variable of a kernel. Only the seed differs between sessions, and both runs of a session share it."""
    threads = str(sandbox.limits.threads)
    return {
        "HOME": HOME,
        "IPYTHONDIR": f"{HOME}/.ipython",
        "JUPYTER_CONFIG_DIR": f"{HOME}/.jupyter",
        "JUPYTER_DATA_DIR": f"{HOME}/.local/share/jupyter",
        "JUPYTER_RUNTIME_DIR": f"{HOME}/.local/share/jupyter/runtime",
        "JUPYTER_PLATFORM_DIRS": "1",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "LOGNAME": "researcher",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": f"{HOME}/.config/matplotlib",
        "MKL_NUM_THREADS": threads,
        "NUMEXPR_NUM_THREADS": threads,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "PATH": f"{host.executable.parent}:/usr/local/bin:/usr/bin:/bin",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": str(sandbox.seed),
        "SHELL": "/bin/sh",
        "TMPDIR": "/tmp",  # noqa: S108
        "TWINPANE_CALLS": CALLS,
        "TZ": "UTC",
        "USER": "researcher",
    }


def arguments(
    sandbox: Sandbox, host: Host, command: Sequence[str], *, seccomp: Sequence[int] = (), seen: OverlayViews | None = None
) -> list[str]:  # fmt: skip
    """Bubblewrap's whole command line: ``command`` runs inside. ``seccomp`` are descriptors of compiled filters; ``seen`` is what
    ``views_of`` gave.

    Raises SandboxError where the sandbox would not hold (see ``check_folders``).
    """
    check_folders(sandbox, host)
    line = [str(host.bwrap), "--unshare-all", "--unshare-user", "--uid", str(UID), "--gid", str(GID), "--hostname", HOSTNAME]
    line += ["--disable-userns"] if host.disables_userns else []
    line += ["--cap-drop", "ALL", "--new-session", "--die-with-parent", "--clearenv"]
    for name, value in sorted(environment(sandbox, host).items()):
        line += ["--setenv", name, value]
    seen = seen or views_of(sandbox, host)
    for mount in mounts(sandbox, host):
        line += mount.arguments(seen)
    for descriptor in seccomp:
        line += ["--add-seccomp-fd", str(descriptor)]
    return [*line, "--chdir", sandbox.cwd, "--", *command]


def check_folders(sandbox: Sandbox, host: Host) -> None:
    """Raise SandboxError unless the folders keep apart what must be apart, and the other values make sense."""
    real = {name: Path(os.path.realpath(getattr(sandbox, name))) for name in ("data", "project", "private")}
    for name, path in real.items():
        if path == Path("/"):
            raise SandboxError(f"the {name} folder is the whole file system; name a folder of its own")
        for other, place in real.items():
            if name != other and covered(place, (path,)):
                raise SandboxError(f"the {other} folder {place} lies within the {name} folder {path}; keep them apart")
    shown = tuple(Path(os.path.realpath(path)) for path in (Path("/usr"), *host.environment, *host.packages))
    for name, path in real.items():
        for place in shown:
            if covered(path, (place,)):
                raise SandboxError(f"the {name} folder {path} lies within {place}, which every kernel sees; put it elsewhere")
            if covered(place, (path,)):
                raise SandboxError(f"the {name} folder {path} contains {place}, which runs the kernel; put it elsewhere")
    for place in shown:
        if place in (Path("/"), Path("/home"), Path("/root"), Path("/etc"), Path("/var"), Path(os.path.realpath(Path.home()))):
            raise SandboxError(f"the Python environment is {place}, which holds more than Python; install into a virtual environment")
    closed = [path for path in (*host.environment, *host.packages) if not _readable(path)] if sandbox.owner else []
    if closed:
        raise SandboxError(
            f"{closed[0]} can be read by its owner only, and servers run under users of their own: let everybody read the Python "
            f"environment (chmod -R o+rX {closed[0]})"
        )
    cwd = PurePosixPath(sandbox.cwd)
    if cwd.parts[:2] != ("/", "project") or ".." in cwd.parts or "\0" in sandbox.cwd:
        raise SandboxError(f"the working folder {sandbox.cwd} is not below /project")
    if any(part in ("", ".", "..") for path in sandbox.covered for part in path.split("/")):
        raise SandboxError("what is covered lies below the project folder, named by its relative path")
    if not 0 <= sandbox.seed < 2**32:
        raise SandboxError(f"the seed {sandbox.seed} is not between 0 and 2**32 - 1")
    if min(sandbox.limits.tmp, sandbox.limits.shm) < MIB or sandbox.limits.threads < 1:
        raise SandboxError("limits are too small: /tmp and /dev/shm need a mebibyte each, and there is at least one thread")
