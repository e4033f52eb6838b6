"""Memory of a session: proportional set sizes (shared pages split among those who share them), beside a plain ipykernel."""

from collections.abc import Iterable

import psutil

from .figures import Goal, Line, Spread, alone
from .kernels import Kernel
from .sites import Running, is_agent, is_broker, is_reader

MIB = 2**20
LIGHT = Goal(80, "at most")
"""MiB of an agent's process, what it shares with others counted whole."""


def pss(process: psutil.Process) -> float:
    """MiB; the resident set where the kernel does not tell the proportional one."""
    try:
        with open(f"/proc/{process.pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024
    except (OSError, StopIteration):
        return process.memory_info().rss / MIB


def _is_kernel(process: psutil.Process) -> bool:
    return "twinpane_sandbox.kernel_main" in process.cmdline() and not process.name().startswith("bwrap")


def _tree(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]


def _sum(processes: Iterable[psutil.Process]) -> float:
    return sum(pss(process) for process in processes)


def memory(plain: Kernel, ours: Kernel, sites: Running) -> list[Line]:
    """One session after the same cells in both."""
    theirs = _sum(_tree(psutil.Process(plain.process.pid)))
    tree = _tree(psutil.Process(ours.process.pid))
    kernels = [process for process in tree if _is_kernel(process)]
    rest = [process for process in tree[1:] if process not in kernels]
    everything = _sum(tree)
    inside = [process for process in sites.processes() if _is_kernel(process)]
    agents = [process for process in sites.processes() if is_agent(process)]
    brokers = [process for process in sites.processes() if is_broker(process)]
    readers = [process for process in sites.processes() if is_reader(process)]

    def beside(value: float) -> Line:
        return Line("memory: a session outside", "MiB", Spread.of([value]), Spread.of([theirs]), Spread.of([value / theirs]))

    return [
        beside(everything),
        alone("  of it: the pane", "MiB", [pss(tree[0])]),
        alone("  of it: the clear kernel", "MiB", [_sum(kernels)]),
        alone("  of it: bubblewrap", "MiB", [_sum(rest)]),
        *([alone("memory: an inside kernel, each", "MiB", [pss(process) for process in inside])] if inside else []),
        *([alone("  its reader, at each site", "MiB", [_sum(readers) / len(inside)])] if inside and readers else []),
        *([alone("memory: an agent, each", "MiB", [pss(process) for process in agents])] if agents else []),
        *([alone("  resident", "MiB", [process.memory_info().rss / MIB for process in agents], LIGHT)] if agents else []),
        *([alone("memory: a site's broker, each", "MiB", [pss(process) for process in brokers])] if brokers else []),
    ]
