"""Cells that try to get out of a real kernel's sandbox, to other data, to the host, or to more than their share of the machine."""

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from redteam.sandbox_client import Client, running
from twinpane_sandbox.launch import children
from twinpane_sandbox.limits import MIB, Limits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("e")
    (base / "data").mkdir()
    (base / "data" / "person.csv").write_text("person_id\n1\n")
    (base / "secret.txt").write_text("the host's")
    return base


@pytest.fixture(scope="module")
def client(base: Path) -> Iterator[Client]:
    with running(base) as client:
        client.run(
            "import ctypes, os, socket, subprocess, sys, pathlib\n"
            "libc = ctypes.CDLL(None, use_errno=True)\n"
            "def call(*args):\n"
            "    ctypes.set_errno(0)\n"
            "    got = libc.syscall(*[ctypes.c_long(a) for a in args])\n"
            "    return ('ok', got) if got != -1 else ('errno', ctypes.get_errno())\n"
        )
        yield client


@pytest.mark.parametrize(
    "path", ["/etc/shadow", "/root/.bashrc", "/root/.ssh", "/home", "/var/log", "/sys/class", "/proc/1/root/etc/shadow", "/proc/kcore"]
)
def test_a_cell_reads_nothing_of_the_host(client: Client, path: str) -> None:
    code = f"import os\np = {path!r}\nos.listdir(p) if os.path.isdir(p) else print(len(open(p, 'rb').read(10)))"
    done = client.run(code)
    assert done["error"] in ("FileNotFoundError", "PermissionError", "OSError") or done["text"].strip() == "0"


def test_a_cell_sees_no_repository_and_no_folder_beside_its_own(client: Client, base: Path) -> None:
    """A cell sees neither the repository nor the folders beside its own."""
    repository = Path(__file__).parent.parent.parent
    seen = client.run(
        f"print([p for p in {[str(repository / 'pyproject.toml'), str(base), str(base / 'secret.txt')]!r} if os.path.lexists(p)])"
    )
    assert seen["text"].strip() == "[]"


def test_a_cell_sees_no_process_but_its_own(client: Client) -> None:
    assert client.run("print(sorted(int(n) for n in os.listdir('/proc') if n.isdigit()))")["text"].strip() == "[1, 2]"


def test_a_cell_cannot_read_the_memory_of_init(client: Client) -> None:
    assert client.run("open('/proc/1/mem', 'r+b')")["error"] is not None


def test_a_cell_cannot_signal_the_host(client: Client) -> None:
    assert client.run(f"os.kill({os.getpid()}, 0)")["error"] in ("ProcessLookupError", "PermissionError")


def test_a_cell_reaches_no_network_and_no_socket_of_the_host(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0twinpane-test")
        abstract.listen()
        code = (
            "def reach(family, address):\n"
            "    try:\n"
            "        with socket.socket(family) as s:\n"
            "            s.settimeout(2)\n"
            "            s.connect(address)\n"
            "            return 'reached'\n"
            "    except OSError as e:\n"
            "        return type(e).__name__\n"
            f"print(reach(socket.AF_INET, ('127.0.0.1', {server.getsockname()[1]})), reach(socket.AF_INET, ('1.1.1.1', 53)),"
            " reach(socket.AF_UNIX, '\\0twinpane-test'), reach(socket.AF_UNIX, '/run/docker.sock'))"
        )
        assert "reached" not in client.run(code)["text"]


def test_names_are_not_resolved(client: Client) -> None:
    assert client.run("socket.getaddrinfo('example.org', 443)")["error"] == "gaierror"


@pytest.mark.parametrize(
    "path",
    [
        "/x",
        "/etc/x",
        "/etc/passwd",
        "/usr/x",
        "/data/x",
        "/data/person.csv",
        "/run/x",
        "/run/twinpane/x",
        "/dev/x",
        "/home/x",
        "/proc/sys/kernel/core_pattern",
        "/proc/self/oom_score_adj",
        sys.prefix + "/x",
    ],
)
def test_a_cell_writes_nowhere_but_its_own_folders(client: Client, path: str) -> None:
    assert client.run(f"open({path!r}, 'a').write('x')")["error"] in ("OSError", "PermissionError", "FileNotFoundError")


def test_a_cell_writes_to_the_project_and_to_tmp(client: Client, base: Path) -> None:
    assert (
        client.run("open('/project/made', 'w').write('x'); open('/tmp/made', 'w').write('x'); open('/dev/shm/made', 'w').write('x')")[
            "error"
        ]
        is None
    )
    assert (base / "project" / "made").read_text() == "x"


def test_a_socket_of_the_host_cannot_be_replaced_by_a_link(client: Client, base: Path) -> None:
    """The host connects to these paths: a kernel that could swap one for a link would choose whom the host talks to."""
    for path in ("kernel-1", "calls.sock", "other"):
        assert client.run(f"os.symlink('/run/docker.sock', '/run/twinpane/{path}')")["error"] is not None
        assert client.run(f"os.rename('/tmp/made', '/run/twinpane/{path}')")["error"] is not None
    assert client.run("os.unlink('/run/twinpane/kernel-1')")["error"] is not None
    assert (base / "k" / "kernel-1").is_socket()


CALLS = {
    "a user namespace by unshare": "call(272, 0x10000000)",
    "a mount namespace by unshare": "call(272, 0x20000)",
    "a user namespace by clone": "call(56, 0x10000000 | 17, 0, 0, 0, 0)",
    "a user namespace by clone with upper bits": "call(56, (1 << 40) | 0x10000000 | 17, 0, 0, 0, 0)",
    "clone3": "call(435, 0, 88)",
    "ptrace": "call(101, 0, 0, 0, 0)",
    "process_vm_readv of init": "call(310, 1, 0, 0, 0, 0, 0)",
    "pidfd_getfd": "call(438, 0, 0, 0)",
    "keyctl": "call(250, 0, -3, 0, 0, 0)",
    "add_key": "call(248, 0, 0, 0, 0, 0)",
    "mount": "call(165, 0, 0, 0, 0, 0)",
    "pivot_root": "call(155, 0, 0)",
    "chroot": "call(161, 0)",
    "open_tree": "call(428, -1, 0, 0)",
    "bpf": "call(321, 0, 0, 0)",
    "io_uring_setup": "call(425, 8, 0)",
    "userfaultfd": "call(323, 0)",
    "perf_event_open": "call(298, 0, 0, -1, -1, 0)",
    "TIOCSTI": "call(16, 0, 0x5412, 0)",
    "TIOCSTI with upper bits": "call(16, 0, 0x700005412, 0)",
    "open_by_handle_at": "call(304, 0, 0, 0)",
    "a netlink socket for uevents": "call(41, 16, 3, 15)",
    "a packet socket": "call(41, 17, 3, 0)",
    "a vsock": "call(41, 40, 1, 0)",
    "a crypto socket": "call(41, 38, 5, 0)",
    "a socket family with upper bits": "call(41, (1 << 33) | 38, 5, 0)",
    "SCTP": "call(41, 2, 1, 132)",
    "a program with the set-user-id bit": "(open('/project/suid', 'w').close(), os.chmod('/project/suid', 0o4755))",
    "a file made with the set-user-id bit": "os.close(os.open('/project/suid2', os.O_CREAT | os.O_WRONLY, 0o4755))",
    "a file without a name with the set-user-id bit": "os.close(os.open('/project', os.O_TMPFILE | os.O_WRONLY, 0o4755))",
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="needs x86_64: numbers of system calls")
@pytest.mark.parametrize("name", CALLS)
def test_a_refused_system_call_answers_an_error(client: Client, name: str) -> None:
    done = client.run(CALLS[name])
    assert done["error"] in ("PermissionError", "OSError") or done["result"].startswith("('errno', "), done


def test_a_kernel_inherits_nothing_but_its_own_sockets_and_pipes(tmp_path: Path) -> None:
    """Neither the filters' descriptors nor anything that the host has open."""
    with (tmp_path / "open at the host").open("w") as held, running(tmp_path) as client:
        os.set_inheritable(held.fileno(), True)
        code = (
            "import os\n"
            "for name in os.listdir('/proc/self/fd'):\n"
            "    try: print(os.readlink(f'/proc/self/fd/{name}').partition('[')[0])\n"
            "    except OSError: pass\n"
        )
        kinds = set(client.run(code)["text"].split())
    assert kinds <= {"/dev/null", "pipe:", "socket:", "anon_inode:"}


def test_a_child_process_is_boxed_in_as_well(client: Client) -> None:
    script = "cat /etc/shadow; unshare -U true; echo x > /x; ls /root/.ssh"
    code = f"print(subprocess.run(['/bin/sh', '-c', {script!r}], capture_output=True).stdout)"
    assert client.run(code)["text"].strip() == "b''"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="needs x86_64: machine code")
@pytest.mark.parametrize("code", ["b814000000cd80c3", "b8270000400f05c3"], ids=["int 0x80", "x32"])
def test_system_calls_by_other_numbers_kill_their_process(client: Client, code: str) -> None:
    """System calls by other numbers kill the process that makes them.

    getpid() by the numbers of i386 and of x32: a filter for the machine's own numbers alone would let them through.
    """
    program = (
        "import mmap\n"
        "child = '''import mmap, ctypes\\n"
        "m = mmap.mmap(-1, 4096, prot=7)\\n"
        'm.write(bytes.fromhex("CODE"))\\n'
        "f = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))\\n"
        "print(f())'''\n"
        "done = subprocess.run([sys.executable, '-c', child], capture_output=True, text=True)\n"
        "print(done.returncode, done.stdout)"
    ).replace("CODE", code)
    said = client.run(program)["text"].split()
    assert int(said[0]) < 0
    assert len(said) == 1


def test_the_environment_holds_nothing_of_the_host(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        client.run("print([n for n in os.environ if 'TOKEN' in n or 'JUPYTERHUB' in n or n == 'JPY_PARENT_PID'])")["text"].strip() == "[]"
    )
    assert client.run("print(open('/proc/1/environ').read())")["text"].strip() == ""


def test_a_secret_of_the_hosts_environment_does_not_get_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "very secret")
    with running(tmp_path) as client:
        done = client.run("import os, glob\nprint(dict(os.environ), [open(p, 'rb').read() for p in glob.glob('/proc/[0-9]*/environ')])")
        assert "very secret" not in done["text"]
        assert done["error"] is None


def test_what_a_kernel_writes_to_stdout_stays_with_the_host(base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What a kernel writes to its own stdout stays with the host."""
    with running(tmp_path) as client:
        client.run(
            "import os, sys\nos.write(1, b'row 4711\\n'); sys.__stdout__.write('row 4712\\n'); sys.__stdout__.flush()\n"
            "os.system('echo row 4713')"
        )
        client.run("import ctypes; ctypes.CDLL(None).puts(b'row 4714'); ctypes.CDLL(None).fflush(None)")
        assert len(client.kernel.said()) <= 256 * 1024
    assert "row 47" not in "".join(capfd.readouterr())


def test_a_stdout_flood_neither_blocks_a_kernel_nor_fills_a_host(tmp_path: Path) -> None:
    """A flood on stdout neither blocks the kernel nor fills the host."""
    with running(tmp_path) as client:
        code = "import sys, os\nfor _ in range(2000): os.write(getattr(sys.stdout, '_original_stdstream_copy', 2), b'x' * 65536)"
        assert client.run(code)["error"] is None
        assert len(client.kernel.said()) <= 256 * 1024


def test_a_fork_bomb_ends_at_the_limit(tmp_path: Path) -> None:
    limits = Limits(processes=64)
    with running(tmp_path, limits=limits) as client:
        code = (
            "import os, time\n"
            "made = 0\n"
            "try:\n"
            "    while made < 400:\n"
            "        if os.fork() == 0:\n"
            "            time.sleep(30); os._exit(0)\n"
            "        made += 1\n"
            "except OSError as e:\n"
            "    print('stopped', made)\n"
        )
        done = client.run(code)
        if os.geteuid() == 0 and not any("pids" in str(folder) or "unified" in str(folder) for folder in client.kernel.group.folders):
            pytest.skip("needs control groups: root's processes are not limited")
        assert "stopped" in done["text"]
        assert int(done["text"].split()[1]) < 64


def test_a_cell_that_takes_too_much_memory_fails_alone(tmp_path: Path) -> None:
    with running(tmp_path, limits=Limits(memory=256 * MIB)) as client:
        held = bool(client.kernel.group.folders)
        msg_id = client.request("b = bytearray(3 * 2**30); print(len(b))")
        end = time.monotonic() + 20
        failed = False
        while not failed and time.monotonic() < end:
            if client.kernel.poll() is not None:
                failed = True
            elif client.sockets["iopub"].poll(100):
                message = client.receive("iopub")
                failed = message is not None and message.parent_msg_id == msg_id and message.msg_type == "error"
        assert failed, "held by a group" if held else "held by resource limits"


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, limits=Limits(file_size=MIB)) as client:
        assert (
            client.run("import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); open('/project/big', 'wb').write(b'x' * 2**21)")[
                "error"
            ]
            == "OSError"
        )
        assert (tmp_path / "project" / "big").stat().st_size <= MIB


def test_tmp_is_no_larger_than_its_limit(tmp_path: Path) -> None:
    with running(tmp_path, limits=Limits(tmp=4 * MIB, shm=4 * MIB)) as client:
        assert client.run("open('/tmp/big', 'wb').write(b'x' * 2**23)")["error"] == "OSError"
        assert client.run("open('/dev/shm/big', 'wb').write(b'x' * 2**23)")["error"] == "OSError"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
def test_a_kernel_stays_off_the_processor_that_is_kept_free(tmp_path: Path) -> None:
    """With a processor of its own the agent answers at times that no kernel can stretch."""
    free = min(os.sched_getaffinity(0))
    with running(tmp_path, limits=Limits(spare_processor=True)) as client:
        code = f"import os\nprint(os.sched_getaffinity(0) == {os.sched_getaffinity(0) - {free}!r})\nos.sched_setaffinity(0, {{{free}}})"
        done = client.run(code)
        assert done["text"] == "True\n"
        assert done["error"] == "PermissionError"


def test_limits_cannot_be_raised_from_within(client: Client) -> None:
    code = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (10**6, 10**6))"
    assert client.run(code)["error"] in ("ValueError", "PermissionError", "OSError")


def processes(private: Path) -> list[int]:
    """Processes of this machine whose command line names the private folder."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as file:
                if os.fsencode(private) in file.read():
                    found.append(int(name))
    return found


def of_user(owner: int) -> list[int]:
    """Processes of a user other than root."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if owner and name.isdigit() and os.stat(f"/proc/{name}").st_uid == owner:
                found.append(int(name))
    return found


def descendants(pid: int) -> set[int]:
    """The process and all below it."""
    found, todo = set(), [pid]
    while todo:
        current = todo.pop()
        found.add(current)
        for task in Path(f"/proc/{current}/task").glob("*/children"):
            todo += [int(word) for word in task.read_text().split()]
    return found


def alive(pid: int) -> bool:
    """Whether it still runs. A zombie counts as gone: an earlier test may have made us the parent of orphans."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pids: set[int], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_killing_a_kernel_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    with running(tmp_path) as client:
        client.run("import subprocess\nfor _ in range(3): subprocess.Popen(['setsid', 'sleep', '300'], start_new_session=True)")
        pids = descendants(client.kernel.process.pid)
        assert len(pids) >= 6
        first = children(client.kernel.process.pid)
        client.kernel.kill()
        assert client.kernel.poll() is not None
        assert gone(pids)
        # Not even as a zombie: nobody but bubblewrap reaps the sandbox's first process, and it was killed before it could.
        assert first
        assert not [pid for pid in first if Path(f"/proc/{pid}").exists()]
        folders = client.kernel.group.folders
    assert not (tmp_path / "k").exists()
    assert not any(folder.exists() for folder in folders)


START = """
import pathlib, sys, time
from twinpane_sandbox.bubblewrap import Sandbox
from twinpane_sandbox.launch import launch
base = pathlib.Path(sys.argv[1])
print("begins", flush=True)
kernel = launch(Sandbox(data=base / 'data', project=base / 'project', private=base / 'k', seed=1, owner=int(sys.argv[2])))
print(kernel.process.pid, flush=True)
time.sleep(300)
"""


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name in ("data", "project"):
        (tmp_path / name).mkdir()
    return tmp_path


NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it gives kernels users of their own")
OWNERS = pytest.mark.parametrize("owner", [0, pytest.param(1_901_111_111, marks=NEEDS_ROOT)], ids=["our user", "a user of its own"])


@OWNERS
def test_a_kernel_dies_with_the_process_that_started_it(folders: Path, owner: int) -> None:
    with subprocess.Popen([sys.executable, "-c", START, str(folders), str(owner)], stdout=subprocess.PIPE, text=True) as parent:
        parent.stdout.readline()
        pid = int(parent.stdout.readline())
        time.sleep(1)
        pids = descendants(pid)
        parent.kill()
    assert len(pids) >= 2
    assert gone(pids)


@OWNERS
def test_a_host_killed_at_any_moment_of_a_start_leaves_no_orphan(folders: Path, owner: int) -> None:
    """No moment of a start leaves an orphan when the host is killed.

    3 of 8 kernels lived on, with the real rows, where the agent was killed while they started.
    """
    moments = random.Random(7)
    for _ in range(40):
        with subprocess.Popen([sys.executable, "-c", START, str(folders), str(owner)], stdout=subprocess.PIPE, text=True) as parent:
            parent.stdout.readline()
            time.sleep(moments.uniform(0, 0.12))
            parent.kill()
        # A child that was just starting may still become bubblewrap and Python. It must notice by itself, and end.
        end = time.monotonic() + 60
        while (left := [pid for pid in (*processes(folders), *of_user(owner)) if alive(pid)]) and time.monotonic() < end:
            time.sleep(0.02)
        assert not left
