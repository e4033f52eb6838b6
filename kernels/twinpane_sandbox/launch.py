"""Start a kernel in the sandbox and hold its process. Imports nothing heavy: a pane calls this before anything else.

The host makes the kernel's five listening sockets itself, in a private folder, and the kernel inherits their descriptors. So a client can
connect before the kernel is up, and the kernel never writes to a folder whose paths the host opens: it could put a link to another
socket of the host there.
"""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from . import bubblewrap, cgroups, leftovers, seccomp
from .bubblewrap import PRIVATE, Sandbox
from .cgroups import Group
from .errors import SandboxError
from .fork_exec import ChildSetup, spawn
from .host import Host, survey
from .limits import Limits, rlimits
from .poll import readable

PORTS = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5}
"""Numbers of the five sockets: ``ipc://<ip>-<number>``."""
Connection = Mapping[str, str | int]
"""What a Jupyter connection file says: transport, ip, the five ports, key, signature scheme, kernel name."""
LONGEST_PATH = 107
"""Bytes that fit into a unix socket's address on Linux."""
BURIAL_S = 2.0
"""Seconds that bubblewrap has to end once the sandbox's first process was killed."""
GONE_S = 18.0
"""Seconds that a killed sandbox's processes may take to be gone."""
SAID_KEPT = 256 * 1024
"""Bytes of the kernel's stdout and stderr that are kept."""


class KernelProcess:
    """A kernel in its sandbox. ``process`` is bubblewrap's Popen; ``connection`` is what a Jupyter connection file says, for the host.

    ``drained``: this process reads what the kernel writes to its own stdout and stderr; else somebody else does (``process.stdout``).
    """

    def __init__(
        self, process: "subprocess.Popen[bytes]", connection: Connection, private: Path, group: Group, life: int,
        drained: bool = True,
    ) -> None:  # fmt: skip
        self.process = process
        self._life = life
        self.connection = connection
        self.private = private
        self.group = group
        self.closed: Callable[[], None] | None = None
        """Called once, when the kernel has been closed."""
        self._said: deque[bytes] = deque()
        self._said_bytes = 0
        self.outlived = False
        """Whether something in the sandbox lives on although it was killed: it waits in the machine's kernel, for a disk above all."""
        self._drain = threading.Thread(target=self._read, name="kernel output", daemon=True)
        if drained:
            self._drain.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while chunk := os.read(self.process.stdout.fileno(), 65536):
            self._said.append(chunk)
            self._said_bytes += len(chunk)
            while self._said_bytes > SAID_KEPT and len(self._said) > 1:
                self._said_bytes -= len(self._said.popleft())

    def said(self) -> bytes:
        """The end of what the kernel wrote to its own stdout and stderr. It may hold anything: for the site's eyes only."""
        return b"".join(tuple(self._said))[-SAID_KEPT:]

    def poll(self) -> int | None:
        """None while it runs, else its exit status."""
        return self.process.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises subprocess.TimeoutExpired."""
        return self.process.wait(timeout)

    def kill(self) -> None:
        """End the kernel and everything it started, at once; returns when the last of them is gone (see ``outlived``)."""
        self.outlived |= not end(self.process)

    def close(self) -> None:
        """Kill what still runs and remove the private folder."""
        self.kill()
        if self._drain.ident is not None:
            self._drain.join(timeout=5)
        if self.process.stdout is not None and not self._drain.is_alive():
            self.process.stdout.close()
        if self._life >= 0:
            os.close(self._life)
            self._life = -1
        self.group.remove()
        remove(self.private)
        if self.closed is not None:
            act, self.closed = self.closed, None
            act()


def launch(sandbox: Sandbox, host: Host | None = None, key: str | None = None, session: str = "", drained: bool = True) -> KernelProcess:
    """Start a kernel. Returns at once; the sockets of ``connection`` take connections from then on.

    ``key`` signs the kernel's messages (a new one where none is given): the pane shares one with its clients, so that it can pass
    frames on unchanged. ``session`` is the session id of the kernel's messages (a new one where none is given): the pane uses the
    same one, see `twinpane_kernel.relay`. ``drained``: see `KernelProcess`.

    Call it from a thread that lives as long as the kernel shall (the main thread): the sandbox dies with the thread that started it.
    Raises SandboxUnavailable where this machine has no sandbox (ask ``check`` for the reason when the process ends at once), and
    SandboxError where this sandbox would not hold.
    """
    host = host or survey()
    bubblewrap.check_folders(sandbox, host)
    prepare(sandbox.private)
    key = os.urandom(32).hex() if key is None else key
    inside = connection_info(f"{PRIVATE}/kernel", key)
    listeners = {name: listen(Path(f"{sandbox.private}/kernel-{number}")) for name, number in PORTS.items()}
    filters: list[int] = []
    life, ours = os.pipe()
    sockets = {name: listener.fileno() for name, listener in listeners.items()}
    try:
        filters = seccomp.descriptors(sandbox.loopback)
        write_private(sandbox.private / "kernel.json", json.dumps(inside).encode())
        share(sandbox.owner, sandbox.private, *sandbox.private.iterdir())
        settings = {
            "connection": f"{PRIVATE}/kernel.json",
            "sockets": sockets,
            "seed": sandbox.seed,
            "session": session,
            "rlimits": rlimits(sandbox.limits),
            "memory": sandbox.limits.memory,
            "life": life,
        }
        command = [str(host.executable), "-P", "-s", "-m", "twinpane_sandbox.kernel_main", json.dumps(settings)]
        seen = bubblewrap.views_of(sandbox, host)
        line = bubblewrap.arguments(sandbox, host, command, seccomp=filters, seen=seen)
        group = cgroups.make(sandbox.limits, f"twinpane-{os.getpid()}-{os.urandom(4).hex()}")
        setup = ChildSetup(seen, group.folders, processors(sandbox.limits), ties_itself=True, owner=sandbox.owner)
        try:
            process = spawn(line, setup, [*filters, *sockets.values(), life])
        except (OSError, SandboxError):
            group.remove()
            raise
    except BaseException:
        os.close(ours)
        raise
    finally:
        for descriptor in (*filters, life):
            os.close(descriptor)
        for listener in listeners.values():
            listener.close()
    leftovers.sign(sandbox.private, process.pid, group.folders)
    return KernelProcess(process, connection_info(f"{sandbox.private}/kernel", key), sandbox.private, group, ours, drained)


def processors(limits: Limits) -> frozenset[int]:
    """The processors that a kernel may use: all that we may, or all but the first where one is to be kept free and there are others."""
    ours = sorted(os.sched_getaffinity(0))
    return frozenset(ours[1:] if limits.spare_processor and len(ours) > 1 else ours)


def end(process: "subprocess.Popen[bytes]") -> bool:
    """Kill bubblewrap and everything in its sandbox; returns whether the last of them is gone."""
    first: list[int] = []
    if process.poll() is None:
        # The sandbox dies with bubblewrap only once it has asked for that: one that is just starting would be left behind.
        # So its first process is killed too. Bubblewrap is stopped first, so that it cannot start another meanwhile.
        process.send_signal(signal.SIGSTOP)
        wait_until_still(process.pid)
        first = [known for child in children(process.pid) if (known := open_process(child)) is not None]
        for child in first:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(child, signal.SIGKILL)
        if first:
            # Bubblewrap ends by itself when its child has ended. Let it: nobody else would reap the child.
            process.send_signal(signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(BURIAL_S)
        process.kill()
    process.wait()
    left = [child for child in first if not gone(child, GONE_S)]  # a list, so that every descriptor is closed
    return not left


def open_process(pid: int) -> int | None:
    """A descriptor of a process that runs; None where it is gone."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def gone(process: int, seconds: float) -> bool:
    """Wait for a process's end and close its descriptor. The first process of a namespace ends after all others in it."""
    try:
        return readable(process, seconds)
    finally:
        os.close(process)


def children(pid: int) -> list[int]:
    """The processes that this one started and that still run."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def wait_until_still(pid: int, seconds: float = 0.2) -> None:
    """Wait until a process that was told to stop has stopped, or is gone."""
    end = time.monotonic() + seconds
    with contextlib.suppress(OSError):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "TtZX" and time.monotonic() < end:
            time.sleep(0.0005)


def connection_info(ip: str, key: str) -> Connection:
    """What a Jupyter connection file says, for sockets whose paths begin with ``ip``."""
    return {"transport": "ipc", "ip": ip, **PORTS, "key": key, "signature_scheme": "hmac-sha256", "kernel_name": "twinpane"}


def prepare(private: Path) -> None:
    """Make the private folder, or take one that is ours alone; raises SandboxError for any other."""
    if len(os.fsencode(private)) + len("/calls.sock") > LONGEST_PATH:
        raise SandboxError(f"the private folder's path {private} is too long for sockets: at most {LONGEST_PATH - 11} bytes")
    try:
        os.mkdir(private, 0o700)
    except FileExistsError:
        status = os.lstat(private)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise SandboxError(f"the private folder {private} is not a folder of mode 0700 that belongs to this user") from None


def remove(private: Path) -> None:
    """Remove the private folder with its sockets. The kernel could not write there, so it holds only what the host made."""
    try:
        for entry in os.scandir(private):
            os.unlink(entry.path)
        os.rmdir(private)
    except FileNotFoundError:
        return


def listen(path: Path) -> socket.socket:
    """A unix socket that listens at the path; what an earlier kernel left there is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(128)
    return listener


def share(owner: int, *paths: Path) -> None:
    """Give that user our own rights to these files, through the group of the same number; 0: give nobody any. Raises OSError.

    They stay ours, and lie in a folder that nobody else can write.
    """
    for path in paths if owner else ():
        mode = stat.S_IMODE(os.lstat(path).st_mode)
        os.chown(path, -1, owner, follow_symlinks=False)
        os.chmod(path, mode | (mode & 0o700) >> 3)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only this user can read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
