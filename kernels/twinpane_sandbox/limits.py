"""How much a kernel may use. What cannot be enforced on a machine is named in the self-test's notes."""

import resource
from dataclasses import dataclass

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes, counts and processors of one kernel and all that it starts.

    Memory, processes and processors are held by a control group where the host lets us make one (``cgroups.py``); everything else,
    and a generous second line for memory and processes, by resource limits that the kernel's entry sets before it runs a cell.
    """

    memory: int = 4 * GIB
    processes: int = 1024
    """Processes and threads."""
    cpus: float | None = None
    """Processors; None means as many as there are."""
    spare_processor: bool = False
    """Leave one processor to everybody else, where there are two and more."""
    file_size: int = 4 * GIB
    open_files: int = 4096
    tmp: int = GIB
    """Size of ``/tmp``, which lives in memory."""
    shm: int = GIB
    """Size of ``/dev/shm``, which lives in memory."""
    threads: int = 1
    """Threads of BLAS and OpenMP. The same number in both runs, or sums differ in their last bits."""


def rlimits(limits: Limits) -> dict[str, int]:
    """Names of resource limits (as in the module ``resource``) and their hard values.

    ``RLIMIT_DATA`` rather than ``RLIMIT_AS``: numerical libraries reserve far more addresses than they use. Twice the memory plus
    2 GiB, because reserved but untouched private memory counts too; the control group is the exact limit.
    """
    return {
        "RLIMIT_CORE": 0,
        "RLIMIT_DATA": 2 * limits.memory + 2 * GIB,
        "RLIMIT_FSIZE": limits.file_size,
        "RLIMIT_MEMLOCK": 64 * 1024,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_NICE": 0,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_NPROC": limits.processes,
        "RLIMIT_RTPRIO": 0,
        "RLIMIT_SIGPENDING": 1024,
    }


def apply_rlimits(values: dict[str, int]) -> None:
    """Set soft and hard limits of this process, never above what it already has; raises ValueError for an unknown name."""
    for name, value in values.items():
        if not name.startswith("RLIMIT_") or not hasattr(resource, name):
            raise ValueError(f"no resource limit is called {name}")
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (lowest, lowest))
