"""The gate's parts: closed requests, doors that carry bytes within bounds, a voice that cannot fill or forge a log, a folder of its own."""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from twinpane_kernel.gate import server_log
from twinpane_kernel.gate.acceptor import SO_PASSRIGHTS
from twinpane_kernel.gate.forwarder import BUFFER, Forwarder, leading_to, listens, tcp, unix
from twinpane_kernel.gate.gate_folder import GateFolder
from twinpane_kernel.gate.gate_requests import FRAME, Lay, Start, parse
from twinpane_kernel.gate.server_log import ServerLog
from twinpane_kernel.gate.server_process import ServerProcess
from twinpane_kernel.gate.settings import ENVIRONMENT, read
from twinpane_sandbox.errors import SandboxError
from twinpane_sandbox.strict_json import Unfit
from twinpane_wire.connection_limiter import LOOPBACK
from twinpane_wire.uvicorn_server import bound_at

GOOD = {"cwd": "notebooks/deep", "seed": 7, "key": "a-key", "session": "0" * 32}

# ------------------------------------------------------------ requests


def test_a_pane_asks_for_its_kernel_and_for_a_twin() -> None:
    assert parse(json.dumps({"start": GOOD}).encode()) == Start("notebooks/deep", 7, "a-key", "0" * 32)
    assert parse(json.dumps({"start": GOOD | {"cwd": ""}}).encode()) == Start("", 7, "a-key", "0" * 32)
    assert parse(json.dumps({"lay": "f" * 32}).encode()) == Lay("f" * 32)


@pytest.mark.parametrize(
    "request_",
    [
        {}, [], "start", {"start": {}}, {"start": GOOD | {"more": 1}}, {"start": GOOD, "more": 1},
        {"lay": "../" + "f" * 29}, {"lay": "F" * 32},
        {"lay": "f" * 31}, {"lay": 7}, {"start": GOOD | {"cwd": "../other"}}, {"start": GOOD | {"cwd": "/etc"}},
        {"start": GOOD | {"cwd": "a/../../b"}}, {"start": GOOD | {"cwd": "a\n"}}, {"start": GOOD | {"cwd": "a\x00b"}},
        {"start": GOOD | {"cwd": "a" * 1001}}, {"start": GOOD | {"seed": -1}}, {"start": GOOD | {"seed": 2**32}},
        {"start": GOOD | {"seed": True}}, {"start": GOOD | {"seed": 1.0}}, {"start": GOOD | {"key": ""}}, {"start": GOOD | {"key": "a b"}},
        {"start": GOOD | {"session": "x"}}, {"start": GOOD | {"data": "/"}}, {"start": GOOD | {"workspace": "/"}},
    ],
)  # fmt: skip
def test_anything_else_is_not_a_request(request_: Any) -> None:
    """No folder of the machine can be named, and nothing is passed over."""
    with pytest.raises(Unfit):
        parse(json.dumps(request_).encode())


@pytest.mark.parametrize("frame", [b"", b"{", b"\xff", b" " * (FRAME + 1), b'{"lay": "' + b"f" * 32 + b'", "lay": "' + b"f" * 32 + b'"}'])
def test_what_is_not_json_within_the_bounds_is_not_a_request(frame: bytes) -> None:
    with pytest.raises(Unfit):
        parse(frame)


def test_the_gate_keeps_its_own_variables() -> None:
    """The gate keeps its own variables, and refuses incomplete settings."""
    given = {"name": "a/b", "workspace": "/w", "server": "/s", "port": 1, "reach": [[2, 2], [3, "/x/gates"]], "kernels": 4, "owner": 0}
    settings, environment = read({ENVIRONMENT: json.dumps(given), "XDG_CACHE_HOME": "/cache", "JUPYTERHUB_API_TOKEN": "t"})
    assert (settings.workspace, settings.reach, environment) == (Path("/w"), ((2, 2), (3, Path("/x/gates"))), {"JUPYTERHUB_API_TOKEN": "t"})
    for broken in ({}, {ENVIRONMENT: "{"}, {ENVIRONMENT: json.dumps(given | {"more": 1})}, {ENVIRONMENT: json.dumps({"name": "a"})}):
        with pytest.raises(ValueError, match=ENVIRONMENT):
            read(broken)


# ------------------------------------------------------------ doors


@asynccontextmanager
async def door(target: asyncio.Server, most: int = 8) -> AsyncIterator[int]:
    """The port of a door to a server."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = asyncio.create_task(Forwarder(listener, tcp(target.sockets[0].getsockname()[1]), most).run())
    try:
        yield listener.getsockname()[1]
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_door_carries_both_ways_and_all_said_before_the_end() -> None:
    """A door carries both ways, and what was said before the end."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(3 * BUFFER))
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server, door(server) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = os.urandom(3 * BUFFER)
        writer.write(sent)
        assert await reader.read() == sent
        writer.close()


async def test_what_a_server_reaches_sees_that_no_proxy_connects() -> None:
    """The source is an address of this machine that a sandbox cannot choose, so no forwarded address of a server's is believed."""
    seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def met(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.set_result(writer.get_extra_info("peername")[0])
        writer.close()

    async with await asyncio.start_server(met, "127.0.0.1", 0) as server, door(server) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        peer = await asyncio.wait_for(seen, 10)
        assert peer.startswith("127.")
        assert peer not in LOOPBACK
        writer.close()


async def test_a_door_leads_to_a_unix_socket_in_a_folder_of_any_name(tmp_path: Path) -> None:
    """A socket's address has 107 bytes; a hub's state folder may have more."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with bound_at(folder / "gates") as listener:
        listener.listen()
        await leading_to(folder / "gates")(asyncio.Protocol)
        listener.accept()[0].close()


async def test_a_door_reads_no_further_than_a_slow_end_takes() -> None:
    """Memory is bounded: a side that never reads makes the other side wait."""
    stalled = asyncio.Event()

    async def never_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stalled.wait()
        writer.close()

    async with await asyncio.start_server(never_read, "127.0.0.1", 0, limit=1024) as server, door(server) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setblocking(False)
            sent = 0
            with suppress(TimeoutError):
                while sent < 400 * 2**20:
                    await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(client, bytes(2**20)), 1)
                    sent += 2**20
            assert sent < 64 * 2**20  # what the kernel's own buffers hold, and ours
        stalled.set()


async def test_connections_beyond_the_number_wait_until_one_has_left() -> None:
    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hello, "127.0.0.1", 0) as server, door(server, most=1) as port:
        first, leaving = await asyncio.open_connection("127.0.0.1", port)
        assert await first.readexactly(5) == b"hello"
        second, staying = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(second.readexactly(5), 0.3)
        leaving.close()
        assert await asyncio.wait_for(second.readexactly(5), 20) == b"hello"
        staying.close()


async def test_what_is_said_before_the_other_side_is_reached_arrives() -> None:
    """It was lost, and the hub's first question to a server that was still starting never got an answer: ten seconds more."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    reachable = asyncio.Event()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard.put(await reader.read(100))
        writer.write(b"an answer")
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as server:
        reach = tcp(server.sockets[0].getsockname()[1])

        async def late(protocol: Any) -> Any:
            await reachable.wait()
            return await reach(protocol)

        listener = socket.create_server(("127.0.0.1", 0))
        running = asyncio.create_task(Forwarder(listener, late, 2).run())
        port = listener.getsockname()[1]
        left, leaving = await asyncio.open_connection("127.0.0.1", port)
        leaving.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"early")
        assert await asyncio.wait_for(left.read(), 20) == b""
        reachable.set()
        assert await asyncio.wait_for(reader.read(), 20) == b"an answer"
        assert b"early" in {heard.get_nowait() for _ in range(heard.qsize())}
        for _ in range(4):  # both places are free again
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"later")
            assert await asyncio.wait_for(reader.read(), 20) == b"an answer"
        writer.close()
        running.cancel()


async def test_an_unanswered_connection_ends_and_the_door_goes_on(tmp_path: Path) -> None:
    """Where nobody answers, the connection ends and the door goes on."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = asyncio.create_task(Forwarder(listener, unix(str(tmp_path / "nobody")), 1).run())
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()
    running.cancel()


def test_only_listening_stream_sockets_are_taken_for_a_door() -> None:
    """What a hostile server hands out in their place is refused: the gate would wait at it, or say something to somebody."""
    with socket.create_server(("127.0.0.1", 0)) as good, socket.socket() as idle, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        assert listens(good)
        assert not listens(idle)
        assert not listens(datagram)


async def test_a_server_that_makes_its_listener_block_holds_up_no_loop() -> None:
    """Both hold one file description: the gate's only loop was in accept for ever, and SIGINT and SIGTERM did nothing."""

    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async with await asyncio.start_server(hello, "127.0.0.1", 0) as server:
        listener = socket.create_server(("127.0.0.1", 0))
        with listener.dup() as theirs:
            running = asyncio.create_task(Forwarder(listener, tcp(server.sockets[0].getsockname()[1]), 8, theirs=True).run())
            for _ in range(3):
                theirs.setblocking(True)
                reader, writer = await asyncio.open_connection(*theirs.getsockname())
                assert await asyncio.wait_for(reader.read(), 20) == b"hello"
                writer.close()
            began = time.monotonic()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            assert time.monotonic() - began < 5


async def test_a_server_that_shuts_its_listener_ends_only_the_door() -> None:
    """A server that shuts its listener ends the door and nothing else."""
    listener = socket.create_server(("127.0.0.1", 0))
    with listener.dup() as theirs:
        running = asyncio.create_task(Forwarder(listener, tcp(1), 8, theirs=True).run())
        await asyncio.sleep(0.1)
        theirs.shutdown(socket.SHUT_RDWR)
        await asyncio.wait_for(running, 20)


async def test_closing_never_waits_for_a_server_that_reads_nothing() -> None:
    """No close of a connection waits for a server that reads nothing.

    A listener hands SO_LINGER on to what it accepts: the loop was in close for as many seconds as the server had set.
    """
    told = asyncio.Event()

    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(8 * 2**20))
        told.set()
        with suppress(ConnectionError):
            await writer.drain()

    async with await asyncio.start_server(tell, "127.0.0.1", 0) as server:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 20))
        address = listener.getsockname()
        running = asyncio.create_task(Forwarder(listener, tcp(server.sockets[0].getsockname()[1]), 8, theirs=True).run())
        with socket.create_connection(address):
            await told.wait()
            await asyncio.sleep(0.5)
            began = time.monotonic()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await asyncio.sleep(0.1)
            assert time.monotonic() - began < 5


async def test_a_door_to_a_server_takes_bytes_and_no_descriptors(tmp_path: Path) -> None:
    """One that nobody takes is closed by who reads: the loop was in that close for as many seconds as the server had set."""
    refused: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as end:
            try:
                socket.send_fds(end, [b"x"], [0])
                refused.set_result(False)
            except PermissionError:
                refused.set_result(True)
        writer.close()

    with socket.socket(socket.AF_UNIX) as known:
        try:
            known.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)
        except OSError:
            pytest.skip("needs Linux 6.16: it refuses descriptors")
    async with await asyncio.start_unix_server(send, str(tmp_path / "http")):
        listener = socket.create_server(("127.0.0.1", 0))
        running = asyncio.create_task(Forwarder(listener, unix(str(tmp_path / "http")), 1).run())
        _, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        assert await asyncio.wait_for(refused, 20)
        writer.close()
        running.cancel()


# ------------------------------------------------------------ voice and folder


async def test_a_server_that_reads_its_own_words_back_holds_up_no_loop() -> None:
    """Its stdout is a pipe, which it can open for reading: what had woken the gate was gone, and the gate waited in read."""
    said, saying = os.pipe()
    wake, waking = os.pipe()
    heard: list[bytes] = []
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        ServerProcess(SimpleNamespace(stdout=SimpleNamespace(fileno=lambda: said)), None, ours).listen(heard.append)  # type: ignore[arg-type]
        stolen = os.open(f"/proc/self/fd/{saying}", os.O_RDONLY | os.O_NONBLOCK)
        loop = asyncio.get_running_loop()
        loop.add_reader(wake, lambda: (os.read(wake, 1), os.read(stolen, 10)))
        os.write(waking, b"x")
        os.write(saying, b"gone")
        began = time.monotonic()
        await asyncio.sleep(0.1)
        os.write(saying, b"said")
        await asyncio.sleep(0.1)
        assert heard == [b"said"]
        assert time.monotonic() - began < 5
        loop.remove_reader(wake)
        loop.remove_reader(said)
    for descriptor in (said, saying, wake, waking, stolen):
        os.close(descriptor)


def test_what_the_gate_says_itself_cannot_fill_the_disk() -> None:
    """A connection to the launcher that asks for nothing is a line: 53,154 of them in 10 s made 4.5 MB of the hub's log."""
    code = """
from twinpane_kernel.gate import __main__ as gate
async def run(*_):
    for n in range(10_000):
        gate.logging.getLogger("twinpane_kernel.gate.kernel_launcher").info("a pane's connection ended: %s", n)
    return 0
gate.run, gate.settings.read = run, lambda _: ()
raise SystemExit(gate.main())
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stderr
    assert 1 <= len(told.stderr.splitlines()) <= 20


@pytest.mark.slow
@pytest.mark.parametrize("said", [b"\n" * 60_000, b"a\n" * 30_000, b"\xff" * 60_000, b"a"])
def test_what_is_written_fills_a_log_not_what_was_said(said: bytes) -> None:
    """A log is filled by what is written to it, not by what was said.

    Each line has the server's name before it: 256 KiB of empty lines made 5 MiB of log at once, and the rate thereafter 20 times it.
    """
    written: list[str] = []
    server = ServerLog("a-researcher/a-project", written.append, lambda: 0.0)
    for _ in range(2000):
        server.hear(said)
        server.hear(b"x" * server_log.BURST)
    assert sum(len(line.encode()) + 1 for line in written) <= 2 * server_log.BURST


def test_a_servers_log_is_marked_and_bounded() -> None:
    """Nobody can mistake a server's output for the hub's own, and it cannot fill the disk."""
    said: list[str] = []
    now = [0.0]
    server = ServerLog("ana/first", said.append, lambda: now[0])
    server.hear(b"one\n[I 2026 JupyterHub] \x1b[2Jadmin signed in\r\nand a beg")
    server.hear(b"inning\n")
    assert said == ["ana/first: one", "ana/first: [I 2026 JupyterHub]  [2Jadmin signed in ", "ana/first: and a beginning"]
    said.clear()
    for _ in range(1000):
        server.hear(b"x" * 2000 + b"\n")
    assert sum(map(len, said)) <= server_log.BURST
    now[0] = 60.0
    server.hear(b"later\n")
    assert said[-2:] == [f"ana/first: {server_left_out(said)} bytes left out", "ana/first: later"]


def server_left_out(said: list[str]) -> str:
    """The number in the line that says what was left out."""
    return said[-2].split()[1]


def test_a_gate_clears_a_dead_ones_files_and_refuses_a_second(tmp_path: Path) -> None:
    """A gate clears what a killed one left, and refuses a second."""
    first = GateFolder(tmp_path / "server")
    try:
        (first.sockets / "old").write_text("x")
        with pytest.raises(SandboxError, match="runs already"):
            GateFolder(tmp_path / "server")
        os.close(first._lock)  # as when it was killed
        second = GateFolder(tmp_path / "server")
        assert list(second.sockets.iterdir()) == []
        second.remove()
        assert not second.root.exists()
    finally:
        with suppress(OSError):
            first.remove()


def test_a_folder_that_somebody_else_put_there_is_refused(tmp_path: Path) -> None:
    made = GateFolder(tmp_path / "server")
    made.remove()
    made.root.symlink_to(tmp_path)
    try:
        with pytest.raises(SandboxError, match="0700"):
            GateFolder(tmp_path / "server")
    finally:
        made.root.unlink()
