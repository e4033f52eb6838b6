"""What the self-test expects within a sandbox, as tables."""

import errno

from .bubblewrap import DATA, PRIVATE, PROJECT

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
DEVICES = frozenset(["core", "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"])
WRITABLE = frozenset({PROJECT, "/tmp", "/dev/shm"})  # noqa: S108
"""The folders that a kernel can write. The private folder of its sockets is not among them."""
HARMLESS = frozenset({"/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero", "/dev/ptmx"})
"""Devices that anybody can write to without effect."""
ABSENT = (
    "/boot",
    "/etc/shadow",
    "/etc/ssh",
    "/home",
    "/mnt",
    "/opt",
    "/root/.bashrc",
    "/root/.ssh",
    "/srv",
    "/sys",
    "/var",
    "/run/docker.sock",
    "/run/dbus",
)
WRITES = (
    "/etc/passwd",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/vm/drop_caches",
    "/proc/sysrq-trigger",
    "/usr/bin",
    "/usr/lib",
    "/run",
    DATA,
    PRIVATE,
)
NUMBERS = {
    "x86_64": {
        "add_key": 248, "bpf": 321, "clone": 56, "clone3": 435, "io_uring_setup": 425, "ioctl": 16, "keyctl": 250, "mount": 165,
        "open_tree": 428, "perf_event_open": 298, "personality": 135, "process_vm_readv": 310, "ptrace": 101, "request_key": 249,
        "setns": 308, "unshare": 272, "userfaultfd": 323, "fcntl": 72, "flock": 73, "inotify_init1": 294, "mincore": 27, "preadv2": 327,
        "sched_setaffinity": 203, "statfs": 137, "sysinfo": 99,
    },
    "aarch64": {
        "add_key": 217, "bpf": 280, "clone": 220, "clone3": 435, "io_uring_setup": 425, "ioctl": 29, "keyctl": 219, "mount": 40,
        "open_tree": 428, "perf_event_open": 241, "personality": 92, "process_vm_readv": 270, "ptrace": 117, "request_key": 218,
        "setns": 268, "unshare": 97, "userfaultfd": 282, "fcntl": 25, "flock": 32, "inotify_init1": 26, "mincore": 232, "preadv2": 286,
        "sched_setaffinity": 122, "statfs": 43, "sysinfo": 179,
    },
}  # fmt: skip
"""System call numbers of the machines that the self-test knows."""
ANSWERS = {
    "clone3": (errno.ENOSYS,),
    "personality": (errno.ENOSYS,),
    **dict.fromkeys(("fcntl", "inotify_init1", "mincore", "preadv2", "statfs", "sysinfo"), (errno.ENOSYS,)),
    **dict.fromkeys(("fcntl that locks", "flock"), (0,)),
    "AF_NETLINK uevents": (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT),
    "AF_PACKET": (errno.EAFNOSUPPORT,),
    "AF_ALG": (errno.EAFNOSUPPORT,),
    "AF_VSOCK": (errno.EAFNOSUPPORT,),
}
"""The errors of refused calls that do not answer EPERM."""
BY_BWRAP = frozenset({"/proc/bus", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"})
"""What bubblewrap itself covers up in a new /proc, read-only."""
CANARY = {"TWINPANE_CANARY": "1"}
"""An environment variable of the host that a kernel must not see. Kernels are started with none at all."""
SECONDS = 20.0
