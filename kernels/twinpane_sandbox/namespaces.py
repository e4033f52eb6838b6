"""Namespaces and mounts by the C library: Python 3.11 has no functions for them.

Every function is meant for a child between fork and exec, so the library is loaded here, before any fork.
"""

import ctypes
import os

NEWTIME, NEWNS, NEWUSER = 0x80, 0x20000, 0x10000000
NOSUID, NODEV, NOEXEC, BIND, RECURSIVE, PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
FULL_MAP = ["0", "0", "4294967295"]
"""What /proc/self/uid_map says in the machine's first user namespace."""
SYS_ADMIN, MKNOD = 21, 27
"""Numbers of the capabilities that mounting and making devices need."""

_LIBC = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave the namespaces of these kinds for new ones; raises OSError."""
    _call("unshare", ctypes.c_int(flags))


def enter(descriptor: int, kind: int) -> None:
    """Enter the namespace that the descriptor names; raises OSError."""
    _call("setns", ctypes.c_int(descriptor), ctypes.c_int(kind))


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount; raises OSError."""
    _call("mount", os.fsencode(source), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), os.fsencode(options) or None)


def own_user() -> None:
    """A user namespace of our own, in which we keep our number and may mount; raises OSError."""
    user, group = os.geteuid(), os.getegid()
    unshare(NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def may_mount() -> bool:
    """Whether this process may mount without a user namespace of its own."""
    return bool(_capabilities() >> SYS_ADMIN & 1)


def may_make_devices() -> bool:
    """Whether this process may make device files, and mount a file system on which they work."""
    with open("/proc/self/uid_map") as file:
        first = file.read().split() == FULL_MAP
    return first and may_mount() and bool(_capabilities() >> MKNOD & 1)


def _capabilities() -> int:
    with open("/proc/self/status") as file:
        return next((int(line.split()[1], 16) for line in file if line.startswith("CapEff:")), 0)


def _call(name: str, *args: object) -> None:
    if getattr(_LIBC, name)(*args) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
