"""What the sandbox needs to know of the machine and of this Python environment, as one frozen value."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import proc_files
from .errors import SandboxUnavailable

PACKAGES = ("twinpane", "twinpane_broker", "twinpane_ground", "twinpane_sandbox")
"""The packages of this distribution that a kernel may import."""
ROOT_FOLDERS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
ETC = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/fonts", "/etc/alternatives", "/etc/mime.types")
"""The host's files of /etc that a kernel sees; the rest is the package's own ``etc`` folder. Nothing here holds a secret."""
OLDEST = (0, 5, 0)
"""The first bubblewrap with ``--add-seccomp-fd``."""
FIRST_DISABLE_USERNS = (0, 8, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Facts of the machine that the sandbox's arguments are made from."""

    bwrap: Path
    version: tuple[int, ...]
    setuid: bool
    executable: Path
    """The Python that runs the kernel, at its own path."""
    environment: tuple[Path, ...]
    """Folders (or single files) of that Python: shown read-only at their own paths."""
    packages: tuple[Path, ...]
    """Folders of ``PACKAGES`` that lie outside the environment (an editable install)."""
    hidden: tuple[Path, ...]
    """Parts of what is shown that may hold settings or credentials: covered up."""
    proc: Mapping[str, bool]
    """What /proc has beside processes: name -> whether it is a folder."""
    processors: int
    mounted: tuple[str, ...]
    """Where this machine has mounted something."""
    root_links: tuple[tuple[str, str], ...]
    root_folders: tuple[str, ...]
    etc: tuple[str, ...]

    @property
    def disables_userns(self) -> bool:
        """Whether bubblewrap itself can forbid further user namespaces; the seccomp filter does so in any case."""
        return self.version >= FIRST_DISABLE_USERNS and not self.setuid


def survey(packages: tuple[str, ...] = PACKAGES) -> Host:
    """Look at this machine, for a process that may import ``packages``. About 3 ms.

    Raises SandboxUnavailable where bubblewrap is missing or too old.
    """
    bwrap = find("bwrap", ["/usr/bin", "/usr/local/bin", "/bin", *os.environ.get("PATH", "").split(":")])
    if bwrap is None:
        raise SandboxUnavailable("bubblewrap is not installed", "apt-get install bubblewrap (as root)")
    version = bwrap_version(subprocess.run([bwrap, "--version"], capture_output=True, text=True, check=False, timeout=10).stdout)
    if version < OLDEST:
        found = ".".join(map(str, version)) or "of unknown version"
        raise SandboxUnavailable(
            f"{bwrap} is {found}, older than 0.5.0", "install a newer bubblewrap package (Debian 12, Ubuntu 22.04 or newer)"
        )
    executable, prefix, base = (Path(os.path.normpath(path)) for path in (sys.executable, sys.prefix, sys.base_prefix))
    environment = python_environment(executable, prefix, base)
    shown = (Path("/usr"), *environment)
    links = tuple((name, os.readlink(name)) for name in ROOT_FOLDERS if os.path.islink(name))
    return Host(
        bwrap=Path(bwrap),
        version=version,
        setuid=bool(os.stat(bwrap).st_mode & 0o4000),
        executable=executable,
        environment=environment,
        packages=tuple(folder for folder in package_folders(packages) if not covered(folder, shown)),
        hidden=tuple(path for path in _settings(shown) if path.exists()),
        proc=proc_files.entries(),
        processors=os.cpu_count() or 1,
        mounted=mount_points(),
        root_links=links,
        root_folders=tuple(name for name in ROOT_FOLDERS if os.path.isdir(name) and not os.path.islink(name)),
        etc=tuple(name for name in ETC if os.path.exists(name)),
    )


def mount_points() -> tuple[str, ...]:
    """Where something is mounted, in the order of mounting."""
    with open("/proc/self/mountinfo") as file:
        points = [line.split(" ")[4] for line in file]
    return tuple(
        dict.fromkeys(point.encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape") for point in points)
    )


def find(program: str, folders: list[str]) -> str | None:
    """Where the program is; the system's folders come before the user's."""
    return next((path for folder in folders if folder.startswith("/") and os.access(path := f"{folder}/{program}", os.X_OK)), None)


def bwrap_version(text: str) -> tuple[int, ...]:
    """The numbers of ``bubblewrap 0.8.0``; empty where there are none."""
    numbers = text.strip().rpartition(" ")[2].split(".")
    return tuple(int(number) for number in numbers) if all(number.isdigit() for number in numbers) else ()


def covered(path: Path, folders: tuple[Path, ...]) -> bool:
    """Whether the path is one of the folders or lies below one."""
    return any(path == folder or folder in path.parents for folder in folders)


def python_environment(executable: Path, prefix: Path, base: Path) -> tuple[Path, ...]:
    """Folders and files that this Python needs and that are not below /usr: virtual environment, base installation, and every hop of
    the links between them."""
    wanted = [prefix, base, Path(os.path.realpath(prefix)), Path(os.path.realpath(base))]
    hop = executable
    for _ in range(20):
        wanted.append(hop)
        if not hop.is_symlink():
            break
        hop = Path(os.path.normpath(hop.parent / os.readlink(hop)))
    wanted.append(Path(os.path.realpath(executable)))
    chosen: list[Path] = []
    for path in wanted:
        if not covered(path, (Path("/usr"), *chosen)):
            chosen.append(path)
    return tuple(chosen)


def package_folders(names: tuple[str, ...] = PACKAGES) -> tuple[Path, ...]:
    """Where packages that a sandboxed process may import lie; found without importing them."""
    folders = []
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            folders.append(Path(next(iter(spec.submodule_search_locations))))
    return tuple(folders)


def _settings(shown: tuple[Path, ...]) -> list[Path]:
    hidden = [Path("/usr/local/etc")]
    for folder in shown[1:]:
        hidden += [folder / "etc", folder / "pip.conf"]
    return hidden
