"""Kernels that the gate starts for a server's panes: where it says, as many as it says, and never longer than the pane."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from redteam.sandbox_client import Client
from twinpane_kernel.gate import kernel_launcher
from twinpane_kernel.gate.acceptor import SO_PASSRIGHTS
from twinpane_kernel.gate.kernel_launcher import Launcher, Places
from twinpane_kernel.gate_kernel import GateKernel
from twinpane_sandbox.errors import SandboxError
from twinpane_sandbox.host import survey

pytestmark = pytest.mark.slow

SESSION = "0" * 32
MOST = 2


@dataclass(frozen=True)
class Gate:
    """A launcher that serves in a loop of its own, and what a pane sees of it."""

    base: Path
    launcher: Path

    def start(self, cwd: str = "") -> GateKernel:
        return GateKernel.start(self.launcher, cwd, 7, "key", SESSION)

    def says(self, *frames: bytes) -> list[dict[str, Any]]:
        """The gate's answers to frames of one connection, until it ends it or has answered them all."""
        found = []
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as pane, contextlib.suppress(ConnectionError):
            pane.settimeout(20)
            pane.connect(str(self.launcher))
            for frame in frames:
                pane.send(frame)
                if not (answer := pane.recv(65536)):
                    break
                found.append(json.loads(answer))
        return found


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """The main thread starts the kernels, as in the gate itself; the tests are the panes."""
    for name in ("workspace/notebooks", "server/cache/twins", "s", "d"):
        (tmp_path / name).mkdir(parents=True)
    ready, loop = threading.Event(), asyncio.new_event_loop()
    running: list[asyncio.Task[None]] = []

    async def serve() -> None:
        places = Places(tmp_path / "workspace", tmp_path / "server", tmp_path / "s", tmp_path / "d")
        running.append(asyncio.create_task(Launcher(places, survey(), MOST).run()))
        ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await running[0]

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(20)
    try:
        yield Gate(tmp_path, tmp_path / "s" / "launcher")
    finally:
        loop.call_soon_threadsafe(running[0].cancel)
        thread.join(30)
        loop.close()


@contextlib.contextmanager
def client(kernel: GateKernel) -> Iterator[Client]:
    found = Client(kernel)  # type: ignore[arg-type]
    try:
        yield found
    finally:
        found.close()


def gone(folder: Path, seconds: float = 20) -> bool:
    """Whether a folder is empty but for the launcher, now or soon."""
    end = time.monotonic() + seconds
    while [path for path in folder.iterdir() if path.name != "launcher"]:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def ended(kernel: GateKernel, seconds: float = 20) -> bool:
    """Whether the gate told that the kernel ended."""
    end = time.monotonic() + seconds
    while kernel.poll() is None:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_a_kernel_runs_in_the_workspace_with_the_twin_before_it(gate: Gate) -> None:
    twin = gate.base / "server" / "cache" / "twins" / ("a" * 32)
    twin.mkdir()
    (twin / "person.parquet").write_text("rows")
    kernel = gate.start("notebooks")
    try:
        kernel.lay(twin)
        with client(kernel) as cells:
            found = cells.run("import os; print(os.getcwd(), os.listdir('/data'), open('/data/person.parquet').read())")["text"]
            assert found.split("\n")[0] == "/project/notebooks ['person.parquet'] rows"
            assert cells.run("open('made.txt', 'w').write('x')")["error"] is None
        assert (gate.base / "workspace" / "notebooks" / "made.txt").read_text() == "x"
        assert kernel.poll() is None
    finally:
        kernel.close()
    assert gone(gate.base / "s")
    assert gone(gate.base / "d")


def test_a_kernels_calls_come_in_at_the_panes_socket(gate: Gate) -> None:
    """A kernel's calls arrive at the socket that the pane was given."""
    kernel = gate.start()
    assert kernel.listener is not None
    try:
        with client(kernel) as cells:
            cells.request("import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/twinpane/calls.sock'); s.send(b'a call')")
            kernel.listener.settimeout(20)
            connection, _ = kernel.listener.accept()
            assert connection.recv(100) == b"a call"
    finally:
        kernel.close()


def test_a_twin_is_no_way_to_show_a_kernel_a_file_of_the_machine(gate: Gate) -> None:
    """The server wrote the cache: links to a file and to a folder, and a name that leads out of it, bring nothing."""
    secret = gate.base / "secret"
    secret.mkdir()
    (secret / "key").write_text("key of the hub")
    twins = gate.base / "server" / "cache" / "twins"
    (twins / ("b" * 32)).mkdir()
    (twins / ("b" * 32) / "person.parquet").symlink_to(secret / "key")
    (twins / ("c" * 32)).symlink_to(secret)
    kernel = gate.start()
    try:
        kernel.lay(twins / ("b" * 32))
        with pytest.raises(OSError, match="lay it out"):
            kernel.lay(twins / ("c" * 32))
        with client(kernel) as cells:
            assert cells.run("import os; print(os.listdir('/data'))")["text"] == "[]\n"
    finally:
        kernel.close()


def test_the_twins_of_a_kernel_are_bounded_together(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each was bounded by itself: four sparse ones, which cost the server nothing, made 2,000 MiB in the hub's /tmp."""
    monkeypatch.setattr(kernel_launcher, "TWIN_BYTES", 3 * 2**20)
    monkeypatch.setattr(kernel_launcher, "TWIN_FILES", 6)
    twins = gate.base / "server" / "cache" / "twins"

    def twin(name: str, count: int, size: int) -> Path:
        made = twins / (name * 32)
        made.mkdir()
        for number in range(count):
            with open(made / f"{name}{number}", "w") as file:
                file.truncate(size)
        return made

    def laid() -> list[int]:
        return [path.stat().st_size for path in (gate.base / "d").rglob("*") if path.is_file()]

    kernel = gate.start()
    try:
        kernel.lay(twin("1", 1, 2 * 2**20))
        for name in "234":
            with pytest.raises(OSError, match="lay it out"):
                kernel.lay(twin(name, 1, 2 * 2**20))
        assert sum(laid()) <= 3 * 2**20
        for name in "56":
            with contextlib.suppress(OSError):
                kernel.lay(twin(name, 3, 0))
        assert len(laid()) <= 6
        other = gate.start()
        other.lay(twins / ("1" * 32))  # another's is its own
        other.close()
    finally:
        kernel.close()
    assert gone(gate.base / "d")


def test_the_hub_bounds_kernels_and_a_freed_place_is_free_again(gate: Gate) -> None:
    """No more kernels run than the hub allows, and a place is free again. Before, nothing but memory bounded the kernels of one server."""
    kernels = [gate.start() for _ in range(MOST)]
    with pytest.raises(SandboxError, match="run already"):
        gate.start()
    kernels[0].close()
    kernels[0] = gate.start()
    for kernel in kernels:
        kernel.close()
    assert gone(gate.base / "s")


def test_a_kernel_that_dies_is_told(gate: Gate) -> None:
    kernel = gate.start()
    with client(kernel) as cells:
        cells.request("import os; os._exit(3)")
        assert ended(kernel)
    kernel.close()
    assert gone(gate.base / "s")


@pytest.mark.parametrize(
    "request_",
    [
        {"lay": "a" * 32}, {"start": {"cwd": "", "seed": 1, "key": "k", "session": SESSION, "data": "/"}}, {"start": {}}, ["start"],
        {"start": {"cwd": "../../..", "seed": 1, "key": "k", "session": SESSION}},
        {"start": {"cwd": "x" * 5000, "seed": 1, "key": "k", "session": SESSION}},
    ],
)  # fmt: skip
def test_a_hostile_server_gets_no_answer_to_anything_else(gate: Gate, request_: Any) -> None:
    assert gate.says(json.dumps(request_).encode()) == []
    assert gone(gate.base / "d", 0)


def test_the_launcher_takes_no_descriptors(gate: Gate) -> None:
    """The reader closes one that nobody takes. A TCP socket with SO_LINGER and bytes under way then blocked the gate for 8 s of 8."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as pane:
        try:
            pane.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 1)
        except OSError:
            pytest.skip("needs Linux 6.16: it refuses descriptors")
        pane.connect(str(gate.launcher))
        with pytest.raises(PermissionError):
            socket.send_fds(pane, [b"{}"], [0])


def test_silent_connections_do_not_keep_others_out_for_long(gate: Gate) -> None:
    """Connections that say nothing do not keep others out for long."""
    silent = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(30)]
    for each in silent:
        each.connect(str(gate.launcher))
    end, kernel = time.monotonic() + 30, None
    while kernel is None and time.monotonic() < end:
        with contextlib.suppress(SandboxError):
            kernel = gate.start()
    assert kernel is not None
    kernel.close()
    for each in silent:
        each.close()


def test_an_absent_folder_ends_a_kernel_not_the_gate(gate: Gate) -> None:
    """A missing folder ends the kernel, not the gate."""
    kernel = gate.start("nowhere")
    assert ended(kernel)
    assert b"nowhere" in kernel.said()
    kernel.close()
    gate.start().close()
