"""The site's processes beside the agent: how they are started, and how they talk."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from twinpane_site.parts import port
from twinpane_site.parts.nursery import Nursery
from twinpane_site.parts.port import BlockingPort, Port, PortError, sealed

HERE = Path(__file__).parent
PARENT = """
import sys, time
sys.path.insert(0, {here!r})
from twinpane_site.parts.nursery import Nursery
nursery = Nursery("twinpane_site.parts.port")
print(nursery.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def nursery(monkeypatch: pytest.MonkeyPatch) -> Nursery:
    """A nursery that knows the parts of the tests."""
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
    found = Nursery("part_of_tests")
    yield found
    found.close()


def test_a_fork_answers_with_the_settings_limits_and_parent_it_was_given(nursery: Nursery) -> None:
    """What the agent names is what the part gets, and nothing of the nursery's own limits changes."""
    _, end = nursery.fork("part_of_tests", {"given": 7}, limits={"RLIMIT_FSIZE": 4096})
    _, other = nursery.fork("part_of_tests", {})
    for each in (end, other):
        each.settimeout(20)
    with end, other:
        one, two = BlockingPort(end), BlockingPort(other)
        one.send({"say": "limits"})
        assert one.receive().head == {"files": 4096, "given": 7, "parent": nursery.pid}
        two.send({"say": "limits"})
        assert two.receive().head["files"] != 4096


def test_a_port_closes_when_its_part_dies_and_the_nursery_goes_on(nursery: Nursery) -> None:
    """Whoever waits for a part learns of its end; the next one starts as before."""
    for _ in range(3):
        _, end = nursery.fork("part_of_tests", {})
        with end:
            one = BlockingPort(end)
            one.send({"say": "die"})
            assert one.receive() is None
    pid, end = nursery.fork("part_of_tests", {})
    with end:
        nursery.kill(pid)
        assert BlockingPort(end).receive() is None


def test_parts_end_with_the_process_that_started_them() -> None:
    """The kill -9 of an agent leaves no nursery behind."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT.format(here=str(HERE))], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    watched = os.pidfd_open(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    import select

    assert select.select([watched], [], [], 20)[0], "the nursery outlived the agent"
    os.close(watched)


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


def test_a_part_dies_of_its_own_signals_alone(nursery: Nursery) -> None:
    """Ctrl-C at a terminal is the agent's to take; the nursery goes on until the agent ends it."""
    os.kill(nursery.pid, signal.SIGINT)
    _, end = nursery.fork("part_of_tests", {})
    with end:
        BlockingPort(end).send({"say": "limits"})
        assert BlockingPort(end).receive() is not None
