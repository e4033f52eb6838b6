"""The seccomp filters as descriptors for bubblewrap: compiled once by libseccomp, kept in the user's cache, checked when read.

There are two filters: the allow-list, and the refusals that look at arguments. Linux takes the stricter answer of the two. A kernel
without a loopback gets a third. It fails closed: if there is no cached program and none can be compiled, no kernel starts.
"""

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from twinpane_ground import atomic

from .errors import SandboxUnavailable

FORMAT = b"twinpane-seccomp-2\n"
SMALLEST = 8 * 16
"""Bytes that a real filter has at least; a BPF instruction has eight."""


class Filter(Protocol):
    """What we use of `pyseccomp.SyscallFilter`. Actions and conditions are pyseccomp's own."""

    def add_rule(self, action: Any, call: int, *conditions: Any) -> None:
        """Answer this call with the action, where all conditions hold."""

    def set_attr(self, attribute: Any, value: Any) -> None:
        """Set an attribute of the whole filter."""

    def export_bpf(self, file: BinaryIO) -> None:
        """Write the compiled program."""


def descriptors(loopback: bool = False, cache: Path | None = None, locks: bool = False) -> list[int]:
    """Inheritable descriptors of the programs, at their start; the caller closes them. Raises SandboxUnavailable.

    With ``locks``, files can be locked: a server needs that, since its panes share a workspace. A kernel's locks only pretend to succeed.
    """
    found = []
    for number, program in enumerate(programs(cache, locks)[: 2 if loopback else 3]):
        descriptor = os.memfd_create(f"seccomp-{number}", 0)
        os.write(descriptor, program)
        os.lseek(descriptor, 0, os.SEEK_SET)
        found.append(descriptor)
    return found


def programs(cache: Path | None = None, locks: bool = False) -> tuple[bytes, ...]:
    """The compiled filters: from the cache where it has them for this table of calls, else compiled and kept."""
    folder = cache or cache_folder()
    sources = b"".join(Path(__file__).with_name(name).read_bytes() for name in ("syscalls.py", "seccomp.py"))
    table = hashlib.sha256(sources).hexdigest()[:32]
    path = folder / f"seccomp-{'locks-' if locks else ''}{os.uname().machine}-{table}.bpf"
    found = read(path)
    if found is None:
        found = compiled(locks)
        keep(path, found)
    return found


def cache_folder() -> Path:
    """Where compiled filters are kept: never a place that a kernel can write."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twinpane"


def pack(found: tuple[bytes, ...]) -> bytes:
    """The file's content: format, digest of the rest, then each program after its length."""
    body = b"".join(len(program).to_bytes(4) + program for program in found)
    return FORMAT + hashlib.sha256(body).digest() + body


def unpack(content: bytes) -> tuple[bytes, ...] | None:
    """The programs of a file's content; None where it is not whole."""
    digest, body = content[len(FORMAT) : len(FORMAT) + 32], content[len(FORMAT) + 32 :]
    if not content.startswith(FORMAT) or hashlib.sha256(body).digest() != digest:
        return None
    found = []
    while body:
        length = int.from_bytes(body[:4])
        found.append(body[4 : 4 + length])
        body = body[4 + length :]
    whole = len(found) == 3 and all(len(program) >= SMALLEST and len(program) % 8 == 0 for program in found)
    return tuple(found) if whole else None


def read(path: Path) -> tuple[bytes, ...] | None:
    """The programs kept there, if the file is whole and only this user can write it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            return None
        return unpack(file.read(2**20))


def keep(path: Path, found: tuple[bytes, ...]) -> None:
    """Keep the programs for the next start; a cache that cannot be written costs time and nothing else."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic.write(path, pack(found), durable=False)


def compiled(locks: bool = False) -> tuple[bytes, bytes, bytes]:
    """The filters, compiled by libseccomp for this machine: allowed, refused, offline. About 150 ms. Raises SandboxUnavailable where
    libseccomp is missing."""
    try:
        import pyseccomp
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        raise SandboxUnavailable(f"the seccomp filter cannot be compiled ({error})", "apt-get install libseccomp2 (as root)") from None
    from . import syscalls

    def number(name: str) -> int:
        # Below zero: the call does not exist on this machine, or is newer than libseccomp. Then the default refuses it.
        found: int = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
        return found

    def argument(condition: syscalls.Argument) -> Any:
        test = getattr(pyseccomp, condition.test)
        if condition.test is syscalls.Test.has_bits:
            return pyseccomp.Arg(condition.index, test, condition.mask, condition.value)
        return pyseccomp.Arg(condition.index, test, condition.value)

    def refusing(refusals: Iterable[syscalls.Refusal]) -> Filter:
        found: Filter = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        for refusal in refusals:
            if number(refusal.call) >= 0:
                found.add_rule(pyseccomp.ERRNO(refusal.error), number(refusal.call), *map(argument, refusal.conditions))
        return found

    allow: Filter = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.ENOSYS))
    for name in (*syscalls.ALLOWED, *(syscalls.PRETENDED.split() if locks else ())):
        if number(name) >= 0:
            allow.add_rule(pyseccomp.ALLOW, number(name))
    for name, (index, values) in syscalls.NARROWED.items():
        for value in values if number(name) >= 0 else ():
            allow.add_rule(pyseccomp.ALLOW, number(name), argument(syscalls.lower(index, value)))
    for names, answer in (("" if locks else syscalls.PRETENDED, 0), (" ".join(syscalls.REFUSED.values()), errno.EPERM)):
        for name in names.split():
            if number(name) >= 0:
                allow.add_rule(pyseccomp.ERRNO(answer), number(name))
    refusals = (refusal for refusal in syscalls.refusals() if refusal.call != "fcntl" or not locks)
    filters = (allow, refusing(refusals), refusing(syscalls.offline()))
    for found in filters:
        # Calls by the numbers of another architecture (32 bits, x32) end the whole process, not one thread of it.
        found.set_attr(pyseccomp.Attr.ACT_BADARCH, pyseccomp.KILL_PROCESS)
    return _exported(filters[0]), _exported(filters[1]), _exported(filters[2])


def _exported(filters: Filter) -> bytes:
    with open(os.memfd_create("bpf"), "w+b") as file:
        filters.export_bpf(file)
        file.seek(0)
        return file.read()
