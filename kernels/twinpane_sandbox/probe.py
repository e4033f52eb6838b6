"""Runs inside the sandbox and says what it finds there. It judges nothing (``self_test.py`` does), and every attempt it makes is
harmless if it succeeds. Standard library only, run as a file with ``python -I -S``: QUESTIONS as JSON on the command line, EVIDENCE as
JSON on stdout.
"""

import ctypes
import json
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import TypedDict

UNLIKELY = 0x7FFFFFFF
"""A process number that nobody has."""
TIOCSTI, F_SETLK = 0x5412, 6
TRIALS: dict[str, tuple[int, ...]] = {
    # Arguments for which an unfiltered kernel answers something other than EPERM, so that a missing filter shows.
    "add_key": (0, 0, 0, 0, 0),
    "keyctl": (0, -3, 0, 0, 0),
    "request_key": (0, 0, 0, 0),
    "bpf": (99, 0, 0),
    "io_uring_setup": (0, 0),
    "userfaultfd": (-1,),
    "ptrace": (1, UNLIKELY, 0, 0),
    "process_vm_readv": (UNLIKELY, 0, 0, 0, 0, 0),
    "perf_event_open": (0, 0, 0, 0, 0),
    "unshare": (0,),
    "setns": (-1, 0),
    "mount": (0, 0, 0, 0, 0),
    "open_tree": (-1, 0, 0),
    "clone3": (0, 0),
    "personality": (0x8,),
    "ioctl": (0, TIOCSTI, 0),
}
CLONE_NEWUSER = 0x10000000
FAMILIES = {"AF_NETLINK uevents": (16, 2, 15), "AF_PACKET": (17, 2, 0), "AF_ALG": (38, 5, 0), "AF_VSOCK": (40, 1, 0)}

Mounted = tuple[str, bool, str, str]
"""A mount: its point, whether it can be written, its file system's name and the place in it."""


class Questions(TypedDict):
    """What is asked of the sandbox."""

    numbers: dict[str, int]
    """System call -> its number."""
    port: int
    """Where the host listens on its loopback."""
    abstract: str
    """Name of an abstract socket on which the host listens."""
    namespaces: Sequence[str]
    absent: Sequence[str]
    """Paths that should not be there."""
    writes: Sequence[str]
    """Paths to try to write, besides every mount."""
    bound: Sequence[str]
    """Paths whose device and inode are reported."""


Evidence = TypedDict(
    "Evidence",
    {
        "calls": dict[str, int],
        "connections": dict[str, int],
        "devices": Sequence[str],
        "environment": dict[str, str],
        "environment of init": str,
        "found": Sequence[str],
        "identities": dict[str, list[int]],
        "hostname": str,
        "ids": list[int],
        "init": dict[str, str],
        "interfaces": Sequence[str],
        "mounts": Sequence[Mounted],
        "namespaces": dict[str, str],
        "processes": Sequence[int],
        "self": dict[str, str],
        "session": Sequence[int],
        "written": Sequence[str],
    },
)
"""What was found. Calls and connections are given as error numbers, 0 for success."""


def errno_of(action: Callable[..., object], *args: object) -> int:
    """The error that the action ends with; 0 if it succeeds."""
    try:
        action(*args)
    except OSError as error:
        return error.errno or -1
    return 0


def calls(numbers: dict[str, int]) -> dict[str, int]:
    """System call -> error."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(number: int, *args: int) -> int:
        ctypes.set_errno(0)
        result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(value) for value in args))
        return ctypes.get_errno() if result == -1 else 0

    found = {name: call(numbers[name], *args) for name, args in TRIALS.items()}
    found["ioctl with its upper bits set"] = call(numbers["ioctl"], 0, TIOCSTI | 1 << 32, 0)
    found["fcntl that locks"] = call(numbers["fcntl"], -1, F_SETLK, 0)
    found["unshare of a user namespace"] = call(numbers["unshare"], CLONE_NEWUSER)
    parent = os.getpid()
    found["clone of a user namespace"] = call(numbers["clone"], CLONE_NEWUSER | 17, 0, 0, 0, 0)
    if os.getpid() != parent:
        os._exit(0)
    for name, args in FAMILIES.items():
        found[name] = errno_of(lambda args=args: socket.socket(*args).close())
    return found


def status(pid: str) -> dict[str, str]:
    """The lines of /proc/PID/status about privileges."""
    with open(f"/proc/{pid}/status") as file:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    return {name: lines.get(name, "") for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Uid", "Gid")}


def mount_table() -> list[Mounted]:
    """Every mount point, whether it can be written, its file system's name and the place in it; the last mount on a point last."""
    table = []
    with open("/proc/self/mountinfo") as file:
        for line in file:
            fields = line.split(" ")
            point = fields[4].encode().decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")
            table.append((point, "rw" in fields[5].split(","), fields[fields.index("-") + 2], fields[3]))
    return table


def identity(path: str) -> list[int]:
    """Device and inode: which file or folder of the machine this is."""
    found = os.stat(path)
    return [found.st_dev, found.st_ino]


def can_write(path: str) -> bool:
    """Whether a file can be made in the folder, or the file be opened for writing. Nothing is left behind."""
    if os.path.isdir(path):
        trial = os.path.join(path, ".twinpane-probe")
        if errno_of(lambda: os.close(os.open(trial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))):
            return False
        os.unlink(trial)
        return True
    return os.path.lexists(path) and errno_of(lambda: os.close(os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK))) == 0


def set_id(folder: str) -> int:
    """The error that giving a file the set-user-id bit ends with."""
    path = os.path.join(folder, "probe-set-id")
    made = errno_of(lambda: os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)))
    return -made if made else errno_of(os.chmod, path, 0o4755)


def start_environment(pid: str) -> str:
    """The environment that the process was started with; the error where it cannot be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().decode("utf-8", "replace")
    except OSError as error:
        return f"unreadable: {error.strerror}"


def dial(family: int, kind: int, address: tuple[str, int] | str) -> int:
    """The error that connecting ends with; 0 if it succeeds."""
    try:
        with socket.socket(family, kind) as caller:
            caller.settimeout(1)
            caller.connect(address)
    except OSError as error:
        return error.errno or -1
    return 0


def evidence(questions: Questions) -> Evidence:
    """Everything that is asked for."""
    table = mount_table()
    trials = {point for point, *_ in table} | {f"/{name}" for name in os.listdir("/")} | set(questions["writes"])
    with open("/proc/net/dev") as file:
        interfaces = [line.partition(":")[0].strip() for line in file if ":" in line]
    return {
        "calls": calls(questions["numbers"]) | {"chmod of the set-user-id bit": set_id("/tmp")},  # noqa: S108
        "connections": {
            "the host's loopback": dial(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", questions["port"])),
            "the host's abstract sockets": dial(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + questions["abstract"]),
            "a route to other machines": dial(socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.1", 9)),
        },
        "devices": sorted(os.listdir("/dev")),
        "environment": dict(os.environ),
        "environment of init": start_environment("1"),
        "found": [path for path in questions["absent"] if os.path.lexists(path)],
        "identities": {path: identity(path) for path in questions["bound"]},
        "hostname": os.uname().nodename,
        "ids": [*os.getresuid(), *os.getresgid()],
        "init": status("1"),
        "interfaces": interfaces,
        "mounts": table,
        "namespaces": {name: os.readlink(f"/proc/self/ns/{name}") for name in questions["namespaces"]},
        "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "self": status("self"),
        "session": [os.getsid(0), os.getpid(), errno_of(lambda: os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)))],
        "written": sorted(path for path in trials if can_write(path)),
    }


if __name__ == "__main__":
    json.dump(evidence(json.loads(sys.argv[1])), sys.stdout)
