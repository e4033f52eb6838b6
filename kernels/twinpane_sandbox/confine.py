"""Confine a process of the host that reads hostile input to an empty world: whoever takes over its parser gains nothing.

The process keeps what it has open and what it has imported. It gets namespaces of its own: no network, no other process to signal, no
file system but an empty one and the one folder it needs, no capabilities, and the kernels' seccomp filters. Start it by forking from
one that has imported everything: nothing can be imported afterwards.
"""

import ctypes
import errno
import os
import resource
import signal
import tempfile
from pathlib import Path

from twinpane_ground import lifeline

from . import seccomp
from .errors import SandboxUnavailable
from .namespaces import BIND, NEWNS, NODEV, NOEXEC, NOSUID, PRIVATE, RECURSIVE, mount, own_user, unshare
from .poll import readable

_LIBC = ctypes.CDLL(None, use_errno=True)
NEW = NEWNS | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
"""CLONE_NEWNS, NEWUTS, NEWIPC, NEWPID and NEWNET."""
RDONLY, REMOUNT, DETACH = 1, 32, 2
SHUT = NOSUID | NODEV | NOEXEC
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_CAPBSET_DROP = 38, 22, 2, 24
INSIDE = Path("/k")
"""Where the folder is in the empty world."""
SMALL = "size=64k,nr_inodes=16,mode=755"
REMEDY = "allow user namespaces on this machine: see the sandbox's own requirements"


def confine(folder: Path) -> Path:
    """Enter the empty world with ``folder`` in it; returns the folder's path there. The call returns in a child of the calling process.

    The caller must be single-threaded. The calling process itself waits for the child and exits with its status. If it is killed, the
    child ends too. Raises SandboxUnavailable if this machine does not allow it.
    """
    filters = seccomp.programs()
    try:
        own_user()
        unshare(NEW)
        _become_first()
        _empty_root(os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC))
        _drop_everything(filters)
    except OSError as error:
        raise SandboxUnavailable(f"a reader cannot be shut in ({error})", REMEDY) from None
    return INSIDE


def _become_first() -> None:
    """Fork: the child is the first process of its namespace, and ends with its parent, which waits for it and does nothing else."""
    lives, dies = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child:
        os.closerange(3, dies)
        os.closerange(dies + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    os.close(dies)
    # The parent has no pid in the new namespace. The pipe that it holds open shows that it lives.
    lifeline.die_with_parent(0, signal.SIGKILL)
    if readable(lives, 0):
        os._exit(1)
    os.close(lives)


def _empty_root(held: int) -> None:
    root = tempfile.gettempdir()
    mount("none", "/", flags=RECURSIVE | PRIVATE)
    mount("tmpfs", root, "tmpfs", SHUT, SMALL)
    os.mkdir(f"{root}{INSIDE}", 0o755)
    mount(f"/proc/self/fd/{held}", f"{root}{INSIDE}", flags=BIND)
    os.close(held)
    os.chdir(root)
    # Stack the old root on the new one, then detach it: so neither needs a folder for the other (pivot_root(2)).
    _do("pivot_root", _LIBC.syscall(_PIVOT_ROOT, b".", b"."))
    _do("umount2", _LIBC.umount2(b".", DETACH))
    os.chdir("/")
    mount("none", str(INSIDE), flags=BIND | REMOUNT | RDONLY | SHUT)
    mount("none", "/", "", REMOUNT | RDONLY | SHUT, SMALL)


_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}.get(os.uname().machine, -1)


def _drop_everything(filters: tuple[bytes, ...]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for capability in range(64):
        if _LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 and ctypes.get_errno() != errno.EINVAL:
            raise OSError(ctypes.get_errno(), "prctl")
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _do("capset", _LIBC.capset(header, (ctypes.c_uint32 * 6)()))
    _do("prctl", _LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    for program in filters:
        code = ctypes.create_string_buffer(program, len(program))
        fprog = _Program(len(program) // 8, ctypes.cast(code, ctypes.c_void_p))
        _do("seccomp", _LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(fprog), 0, 0))


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _do(what: str, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
