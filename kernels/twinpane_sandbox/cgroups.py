"""Limit a kernel's memory, processes and processors by a control group, version 2 or 1, if this process may make one.

The group is made below this process's own. In version 2 it is made beside it, since a group with processes cannot have limited children.
If none can be made, the kernel runs with its resource limits alone, and the self-test's report says so.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from .limits import Limits

ROOT = Path("/sys/fs/cgroup")
PERIOD = 100_000
"""Period of the processor quota, in microseconds."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Which limits hold for a whole sandbox rather than for each of its processes."""

    memory: bool
    processes: bool
    processors: bool

    @property
    def warning(self) -> str:
        """A sentence for a terminal about the limits that do not hold; empty if all do."""
        lacking = [name for name in ("memory", "processes", "processors") if not getattr(self, name)]
        if not lacking:
            return ""
        return (
            f"this machine lets us make no control group for {', '.join(lacking)}: limits hold for each process of a kernel alone, and a "
            "kernel may have many. Remedy: run the agent where it may make control groups (systemd: Delegate=yes), or as root"
        )


@dataclass(frozen=True, slots=True)
class Use:
    """What a kernel uses, with all that it started: processor time since its start, and memory in bytes. None where nobody tells."""

    processor_s: float | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Folders of the control groups that hold one kernel, and what could not be limited."""

    folders: tuple[Path, ...]
    notes: tuple[str, ...]
    controllers: frozenset[str] = frozenset()

    def use(self) -> Use:
        """What is used now. A few short files are read, however much runs in the group."""
        counted, described = self._read("cpuacct.usage"), self._read("cpu.stat") or ""
        lines = dict(line.split(" ", 1) for line in described.splitlines() if " " in line)
        spent = int(counted) / 1e9 if counted else int(lines["usage_usec"]) / 1e6 if "usage_usec" in lines else None
        memory = self._read("memory.current") or self._read("memory.usage_in_bytes")
        return Use(spent, int(memory) if memory else None)

    def _read(self, file: str) -> str | None:
        for folder in self.folders:
            try:
                return (folder / file).read_text()
            except OSError:  # the group has no such controller, or is gone
                continue
        return None

    def remove(self, patience: float = 2.0) -> None:
        """Remove the groups once their last process is gone; waits for it that many seconds."""
        end = time.monotonic() + patience
        for folder in self.folders:
            while not _removed(folder) and time.monotonic() < end:
                time.sleep(0.01)


def settings(limits: Limits, version: int) -> dict[str, dict[str, str]]:
    """Controller -> file -> value."""
    quota = None if limits.cpus is None else int(limits.cpus * PERIOD)
    if version == 2:
        ceiling = {} if quota is None else {"cpu.max": f"{quota} {PERIOD}"}
        return {
            "memory": {"memory.max": str(limits.memory), "memory.swap.max": "0"},
            "pids": {"pids.max": str(limits.processes)},
            "cpu": ceiling | {"cpu.weight": "50"},
        }
    ceiling = {} if quota is None else {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": str(quota)}
    return {
        "memory": {"memory.limit_in_bytes": str(limits.memory)},
        "pids": {"pids.max": str(limits.processes)},
        "cpu": ceiling | {"cpu.shares": "512"},
    }


def kept(limits: Limits) -> Kept:
    """Which limits this machine lets us enforce, tried on a group that is removed at once."""
    group = make(limits, f"twinpane-{os.getpid()}-test")
    group.remove()
    # Processes are counted per user namespace, so an ordinary user's limit holds for the sandbox. Root's count is never limited.
    processes = "pids" in group.controllers or os.geteuid() != 0
    return Kept("memory" in group.controllers, processes, "cpu" in group.controllers)


def make(limits: Limits, name: str, own: str | None = None, root: Path = ROOT) -> Group:
    """A group with these limits, as far as this machine lets us. ``own`` is the text of /proc/self/cgroup."""
    if own is None:
        own = Path("/proc/self/cgroup").read_text()
    paths = {}
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    if (root / "cgroup.controllers").exists():
        return _make_2(limits, name, root, paths.get("", "/"))
    return _make_1(limits, name, root, paths)


def _make_2(limits: Limits, name: str, root: Path, path: str) -> Group:
    wanted = settings(limits, 2)
    current = root / path.lstrip("/")
    for parent in (current, current.parent) if current != root else (current,):
        folder = _new(parent, name)
        if folder is None:
            continue
        lacking = [f"{controller}: the group has no such controller" for controller in wanted if not _limit(folder, wanted[controller])]
        if len(lacking) < len(wanted):
            held = frozenset(wanted) - {note.partition(":")[0] for note in lacking}
            return Group((folder,), tuple(lacking), held)
        _removed(folder)
    return Group((), (f"{', '.join(wanted)}: no control group can be made below {current}",))


def _make_1(limits: Limits, name: str, root: Path, paths: dict[str, str]) -> Group:
    folders, notes, held = [], [], set()
    for controller, files in settings(limits, 1).items():
        folder = _new(root / controller / paths[controller].lstrip("/"), name) if controller in paths else None
        if folder is None:
            notes.append(f"{controller}: no control group can be made")
        elif _limit(folder, files):
            folders.append(folder)
            held.add(controller)
        else:
            _removed(folder)
            notes.append(f"{controller}: the control group takes no limit")
    # It limits nothing and counts processor time. Mostly it is one folder with `cpu`, which is there already.
    if "cpuacct" in paths and (folder := _new(root / "cpuacct" / paths["cpuacct"].lstrip("/"), name)) is not None:
        folders.append(folder)
    return Group(tuple(folders), tuple(notes), frozenset(held))


def _new(parent: Path, name: str) -> Path | None:
    try:
        for entry in os.scandir(parent):
            parts = entry.name.split("-")
            if len(parts) == 3 and parts[0] == "twinpane" and not os.path.exists(f"/proc/{parts[1]}"):
                _removed(Path(entry.path))
        (parent / name).mkdir()
        # The right to make a group does not include the right to move processes into it.
        return parent / name if os.access(parent / name / "cgroup.procs", os.W_OK) else None
    except OSError:
        return None


def _limit(folder: Path, files: dict[str, str]) -> bool:
    first, *others = files.items()
    try:
        _write(folder / first[0], first[1])
        for file, value in others:
            if (folder / file).exists():
                _write(folder / file, value)
    except OSError:
        return False
    return True


def _write(file: Path, value: str) -> None:
    # Without O_CREAT: an absent controller has no file, and none must be created.
    descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
