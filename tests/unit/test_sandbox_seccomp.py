"""The compiled filters decide as the tables say, whatever the arguments' upper bits, and a damaged cache is not used."""

import errno
import os
import struct
from pathlib import Path

import pyseccomp
import pytest

from twinpane_sandbox import seccomp, syscalls

ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000


def decide(program: bytes, number: int, arguments: tuple[int, ...], arch: int) -> int:
    """Run a filter as the kernel does: classic BPF over the call's number, architecture and arguments."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *(value & (2**64 - 1) for value in (*arguments, *[0] * (6 - len(arguments)))))
    code = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    accumulator, at = 0, 0
    while True:
        operation, on_true, on_false, value = code[at]
        at += 1
        match operation:
            case 0x20:
                accumulator = struct.unpack_from("<I", data, value)[0]
            case 0x54:
                accumulator &= value
            case 0x05:
                at += value
            case 0x06:
                return value
            case 0x15 | 0x25 | 0x35 | 0x45:
                test = {0x15: accumulator == value, 0x25: accumulator > value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[
                    operation
                ]
                at += on_true if test else on_false
            case _:
                raise AssertionError(f"unknown instruction {operation:#x}")


@pytest.fixture(scope="module")
def three() -> tuple[bytes, bytes, bytes]:
    return seccomp.compiled()


@pytest.fixture(scope="module")
def both(three: tuple[bytes, bytes, bytes]) -> tuple[bytes, bytes]:
    """The filters of a kernel with a loopback."""
    return three[:2]


def verdict(both: tuple[bytes, bytes], call: str | int, *arguments: int, arch: int | None = None) -> int:
    """0 where the call is let through, else the error; -1 where the process is killed. The stricter filter wins."""
    number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, call) if isinstance(call, str) else call
    actions = [decide(program, number, arguments, pyseccomp.system_arch() if arch is None else arch) for program in both]
    if KILL in actions:
        return -1
    return next((action & 0xFFFF for action in actions if action & 0xFFFF0000 == ERROR), 0)


def exists(call: str) -> bool:
    return pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, call) >= 0


@pytest.mark.parametrize("call", [name for name in syscalls.ALLOWED if exists(name) and name not in ("socket", "socketpair")])
def test_an_allowed_call_is_let_through(both: tuple[bytes, bytes], call: str) -> None:
    assert verdict(both, call) == 0


@pytest.mark.parametrize("call", [name for names in syscalls.REFUSED.values() for name in names.split() if exists(name)])
def test_a_refused_call_answers_eperm_whatever_its_arguments(both: tuple[bytes, bytes], call: str) -> None:
    assert {verdict(both, call, *[value] * 6) for value in (0, 1, 2**32, 2**64 - 1)} == {errno.EPERM}


def test_no_call_is_both_allowed_and_refused() -> None:
    refused = {name for names in syscalls.REFUSED.values() for name in names.split()}
    assert not refused & set(syscalls.ALLOWED)
    assert len(set(syscalls.ALLOWED)) == len(syscalls.ALLOWED)


def test_every_call_that_is_not_listed_does_not_exist(both: tuple[bytes, bytes]) -> None:
    refused = (name for names in syscalls.REFUSED.values() for name in names.split())
    listed = {*syscalls.ALLOWED, *refused, *syscalls.NARROWED, *syscalls.PRETENDED.split()}
    numbers = {pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in listed}
    assert {verdict(both, number) for number in range(600) if number not in numbers} == {errno.ENOSYS}


@pytest.mark.parametrize("call", ["clone3", "openat2", "personality"])
def test_calls_with_structures_beyond_the_filter_do_not_exist(both: tuple[bytes, bytes], call: str) -> None:
    """Calls whose structures cannot be looked into do not exist."""
    assert verdict(both, call, 8, 8, 8) == errno.ENOSYS


@pytest.mark.parametrize("flag", [value for name, value in syscalls.NAMESPACES.items() if name != "CLONE_NEWTIME"])
@pytest.mark.parametrize("upper", [0, 1 << 32, 1 << 63])
def test_clone_makes_no_namespace(both: tuple[bytes, bytes], flag: int, upper: int) -> None:
    assert verdict(both, "clone", flag | 17 | upper) == errno.EPERM
    assert verdict(both, "clone", flag | 0x3D0F00 | upper) == errno.EPERM


def test_clone_makes_threads_and_processes(both: tuple[bytes, bytes]) -> None:
    assert verdict(both, "clone", 0x3D0F00) == 0
    assert verdict(both, "clone", 0x1200011) == 0


@pytest.mark.parametrize("request_", list(syscalls.TERMINAL.values()))
@pytest.mark.parametrize("upper", [0, 1 << 32, 0xDEAD << 32])
def test_terminal_requests_are_refused_whatever_the_upper_bits(both: tuple[bytes, bytes], request_: int, upper: int) -> None:
    assert verdict(both, "ioctl", 0, request_ | upper) == errno.EPERM


def test_other_requests_to_a_device_are_let_through(both: tuple[bytes, bytes]) -> None:
    assert verdict(both, "ioctl", 0, 0x5401) == 0


FAMILIES = {(1, 0), (2, 0), (2, 6), (2, 17), (10, 0), (10, 6), (10, 17), (16, 0)}


def test_only_the_named_families_and_protocols_make_sockets(both: tuple[bytes, bytes]) -> None:
    made = {
        (family, protocol)
        for family in range(64)
        for protocol in [*range(40), 132, 255, 262]
        if verdict(both, "socket", family, 1, protocol) == 0
    }
    assert {pair for pair in made if pair[0] != 1} == FAMILIES - {(1, 0)}
    assert (1, 0) in made
    assert all(verdict(both, "socket", family | 1 << 32, 1, 0) for family in range(64))
    assert all(verdict(both, "socket", 2, 1, protocol | 1 << 32) for protocol in range(300))


def test_pairs_of_sockets_are_unix_alone(both: tuple[bytes, bytes]) -> None:
    assert [family for family in range(64) if verdict(both, "socketpair", family, 1, 0) == 0] == [1]


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("chmod", (0, 0o4755)),
        ("fchmod", (0, 0o2755)),
        ("fchmodat", (0, 0, 0o6755)),
        ("open", (0, 0o101, 0o4755)),
        ("openat", (0, 0, 0o101, 0o4755)),
        ("creat", (0, 0o4755)),
        ("mknod", (0, 0o104755)),
        ("mknodat", (0, 0, 0o104755)),
    ],
)
def test_no_file_gets_the_set_id_bits(both: tuple[bytes, bytes], call: str, arguments: tuple[int, ...]) -> None:
    if exists(call):
        assert verdict(both, call, *arguments) == errno.EPERM


def test_opening_a_file_that_exists_ignores_the_mode(both: tuple[bytes, bytes]) -> None:
    assert verdict(both, "openat", 0, 0, 0, 0o4755) == 0


@pytest.mark.parametrize("flag", [0o101, 0o20200002], ids=["O_CREAT", "O_TMPFILE"])
def test_no_new_file_has_the_set_id_bits_named_or_not(both: tuple[bytes, bytes], flag: int) -> None:
    """O_TMPFILE makes a file without a name, which ``linkat`` can name afterwards: it passed before."""
    assert verdict(both, "openat", 0, 0, flag, 0o4755) == errno.EPERM
    assert verdict(both, "openat", 0, 0, flag, 0o0755) == 0


@pytest.mark.parametrize("call", syscalls.PRETENDED.split())
def test_a_pretended_call_succeeds_and_reaches_nothing(three: tuple[bytes, bytes, bytes], call: str) -> None:
    number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, call)
    assert decide(three[0], number, (1, 2, 3), pyseccomp.system_arch()) == ERROR


def test_a_close_that_waits_is_pretended(three: tuple[bytes, bytes, bytes]) -> None:
    """SO_LINGER is the socket's, whoever closes it: a server held its gate up by connections that it handed over."""
    number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, "setsockopt")
    assert ERROR in [decide(program, number, (3, 1, 13 | 1 << 32), pyseccomp.system_arch()) for program in three[:2]]
    assert ERROR not in [decide(program, number, (3, 1, 14), pyseccomp.system_arch()) for program in three]


@pytest.mark.parametrize("command", [6, 7, 37, 38])
def test_of_fcntls_commands_only_locks_are_pretended(three: tuple[bytes, bytes, bytes], command: int) -> None:
    """Locks by fcntl are pretended, and other commands of it are not."""
    number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, "fcntl")
    assert decide(three[1], number, (1, command | 1 << 32, 3), pyseccomp.system_arch()) == ERROR
    assert decide(three[1], number, (1, 3), pyseccomp.system_arch()) == ALLOW


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("fcntl", (0, 1024)),  # F_SETLEASE
        ("fcntl", (0, 1026)),  # F_NOTIFY
        ("fcntl", (0, 1036)),  # F_SET_RW_HINT
        ("madvise", (0, 0, 12)),  # MADV_MERGEABLE
        ("madvise", (0, 0, 21)),  # MADV_PAGEOUT
        ("madvise", (0, 0, 1 << 32 | 20)),  # MADV_COLD
        ("timer_create", (2,)),  # CLOCK_PROCESS_CPUTIME_ID
        ("timer_create", (2**64 - 6,)),  # the clock of another process
        ("clock_nanosleep", (2,)),
        ("membarrier", (1,)),
        ("futex", (0, 6)),
        ("futex", (0, 6 | 128)),
        ("futex", (0, 11 | 128 | 256)),
        ("preadv2", ()),
        ("pwritev2", ()),
        ("mincore", ()),
        ("cachestat", ()),
        ("inotify_init1", ()),
        ("inotify_add_watch", ()),
        ("sysinfo", ()),
        ("statfs", ()),
        ("fstatfs", ()),
        ("splice", ()),
        ("vmsplice", ()),
        ("tee", ()),
    ],
)
def test_what_tells_of_machine_or_shared_pages_does_not_exist(both: tuple[bytes, bytes], call: str, arguments: tuple[int, ...]) -> None:
    """What tells of the machine or of shared pages does not exist."""
    assert verdict(both, call, *arguments) == errno.ENOSYS


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("futex", (0, 0 | 128)),
        ("futex", (0, 1)),
        ("futex", (0, 9 | 128 | 256)),
        ("madvise", (0, 0, 4)),
        ("timer_create", (1,)),
        ("prctl", (15,)),
        ("fcntl", (0, 1030)),
        ("setsockopt", (3, 1, 2)),
        ("getsockopt", (3, 1, 4)),
    ],
)
def test_what_python_needs_of_a_narrowed_call_is_let_through(both: tuple[bytes, bytes], call: str, arguments: tuple[int, ...]) -> None:
    assert verdict(both, call, *arguments) == 0


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("setsockopt", (3, 6, 31)),
        ("setsockopt", (3, 1 | 1 << 32, 26)),
        ("getsockopt", (3, 1, 57)),
        ("prctl", (62,)),
        ("prctl", (67,)),
        ("sched_setaffinity", (0,)),
        ("ioprio_set", (0,)),
    ],
)
def test_settings_that_reach_beyond_the_sandbox_are_refused(both: tuple[bytes, bytes], call: str, arguments: tuple[int, ...]) -> None:
    assert verdict(both, call, *arguments) == errno.EPERM


@pytest.mark.parametrize("family", [2, 10, 16, 1 << 32 | 2])
def test_without_a_loopback_there_are_unix_sockets_alone(three: tuple[bytes, bytes, bytes], family: int) -> None:
    assert verdict(three, "socket", family, 1, 0) == errno.EAFNOSUPPORT
    assert verdict(three, "socket", 1, 1, 0) == 0


@pytest.mark.parametrize("arch", [0x40000003, 0xC00000B7, 0x4000003E, 0])
def test_calls_by_the_numbers_of_another_architecture_kill(both: tuple[bytes, bytes], arch: int) -> None:
    if arch != pyseccomp.system_arch():
        assert verdict(both, 39, arch=arch) == -1


def test_compiled_filters_are_kept_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, three: tuple[bytes, bytes, bytes]
) -> None:
    assert seccomp.programs(tmp_path / "cache") == three
    monkeypatch.setattr(seccomp, "compiled", lambda: pytest.fail("compiled again"))
    assert seccomp.programs(tmp_path / "cache") == three


@pytest.mark.parametrize(
    "damage",
    [lambda c: b"", lambda c: c[:-8], lambda c: c[:100], lambda c: c[:60] + b"\0" + c[61:], lambda c: b"x" + c, lambda c: c + b"\0" * 8],
)
def test_a_damaged_cache_is_compiled_anew(tmp_path: Path, three: tuple[bytes, bytes, bytes], damage: object) -> None:
    seccomp.programs(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert seccomp.programs(tmp_path) == three


def test_a_cache_that_permits_everything_is_not_taken(tmp_path: Path, three: tuple[bytes, bytes, bytes]) -> None:
    """One instruction, ``return ALLOW``, with a digest that fits: too short for a real filter."""
    seccomp.programs(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(seccomp.pack((struct.pack("<HBBI", 6, 0, 0, ALLOW),) * 3))
    assert seccomp.programs(tmp_path) == three


def test_a_cache_that_others_may_write_or_a_link_is_not_read(tmp_path: Path) -> None:
    """A cache that others may write, or that is a link, is not read."""
    seccomp.programs(tmp_path)
    (file,) = tmp_path.iterdir()
    file.chmod(0o666)
    assert seccomp.read(file) is None
    file.chmod(0o600)
    (tmp_path / "link").symlink_to(file)
    assert seccomp.read(tmp_path / "link") is None
    assert seccomp.read(file) is not None


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(three: tuple[bytes, bytes, bytes]) -> None:
    assert seccomp.programs(Path("/proc/nowhere")) == three


def test_without_libseccomp_and_without_a_cache_no_kernel_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyseccomp", None)
    with pytest.raises(seccomp.SandboxUnavailable, match="libseccomp2"):
        seccomp.programs(tmp_path)


def test_descriptors_hold_the_programs_from_their_start(tmp_path: Path, three: tuple[bytes, bytes, bytes]) -> None:
    descriptors = seccomp.descriptors(cache=tmp_path)
    try:
        assert tuple(os.read(descriptor, 2**20) for descriptor in descriptors) == three
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
