"""Removes the traces that a run's sites leave in the machine's caches. A later clear kernel could measure them by time.

A file's page that was read once, or a name that was looked up once, is faster the next time. Each tells a bit, and 500 of 512 bits arrive.
Linux charges both to the control group of the first reader. So the sites of a run live in their own group, with the groups of their
kernels below it. The group is emptied when all of them are gone.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
ROUNDS = 16
"""Times that a group is emptied: what was used lately stays the first times."""
SETTLES_S = 0.25
"""Seconds until what was thrown out is gone: the machine does it in the background (50 ms were enough, right after it 350 of 512 names
were still told)."""
MARK = "run"
LEFT = (
    "this machine lets us make no control group for memory, so what the sites' kernels leave in its caches stays, and a notebook that "
    "is run here later could read it. Remedy: run it where control groups may be made (systemd: Delegate=yes), or as root"
)


class Traces:
    """The group of one run; ``members`` is where its processes go."""

    def __init__(self, group: Path | None, members: Path | None) -> None:
        self._group = group
        self._members = members

    @classmethod
    def make(cls, own: str | None = None, root: Path = ROOT) -> "Traces":
        """A group below this process's own or beside it, in version 1 or 2. If none can be made, an object without a group.

        ``own`` is the text of /proc/self/cgroup. Traces of killed runs are removed first.
        """
        own = Path("/proc/self/cgroup").read_text() if own is None else own
        two = (root / "cgroup.controllers").exists()
        for parent in _parents(own, root, two):
            for stale in parent.glob(f"twinpane-*-{MARK}"):
                if not Path(f"/proc/{stale.name.split('-')[1]}").exists():
                    cls(stale, stale / "sites" if two else stale).forget()
            group = parent / f"twinpane-{os.getpid()}-{MARK}"
            with suppress(OSError):
                group.mkdir(exist_ok=True)
                if not two:
                    return cls(group, group)
                (group / "cgroup.subtree_control").write_text("+memory +pids +cpu")
                (group / "sites").mkdir(exist_ok=True)
                return cls(group, group / "sites")
            with suppress(OSError):
                group.rmdir()
        return cls(None, None)

    @property
    def kept(self) -> bool:
        """Whether there is a group, so that nothing stays."""
        return self._group is not None

    def enter(self) -> None:
        """In a child, before it becomes another program: live in the group, with all that it starts. Raises OSError."""
        if self._members is not None:
            (self._members / "cgroup.procs").write_text(str(os.getpid()))

    def forget(self) -> None:
        """Remove the members' traces and the group. Call it when all members are gone."""
        if self._group is None:
            return
        below = [path for path in self._group.iterdir() if path.is_dir()] if self._group.is_dir() else []
        for folder in below:
            with suppress(OSError):
                folder.rmdir()  # from now on its content is charged to the group above
        for _ in range(ROUNDS):
            for name, value in (("memory.force_empty", "0"), ("memory.reclaim", "64G")):
                with suppress(OSError), (self._group / name).open("r+") as file:
                    file.write(value)
        with suppress(OSError):
            self._group.rmdir()
        time.sleep(SETTLES_S)


def _parents(own: str, root: Path, two: bool) -> Iterator[Path]:
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        if two and controllers == "":
            yield from (root / path.lstrip("/"), (root / path.lstrip("/")).parent) if path != "/" else (root,)
        elif not two and "memory" in controllers.split(","):
            yield root / "memory" / path.lstrip("/")
