"""Which system calls a kernel may make: an allow-list, refusals that look at arguments, and calls that succeed and do nothing.

Default deny: what is not listed does not exist (ENOSYS), so that libraries fall back as they do on an older system; ``clone3`` and
``openat2`` are left out for that reason, because a filter cannot look into the structures they take. Also left out
are calls that tell of the whole machine or of pages that sandboxes share (``sysinfo``, ``statfs``, ``mincore``, ``cachestat``,
``preadv2`` with its RWF_NOWAIT, watches of files), and the call that moves pages between pipes (``splice``). numpy, pandas, pyarrow,
DuckDB, scikit-learn, matplotlib, debugpy and multiprocessing run within the list. What is refused on purpose answers EPERM and is named
in ``REFUSED``.

Arguments are 64 bits wide in a filter, while the kernel looks at the lower 32 of most of them: refusals by value are therefore masked,
and the socket families' upper bound covers what is larger (the mistake behind CVE-2019-7303).
"""

import errno
from dataclasses import dataclass
from enum import StrEnum

FILES = """
access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fallocate fchdir fchmod
fchmodat fchmodat2 fchown fchownat fdatasync fgetxattr flistxattr fremovexattr fsetxattr fstat fsync ftruncate
futimesat getcwd getdents getdents64 getxattr lchown lgetxattr link linkat
listxattr llistxattr lremovexattr lseek lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open openat pread64 preadv
pwrite64 pwritev read readlink readlinkat readv removexattr rename renameat renameat2 rmdir sendfile setxattr
stat statx symlink symlinkat sync_file_range truncate umask unlink unlinkat utime utimensat utimes write writev
"""
PROCESSES = """
alarm arch_prctl capget capset clone execve execveat exit exit_group fork futex futex_requeue futex_wait futex_waitv futex_wake
get_robust_list getcpu getegid geteuid getgid getgroups getpgid getpgrp getpid getppid getpriority getresgid getresuid getrlimit getrusage
getsid gettid getuid ioprio_get kill pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall rseq
rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
sched_setparam sched_setscheduler sched_yield set_robust_list set_tid_address setpgid setpriority
setrlimit setsid sigaltstack tgkill times tkill uname vfork wait4 waitid
"""
MEMORY = """
brk get_mempolicy memfd_create mlock mlock2 mlockall mmap mprotect mremap msync munlock munlockall munmap
pkey_alloc pkey_free pkey_mprotect map_shadow_stack riscv_flush_icache
"""
TIME = """
clock_getres clock_gettime getitimer gettimeofday nanosleep setitimer time timer_delete timer_getoverrun
timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime
"""
WAITING = """
epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 pipe pipe2 poll ppoll pselect6 select
signalfd signalfd4
"""
SOCKETS = """
accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg sendto setsockopt
shutdown socket socketpair
"""
OTHER = "getrandom ioctl landlock_add_rule landlock_create_ruleset landlock_restrict_self"

ALLOWED = tuple(name for family in (FILES, PROCESSES, MEMORY, TIME, WAITING, SOCKETS, OTHER) for name in family.split())

REFUSED = {
    "the kernel's keyring": "add_key keyctl request_key",
    "other processes' memory, files and state": "kcmp pidfd_getfd process_madvise process_mrelease process_vm_readv "
    "process_vm_writev ptrace",
    "programs in the kernel": "bpf",
    "rings shared with the kernel": "io_uring_enter io_uring_register io_uring_setup",
    "page faults handled by a program": "userfaultfd",
    "namespaces": "setns unshare",
    "mounts and roots": "chroot fsconfig fsmount fsopen fspick listmount mount mount_setattr move_mount open_tree open_tree_attr "
    "pivot_root statmount umount umount2",
    "files by handle, past the mounts": "name_to_handle_at open_by_handle_at",
    "other processors, and the disk's first place": "ioprio_set sched_setaffinity",
    "measuring the machine": "lookup_dcookie perf_event_open syslog",
    "another kernel, and modules": "create_module delete_module finit_module init_module kexec_file_load kexec_load",
    "the machine's clock, names, ports, swap, quota, power": "acct adjtimex clock_adjtime clock_settime ioperm iopl "
    "nfsservctl quotactl quotactl_fd reboot setdomainname sethostname settimeofday stime swapoff swapon vhangup",
    "rarely used code with a history": "fanotify_init fanotify_mark memfd_secret modify_ldt remap_file_pages uselib",
}
"""Why -> system calls that answer EPERM."""

PRETENDED = "fadvise64 flock readahead sync syncfs"
"""Calls that answer 0 and do nothing. All anonymous files of a machine (event counters, ``epoll``) share one inode: every process in
every sandbox sees a lock on it. So no lock is taken at all. Libraries that lock against other processes (SQLite, DuckDB, HDF5) are told
that they hold the lock, and go on. Likewise, a kernel cannot drop pages from the shared cache or write out the machine's disks."""

NARROWED = {
    "clock_nanosleep": (0, (0, 1, 7, 11)),
    "fcntl": (1, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 36, 37, 38, 1027, 1030, 1031, 1032, 1033, 1034)),
    "madvise": (2, (0, 1, 2, 3, 4, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 22, 23, 102, 103)),
    "membarrier": (0, (0, 8, 16, 32, 64)),
    "personality": (0, (0, 0xFFFFFFFF)),
    "timer_create": (0, (0, 1, 7)),
}
"""Calls that exist for some values of one argument only (its place, the values; the lower 32 bits count). Left out: clocks that count
processor time; leases, watches and write hints of a file; merging equal pages, paging out; barriers over the whole machine."""


class Test(StrEnum):
    """How an argument is compared, in libseccomp's words."""

    equal = "EQ"
    at_least = "GE"
    has_bits = "MASKED_EQ"


@dataclass(frozen=True, slots=True)
class Argument:
    """A condition on the argument at ``index``. ``has_bits`` holds where all bits of ``value`` are set, among those of ``mask``."""

    index: int
    test: Test
    value: int
    mask: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call of that name whose arguments meet all conditions answers with that error; 0: it succeeds and does nothing."""

    call: str
    conditions: tuple[Argument, ...]
    error: int = errno.EPERM


NAMESPACES = {
    "CLONE_NEWTIME": 0x80,
    "CLONE_NEWNS": 0x20000,
    "CLONE_NEWCGROUP": 0x2000000,
    "CLONE_NEWUTS": 0x4000000,
    "CLONE_NEWIPC": 0x8000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
}
TERMINAL = {"TIOCSTI": 0x5412, "TIOCLINUX": 0x541C, "TIOCSETD": 0x5423}
"""Typing into a terminal's input, the console's clipboard, and loading line disciplines."""
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
"""The socket families there are: unix; the loopback of an empty network namespace, which the debugger talks over; and NETLINK, because
libzmq lists the interfaces (there is one) before it binds the debugger's port, and aborts the process where it may not."""
PROTOCOLS = {INET: (0, 6, 17), INET6: (0, 6, 17), NETLINK: (0,)}
"""Protocols of a family: the default, TCP, UDP; of NETLINK only the routing tables."""
LOCKS = (6, 7, 37, 38)
"""F_SETLK, F_SETLKW and their like for open files: pretended, as ``flock`` is."""
PI_FUTEXES = (6, 7, 8, 11, 12, 13)
"""FUTEX_LOCK_PI and its kin."""
FUTEX_COMMAND = 0xFFFFFFFF & ~(128 | 256)
"""What of a futex's operation names the command."""
PROCESS_SETTINGS = {"PR_SCHED_CORE": 62, "PR_SET_MEMORY_MERGE": 67, "PR_GET_MEMORY_MERGE": 68}
SOCKET_SETTINGS = {
    "SO_ATTACH_FILTER": (1, 26), "SO_ATTACH_BPF": (1, 50), "SO_ATTACH_REUSEPORT_CBPF": (1, 51), "SO_ATTACH_REUSEPORT_EBPF": (1, 52),
    "TCP_ULP": (6, 31),
}  # fmt: skip
"""Programs in the kernel, and protocols on top of TCP that load modules."""
INTERFACES, INTERFACE_MASK = 0x8900, 0xFFFFFF00
"""Questions to a socket about interfaces (SIOCGIFCONF, SIOCETHTOOL and their kin): a kernel's own sockets were made in the machine's
network, and would tell its addresses and count its packets."""
SO_COOKIE = (1, 57)
"""A number that is counted over all sockets of the machine."""
SO_LINGER = (1, 13)
"""Makes whoever closes a connection wait, even a process outside that was handed the connection. So it is only pretended."""
SET_ID = (0o4000, 0o2000)
"""Set-user-id and set-group-id: on a file of /project they would matter outside the sandbox."""
O_CREAT, O_TMPFILE = 0o100, 0o20000000


def bits(index: int, value: int) -> Argument:
    """All bits of ``value`` are set."""
    return Argument(index, Test.has_bits, value, value)


def lower(index: int, value: int) -> Argument:
    """The lower 32 bits are ``value``."""
    return Argument(index, Test.has_bits, value, 0xFFFFFFFF)


def others(index: int, known: tuple[int, ...]) -> list[Argument]:
    """Every value but the known ones, whatever the upper 32 bits are."""
    return [lower(index, value) for value in range(max(known)) if value not in known] + [Argument(index, Test.at_least, max(known) + 1)]


def refusals() -> tuple[Refusal, ...]:
    """Every refusal that looks at arguments."""
    found = [Refusal("clone", (bits(0, flag),)) for name, flag in NAMESPACES.items() if name != "CLONE_NEWTIME"]
    found += [Refusal("ioctl", (lower(1, request),)) for request in TERMINAL.values()]
    found.append(Refusal("ioctl", (Argument(1, Test.has_bits, INTERFACES, INTERFACE_MASK),)))
    found += [Refusal("socket", (family,), errno.EAFNOSUPPORT) for family in others(0, (UNIX, *PROTOCOLS))]
    found += [Refusal("socketpair", (family,), errno.EAFNOSUPPORT) for family in others(0, (UNIX,))]
    for family, known in PROTOCOLS.items():
        found += [Refusal("socket", (lower(0, family), protocol), errno.EPROTONOSUPPORT) for protocol in others(2, known)]
    for bit in SET_ID:
        for call, mode in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("fchmodat2", 2), ("creat", 1), ("mknod", 1), ("mknodat", 2)):
            found.append(Refusal(call, (bits(mode, bit),)))
        for flag in (O_CREAT, O_TMPFILE):
            found.append(Refusal("open", (bits(1, flag), bits(2, bit))))
            found.append(Refusal("openat", (bits(2, flag), bits(3, bit))))
    found += [Refusal("futex", (Argument(1, Test.has_bits, command, FUTEX_COMMAND),), errno.ENOSYS) for command in PI_FUTEXES]
    found += [Refusal("prctl", (lower(0, option),)) for option in PROCESS_SETTINGS.values()]
    found += [Refusal("setsockopt", (lower(1, level), lower(2, name))) for level, name in SOCKET_SETTINGS.values()]
    found.append(Refusal("setsockopt", tuple(lower(index, value) for index, value in zip((1, 2), SO_LINGER, strict=True)), 0))
    found.append(Refusal("getsockopt", tuple(lower(index, value) for index, value in zip((1, 2), SO_COOKIE, strict=True))))
    found += [Refusal("fcntl", (lower(1, command),), 0) for command in LOCKS]
    return tuple(found)


def offline() -> tuple[Refusal, ...]:
    """Refusals for a kernel without a loopback: no socket but unix ones."""
    return tuple(Refusal("socket", (family,), errno.EAFNOSUPPORT) for family in others(0, (UNIX,)))
