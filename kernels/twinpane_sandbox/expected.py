"""What the self-test expects within a sandbox, as tables."""

import errno

from .bubblewrap import DATA, PRIVATE, PROJECT

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
DEVICES = frozenset(["core", "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"])
WRITABLE = frozenset({PROJECT, "/tmp", "/dev/shm"})  # noqa: S108
"""The folders that a kernel can write. Not even the private one of its sockets."""
HARMLESS = frozenset({"/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero", "/dev/ptmx"})
"""Devices that anybody can write to, and nothing comes of it."""
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
        "setns": 308, "unshare": 272, "userfaultfd": 323,
    },
    "aarch64": {
        "add_key": 217, "bpf": 280, "clone": 220, "clone3": 435, "io_uring_setup": 425, "ioctl": 29, "keyctl": 219, "mount": 40,
        "open_tree": 428, "perf_event_open": 241, "personality": 92, "process_vm_readv": 270, "ptrace": 117, "request_key": 218,
        "setns": 268, "unshare": 97, "userfaultfd": 282,
    },
}  # fmt: skip
"""System call numbers of the machines that the self-test knows."""
ANSWERS = {
    "clone3": (errno.ENOSYS,),
    "personality": (errno.ENOSYS,),
    "AF_NETLINK uevents": (errno.EPROTONOSUPPORT,),
    "AF_PACKET": (errno.EAFNOSUPPORT,),
    "AF_ALG": (errno.EAFNOSUPPORT,),
    "AF_VSOCK": (errno.EAFNOSUPPORT,),
}
"""What a refused call answers, where it is not EPERM."""
BY_BWRAP = frozenset({"/proc/bus", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"})
"""What bubblewrap itself covers up in a new /proc, read-only."""
CANARY = {"TWINPANE_CANARY": "1"}
"""An environment variable of the host that a kernel must not see. Kernels are started with none at all."""
SECONDS = 20.0
