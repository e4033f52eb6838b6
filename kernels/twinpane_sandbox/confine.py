"""An empty world for a process of the host that reads hostile input: should its parser be taken over, there is nothing to be had.

The process keeps what it has open and what it has imported. It gets namespaces of its own: no network, no other process to signal, no
file system but an empty one and the one folder it needs, no capabilities, and the kernels' seccomp filters. Start it by forking from
one that has imported everything: nothing can be imported afterwards.
"""

import ctypes
import errno
import os
import resource
import select
import signal
import tempfile
from pathlib import Path

from . import lifeline, seccomp
from .errors import SandboxUnavailable

_LIBC = ctypes.CDLL(None, use_errno=True)
NEW = 0x00020000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
"""CLONE_NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 32, 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_CAPBSET_DROP = 38, 22, 2, 24
INSIDE = Path("/k")
"""Where the folder is in the empty world."""
SMALL = "size=64k,nr_inodes=16,mode=755"
REMEDY = "allow user namespaces on this machine: see the sandbox's own requirements"


def confine(folder: Path) -> Path:
    """Leave for the empty world, with ``folder`` in it; returns where it is there. Ends up in a child of the calling process.

    The caller has to be single-threaded. The calling process itself waits for the child and ends with its status; killed, it takes the
    child along. Raises SandboxUnavailable where this machine does not allow it.
    """
    filters = seccomp.programs()
    uid, gid = os.getuid(), os.getgid()
    _do("new namespaces", _LIBC.unshare(NEW))
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")
    _become_first()
    _empty_root(os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC))
    _drop_everything(filters)
    return INSIDE


def _become_first() -> None:
    """Fork: the child is the first process of its namespace, and ends with its parent, which waits for it and does nothing else."""
    lives, dies = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child:
        os.closerange(3, dies)
        os.closerange(dies + 1, 4096)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    os.close(dies)
    # From within the new namespace the parent has no number: what tells that it lives is the pipe that it holds open.
    lifeline.die_with_parent(0, signal.SIGKILL)
    if select.select([lives], [], [], 0)[0]:
        os._exit(1)
    os.close(lives)


def _empty_root(held: int) -> None:
    root = tempfile.gettempdir()
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    _mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, SMALL)
    os.mkdir(f"{root}{INSIDE}", 0o755)
    _mount(f"/proc/self/fd/{held}", f"{root}{INSIDE}", None, MS_BIND)
    os.close(held)
    os.chdir(root)
    # The new root over the old one, which then is let go of: neither needs a folder for the other.
    _do("a root of its own", _LIBC.syscall(_PIVOT_ROOT, b".", b"."))
    _do("letting go of the old root", _LIBC.umount2(b".", MNT_DETACH))
    os.chdir("/")
    _mount(None, str(INSIDE), None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _mount(None, "/", None, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, SMALL)


_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}.get(os.uname().machine, -1)


def _drop_everything(filters: tuple[bytes, ...]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for capability in range(64):
        if _LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 and ctypes.get_errno() != errno.EINVAL:
            raise OSError(ctypes.get_errno(), "prctl")
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _do("no capabilities", _LIBC.capset(header, (ctypes.c_uint32 * 6)()))
    _do("no new privileges", _LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    for program in filters:
        code = ctypes.create_string_buffer(program, len(program))
        fprog = _Program(len(program) // 8, ctypes.cast(code, ctypes.c_void_p))
        _do("the seccomp filter", _LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(fprog), 0, 0))


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    arguments = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    _do(f"mounting {target}", _LIBC.mount(arguments[0], arguments[1], arguments[2], ctypes.c_ulong(flags), arguments[3]))


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        raise SandboxUnavailable(f"a reader cannot be shut in ({error})", REMEDY) from None


def _do(what: str, result: int) -> None:
    if result != 0:
        raise SandboxUnavailable(f"a reader cannot be shut in ({what}: {os.strerror(ctypes.get_errno())})", REMEDY)

