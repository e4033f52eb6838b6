"""What a kernel reads of /proc beside its own processes: fixed texts, the same whatever else runs on the machine.

Default deny: every entry of the machine's /proc that is neither a process's nor one of these is covered by something empty. What is
here is what libraries read: psutil, glibc, DuckDB, joblib. Numbers of memory are the session's own limit, not the machine's.
"""

import os
import stat

from .limits import Limits

KEPT = frozenset({"self", "thread-self", "mounts", "net"})
"""Links into the reader's own process."""
CPU = (
    "processor\t: {number}\nvendor_id\t: unknown\nmodel name\t: virtual processor\nphysical id\t: 0\nsiblings\t: {count}\n"
    "core id\t\t: {number}\ncpu cores\t: {count}\ncpu MHz\t\t: 2000.000\n\n"
)
TIMES = " 1000000 0 500000 100000000 0 0 0 0 0 0\n"
"""User, nice, system, idle and other times of a processor, in hundredths of a second."""
BEGAN = 1_700_000_000
"""When the machine was switched on, as it is told here, in seconds since 1970."""


def entries() -> dict[str, bool]:
    """The entries of this machine's /proc that belong to no process: name -> whether it is a folder. About 0.3 ms."""
    found = {}
    for name in sorted(os.listdir("/proc")):
        if name.isdigit() or name in KEPT:
            continue
        try:
            found[name] = stat.S_ISDIR(os.lstat(f"/proc/{name}").st_mode)
        except OSError:
            continue  # a process that ended
    return found


def texts(limits: Limits, processors: int) -> dict[str, bytes]:
    """Path below /proc -> content of its fixed file."""
    total = limits.memory // 1024
    half = total // 2
    memory = {
        "MemTotal": total, "MemFree": half, "MemAvailable": half, "Buffers": 0, "Cached": 0, "SwapCached": 0, "Active": 0, "Inactive": 0,
        "SwapTotal": 0, "SwapFree": 0, "Dirty": 0, "Writeback": 0, "AnonPages": 0, "Mapped": 0, "Shmem": 0, "Slab": 0, "SReclaimable": 0,
        "SUnreclaim": 0, "CommitLimit": total, "Committed_AS": 0, "HugePages_Total": 0, "HugePages_Free": 0,
    }  # fmt: skip
    cpus = "".join(f"cpu{number}{TIMES}" for number in range(processors))
    found = {
        "cpuinfo": "".join(CPU.format(number=number, count=processors) for number in range(processors)),
        "filesystems": "nodev\tproc\nnodev\ttmpfs\n\text4\n",
        "loadavg": "0.00 0.00 0.00 1/1 1\n",
        "meminfo": "".join(f"{name + ':':<16}{value:>8} kB\n" for name, value in memory.items()),
        "stat": f"cpu {TIMES}{cpus}intr 0\nctxt 0\nbtime {BEGAN}\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n",
        "swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
        "uptime": "1000000.00 1000000.00\n",
        "version": f"Linux version {os.uname().release} (twinpane)\n",
        "vmstat": "pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\npgmajfault 0\n",
        "sys/fs/file-max": "65536\n",
        "sys/fs/nr_open": "1048576\n",
        "sys/fs/pipe-max-size": "1048576\n",
        "sys/kernel/cap_last_cap": "40\n",
        "sys/kernel/hostname": "twinpane\n",
        "sys/kernel/ngroups_max": "65536\n",
        "sys/kernel/osrelease": f"{os.uname().release}\n",
        "sys/kernel/ostype": "Linux\n",
        "sys/kernel/pid_max": "4194304\n",
        "sys/kernel/random/boot_id": "00000000-0000-4000-8000-000000000000\n",
        "sys/kernel/threads-max": f"{limits.processes}\n",
        "sys/net/core/somaxconn": "4096\n",
        "sys/vm/max_map_count": "65530\n",
        "sys/vm/overcommit_memory": "0\n",
    }
    return {path: text.encode() for path, text in found.items()}
