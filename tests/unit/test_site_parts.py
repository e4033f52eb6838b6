"""The site's processes beside the agent: how they are started, and how they talk."""

import asyncio
import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from twinpane_sandbox.poll import readable
from twinpane_site.parts import port
from twinpane_site.parts.fork_server import ForkServer
from twinpane_site.parts.port import BlockingPort, Port, PortError, sealed

HERE = Path(__file__).parent
PARENT = """
import sys, time
sys.path.insert(0, {here!r})
from twinpane_site.parts.fork_server import ForkServer
fork_server = ForkServer("twinpane_site.parts.port")
print(fork_server.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def fork_server(monkeypatch: pytest.MonkeyPatch) -> ForkServer:
    """A fork server that knows the parts of the tests."""
    from twinpane_site.parts import part

    start = part.subprocess.Popen

    def with_tests(line: list[str], **options: object) -> "subprocess.Popen[bytes]":
        place = line.index("-m")
        code = (
            f"import sys, runpy; sys.path.insert(0, {str(HERE)!r}); sys.argv = sys.argv[1:]; "
            f"runpy.run_module({line[place + 1]!r}, run_name='__main__', alter_sys=False)"
        )
        return start([*line[:place], "-c", code, *line[place + 1 :]], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(part.subprocess, "Popen", with_tests)
    found = ForkServer("part_of_tests")
    yield found
    found.close()


def test_a_fork_has_the_settings_limits_and_parent_it_was_given(fork_server: ForkServer) -> None:
    """A fork answers with the settings, limits and parent it was given.

    What the agent names is what the part gets, and nothing of the fork server's own limits changes.
    """
    _, end = fork_server.fork("part_of_tests", {"given": 7}, limits={"RLIMIT_FSIZE": 4096})
    _, other = fork_server.fork("part_of_tests", {})
    for each in (end, other):
        each.settimeout(20)
    with end, other:
        one, two = BlockingPort(end), BlockingPort(other)
        one.send({"say": "limits"})
        assert one.receive().head == {"files": 4096, "given": 7, "parent": fork_server.pid}
        two.send({"say": "limits"})
        assert two.receive().head["files"] != 4096


def test_a_dead_parts_port_closes_and_the_fork_server_goes_on(fork_server: ForkServer) -> None:
    """A port closes when its part dies, and the fork server goes on.

    Whoever waits for a part learns of its end; the next one starts as before.
    """
    for _ in range(3):
        _, end = fork_server.fork("part_of_tests", {})
        with end:
            one = BlockingPort(end)
            one.send({"say": "die"})
            assert one.receive() is None
    pid, end = fork_server.fork("part_of_tests", {})
    with end:
        fork_server.kill(pid)
        assert BlockingPort(end).receive() is None


def test_parts_end_with_the_process_that_started_them() -> None:
    """The kill -9 of an agent leaves no fork server behind."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT.format(here=str(HERE))], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    watched = os.pidfd_open(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert readable(watched, 20), "the fork server outlived the agent"
    os.close(watched)


async def test_a_killed_nursery_is_started_again(fork_server: ForkServer, caplog: pytest.LogCaptureFixture) -> None:
    """The agent lived on and said *opened*, and every later session was a dead kernel until the site was started anew."""
    keeping = asyncio.create_task(fork_server.keep())
    await asyncio.sleep(0)
    first = fork_server.pid
    for _ in range(2):
        _, old = await asyncio.to_thread(fork_server.fork, "part_of_tests", {})
        os.kill(fork_server.pid, signal.SIGKILL)
        _, end = await asyncio.to_thread(fork_server.fork, "part_of_tests", {"given": 7})
        with old, end:
            assert BlockingPort(old).receive() is None
            port = BlockingPort(end)
            port.send({"say": "limits"})
            assert port.receive().head["parent"] == fork_server.pid != first
    assert sum("started again" in line for line in caplog.messages) == 2
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


def test_a_fork_server_that_nobody_keeps_says_its_end_at_once(fork_server: ForkServer) -> None:
    """A fork server that nobody keeps says at once that it has ended. Who starts another by itself does not wait for one."""
    os.kill(fork_server.pid, signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(OSError, match="has ended"):
        fork_server.fork("part_of_tests", {})
    assert time.monotonic() - began < 5


def test_a_fork_server_that_cannot_fork_for_now_is_asked_again(fork_server: ForkServer) -> None:
    """A fork server that cannot fork for now lives on and is asked again. One refused fork ended it, and every session's reader with it."""
    with contextlib.closing(ForkServer("part_of_tests", "forks_seldom")) as seldom:
        for _ in range(2):
            _, end = seldom.fork("part_of_tests", {})
            with end:
                port = BlockingPort(end)
                port.send({"say": "limits"})
                assert port.receive().head["parent"] == seldom.pid


class Full:
    """Sends that fail so often with an error that passes, then work."""

    def __init__(self, number: int, times: int) -> None:
        self.number, self.left, self.send = number, times, socket.send_fds

    def __call__(self, *arguments: object) -> int:
        if self.left:
            self.left -= 1
            raise OSError(self.number, os.strerror(self.number))
        return self.send(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [errno.ETOOMANYREFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
async def test_what_cannot_be_sent_for_now_is_sent_in_a_moment(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Descriptors under way are counted for a whole user: what one session left lying ended another's kernel, or failed its cell."""
    ours, theirs = port.pair()
    monkeypatch.setattr(port.socket, "send_fds", Full(number, 3))
    sender, receiver = Port(ours), Port(theirs)
    await sender.send_bulk({"n": 1}, b"rows")
    frame = await receiver.receive()
    assert frame is not None
    assert (frame.head, frame.bulk(10)) == ({"n": 1}, b"rows")
    monkeypatch.setattr(port.socket, "send_fds", Full(number, 3))
    await asyncio.to_thread(BlockingPort(ours).send_bulk, {"n": 2}, b"more")
    frame = await receiver.receive()
    assert frame is not None
    assert (frame.head, frame.bulk(10)) == ({"n": 2}, b"more")
    ours.close()
    theirs.close()


async def test_what_does_not_pass_a_port_is_an_error_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever, and nobody waits at all for a process that has ended."""
    ours, theirs = port.pair()
    monkeypatch.setattr(port, "PATIENCE_S", 0.2)
    with monkeypatch.context() as full:
        full.setattr(port.socket, "send_fds", Full(errno.ETOOMANYREFS, 10**6))
        with pytest.raises(OSError, match="references"):
            await Port(ours).send({})
        with pytest.raises(OSError, match="references"):
            await asyncio.to_thread(BlockingPort(ours).send, {})
    theirs.close()
    monkeypatch.setattr(port, "PATIENCE_S", 60.0)
    for sending in (Port(ours).send({}), asyncio.to_thread(BlockingPort(ours).send, {})):
        with pytest.raises(OSError) as raised:  # noqa: PT011 - of what kind is asked below
            await asyncio.wait_for(sending, 10)
        assert port.is_closed(raised.value)
    ours.close()


async def test_bytes_go_along_sealed_and_come_whole() -> None:
    """Bulk is never in the packet, and cannot change once it is sent."""
    ours, theirs = (Port(end) for end in port.pair())
    await ours.send_bulk({"kind": "x"}, b"y" * 300_000)
    frame = await theirs.receive()
    assert frame is not None
    with pytest.raises(OSError, match="permitted"):
        os.pwrite(frame.descriptors[0], b"z", 0)
    assert frame.bulk(300_000) == b"y" * 300_000
    ours.close()
    assert await theirs.receive() is None
    theirs.close()


@pytest.mark.parametrize("data", [b"[]", b"nonsense", b'"x"', b"[" * 60_000, b"x" * (port.FRAME + 1)])
async def test_what_is_no_frame_ends_the_port(data: bytes) -> None:
    """A hostile other end gets one error, not a parser's time or memory."""
    ours, theirs = port.pair()
    ours.send(data)
    with pytest.raises(PortError):
        await Port(theirs).receive()
    ours.close()
    theirs.close()


async def test_bytes_that_are_too_many_or_can_still_change_are_refused(tmp_path: Path) -> None:
    """A file that its sender can change, a pipe, or more than was asked for is not read."""
    ours, theirs = port.pair()
    reading = Port(theirs)
    (tmp_path / "file").write_bytes(b"x")
    plain = os.open(tmp_path / "file", os.O_RDONLY)
    pipe, other = os.pipe()
    large = sealed(b"x" * 101)
    for descriptor in (plain, pipe, large):
        socket.send_fds(ours, [b"{}"], [descriptor])
        frame = await reading.receive()
        assert frame is not None
        with pytest.raises(PortError):
            frame.bulk(100)
    for descriptor in (plain, pipe, other, large):
        os.close(descriptor)
    ours.close()
    theirs.close()


async def test_a_flood_of_frames_leaves_the_loop_to_others() -> None:
    """A part that says without end may not stop the agent's clock."""
    ours, theirs = port.pair()
    ours.setblocking(False)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    reading = Port(theirs)
    for _ in range(50):
        for _ in range(8):
            ours.send(b"{}")
        for _ in range(8):
            await reading.receive()
    beside.cancel()
    assert turns >= 50 * 8 // port.IN_A_ROW
    ours.close()
    theirs.close()


async def test_a_sender_waits_for_room_and_nothing_is_lost() -> None:
    """Who does not read holds back who sends to it, and nobody else."""
    one, two = (Port(end) for end in port.pair())
    sending = asyncio.create_task(_send_many(one, 2000))
    got = [(await two.receive()).head["n"] for _ in range(2000)]
    await sending
    assert got == list(range(2000))
    one.close()
    two.close()


async def _send_many(one: Port, count: int) -> None:
    for n in range(count):
        await one.send({"n": n, "pad": "x" * 500})


@pytest.mark.slow
def test_a_part_dies_of_its_own_signals_alone(fork_server: ForkServer) -> None:
    """Ctrl-C at a terminal is the agent's to take; the fork_server goes on until the agent ends it."""
    os.kill(fork_server.pid, signal.SIGINT)
    _, end = fork_server.fork("part_of_tests", {})
    with end:
        BlockingPort(end).send({"say": "limits"})
        assert BlockingPort(end).receive() is not None
