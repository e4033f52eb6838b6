"""What the agent believes of a session's reader: what it asked for, in closed types, and nothing else."""

import asyncio
import contextlib
import errno
import json
import os
import socket

import pytest
from agent_desk import S, answer, cell, twin

from twinpane_site import inside_kernel as inside_module
from twinpane_site.inside_kernel import InsideKernel
from twinpane_site.parts import port
from twinpane_site.parts.port import Port, pair, sealed
from twinpane_site.verdict import Outcome
from twinpane_wire import messages as wire

DIGEST = "0" * 64
ENDED = {"kind": "ended", "cell": 1, "outputs": DIGEST}
HELD = {"sha256": DIGEST, "outputs": 1, "bytes": 4, "dropped": 0}


class Process:
    """A kernel's process that is what the test says."""

    def __init__(self):
        self.status = None
        self.closed = False

    def poll(self):
        return self.status

    def close(self):
        self.closed = True


@pytest.fixture
async def ends():
    """The agent's end, the process, and the port that the test plays the reader on."""
    ours, theirs = pair()
    process, killed = Process(), []
    kernel = InsideKernel(process, ours, S, lambda: killed.append(1))
    reader = Port(theirs)
    yield kernel, reader, process
    await asyncio.wait_for(kernel.close(), 10)
    assert process.closed
    assert killed
    reader.close()


async def running(kernel, reader, source="1", **more):
    """A cell that runs: the task, and the frame that asked for it."""
    task = asyncio.create_task(kernel.execute(cell(1, source), 1000, **more))
    return task, await asyncio.wait_for(reader.receive(), 5)


async def test_a_cell_is_asked_for_and_its_end_is_believed(ends):
    kernel, reader, _ = ends
    await reader.send({"kind": "up"})
    assert await kernel.start()
    task, frame = await running(kernel, reader, "a\nb", interrupted=True)
    assert (frame.head["kind"], frame.head["cell"], frame.head["room"], frame.head["interrupted"]) == ("run", 1, 1000, True)
    assert frame.bulk(100) == b"a\nb"
    descriptor = sealed(b"rows")
    await reader.send(ENDED | {"held": HELD}, [descriptor])
    os.close(descriptor)
    ended = await asyncio.wait_for(task, 5)
    assert ended.finding.digest == DIGEST
    assert ended.finding.otherwise.outcome is Outcome.differs
    assert os.pread(ended.kept.descriptor, 10, 0) == b"rows"
    os.close(ended.kept.descriptor)


@pytest.mark.parametrize(("line", "told"), [(1, 1), (3, 3), (4, 3), (10**9, 3)])
async def test_a_failures_line_lies_within_the_cell(ends, line, told):
    """A line beyond it would be bits that the meter does not know."""
    kernel, reader, _ = ends
    task, _ = await running(kernel, reader, "a\nb\nc")
    await reader.send(ENDED | {"failure": "KeyError", "line": line})
    judgement = (await asyncio.wait_for(task, 5)).finding.otherwise
    assert (judgement.failure, judgement.line) == ("KeyError", told)


LIES = {
    "of another cell": ENDED | {"cell": 2},
    "a failure of no class": ENDED | {"failure": "Rows"},
    "a line below the first": ENDED | {"failure": "KeyError", "line": 0},
    "a digest that is none": ENDED | {"outputs": "rows"},
    "with more than may be said": ENDED | {"rows": "x"},
    "outputs that did not come": ENDED | {"held": HELD},
    "a value that nobody asked for": {"kind": "value", "cell": 1, "call": 1, "value": 0.5},
    "a value that is no number": {"kind": "value", "cell": 1, "call": 1, "value": "rows"},
    "of no kind": {"kind": "verdict", "outcome": "same"},
    "nothing": {},
}


@pytest.mark.parametrize("lie", LIES)
async def test_whatever_else_a_reader_says_its_kernel_counts_as_dead(ends, lie):
    kernel, reader, _ = ends
    task, frame = await running(kernel, reader)
    frame.close()
    await reader.send(LIES[lie])
    assert await asyncio.wait_for(task, 5) is None
    assert kernel.died.is_set()


@pytest.mark.parametrize("again", [{"kind": "up"}, ENDED])
async def test_what_is_said_twice_ends_the_kernel(ends, again):
    kernel, reader, _ = ends
    await reader.send({"kind": "up"})
    task, _ = await running(kernel, reader)
    await reader.send(ENDED)
    assert await asyncio.wait_for(task, 5) is not None
    await reader.send(again)
    await asyncio.wait_for(kernel.died.wait(), 5)
    assert await kernel.execute(cell(2), 1000) is None


async def test_lost_outputs_are_an_end_like_others(ends):
    """Outputs that were lost on their way count as an end like others. The finding is believed, and there is nothing to read."""
    kernel, reader, _ = ends
    task, frame = await running(kernel, reader)
    frame.close()
    await reader.send(ENDED | {"held": HELD | {"outputs": 0, "dropped": 2}})
    ended = await asyncio.wait_for(task, 5)
    assert (ended.kept.descriptor, ended.kept.told.dropped) == (None, 2)


async def test_what_the_reader_cannot_take_for_now_costs_no_kernel(ends, monkeypatch):
    """What cannot be handed to the reader for now costs no kernel. It was another session's doing, and the kernel was dead."""
    kernel, reader, _ = ends
    send, left = socket.send_fds, [3]

    def full(at, buffers, descriptors, *more):
        if descriptors and left[0]:
            left[0] -= 1
            raise OSError(errno.ETOOMANYREFS, "Too many references: cannot splice")
        return send(at, buffers, descriptors, *more)

    monkeypatch.setattr(socket, "send_fds", full)
    monkeypatch.setattr(port, "PATIENCE_S", 0.0)
    task, frame = await running(kernel, reader)
    assert frame.bulk(100) == b"1"
    await reader.send(ENDED)
    assert await asyncio.wait_for(task, 5) is not None


def unsealed():
    descriptor = os.memfd_create("x")
    os.write(descriptor, b"rows")
    return [descriptor]


def too_large():
    return [sealed(b"x" * 101)]


@pytest.mark.parametrize("made", [unsealed, too_large, lambda: list(os.pipe())[:1], lambda: [os.open("/dev/zero", os.O_RDONLY)],
                                  lambda: [sealed(b"x"), sealed(b"y")]])  # fmt: skip
async def test_held_bytes_are_one_sealed_memory_file_within_bounds(ends, monkeypatch, made):
    """Bytes to hold are one sealed memory file within the bounds.

    What can still change, blocks, or has no end would be read by the agent.
    """
    monkeypatch.setattr(inside_module.reports, "SAID", 100)
    kernel, reader, _ = ends
    task, frame = await running(kernel, reader)
    frame.close()
    await reader.send(ENDED | {"held": HELD}, made())
    assert await asyncio.wait_for(task, 5) is None


async def test_bytes_that_are_no_frame_end_the_kernel(ends):
    kernel, reader, _ = ends
    task, _ = await running(kernel, reader)
    reader.socket.send(b"[" * 60_000)
    assert await asyncio.wait_for(task, 5) is None


async def test_a_flood_of_a_reader_ends_its_kernel_only(ends):
    """A flood of a reader ends its kernel, and the agent goes on."""
    kernel, reader, _ = ends
    task, _ = await running(kernel, reader)
    with contextlib.suppress(OSError):
        for _ in range(10_000):
            reader.socket.send(json.dumps(ENDED).encode())
    assert (await asyncio.wait_for(task, 5)) is not None
    await asyncio.wait_for(kernel.died.wait(), 5)


async def test_a_reader_that_is_gone_is_a_dead_kernel(ends):
    kernel, reader, _ = ends
    task, _ = await running(kernel, reader)
    reader.close()
    assert await asyncio.wait_for(task, 5) is None


async def test_an_ended_process_ends_the_cell_of_a_silent_reader(ends):
    """A process that ends also ends the cell, though the reader is silent."""
    kernel, reader, process = ends
    task, _ = await running(kernel, reader)
    process.status = -9
    assert await asyncio.wait_for(task, 5) is None


async def test_a_reader_that_takes_nothing_is_dead_once_too_much_waits(ends, monkeypatch):
    monkeypatch.setattr(inside_module, "WAITING", 1000)
    kernel, _, _ = ends
    kernel.give(wire.Input(session=S, cell=1, nth=1, value="x" * 2000))
    assert kernel.died.is_set()


async def test_a_number_goes_to_its_asker_and_none_if_the_kernel_dies(ends):
    """A number is told to the one who asked for it, and None is told where the kernel dies."""
    kernel, reader, _ = ends
    first, second = (asyncio.create_task(kernel.value(1, call)) for call in (1, 2))
    for call in (1, 2):
        assert (await asyncio.wait_for(reader.receive(), 5)).head == {"kind": "want", "cell": 1, "call": call}
    await reader.send({"kind": "value", "cell": 1, "call": 1, "value": 0.5})
    assert await asyncio.wait_for(first, 5) == 0.5
    await reader.send({"kind": "gone", "words": "Segmentation fault"})
    assert await asyncio.wait_for(second, 5) is None


async def test_what_comes_from_outside_goes_on_in_order(ends):
    kernel, reader, _ = ends
    kernel.give(answer(1, 1, "query", {"a": 1}))
    kernel.give(wire.Input(session=S, cell=1, nth=1, value="x"))
    kernel.give(twin(1))
    kernel.interrupt()  # no cell runs: it is nobody's
    running = asyncio.create_task(kernel.execute(cell(2), 100))
    await asyncio.sleep(0)
    kernel.interrupt()
    frames = [await asyncio.wait_for(reader.receive(), 5) for _ in range(5)]
    running.cancel()
    assert [(frame.head["kind"], frame.head["cell"]) for frame in frames] == [
        ("answer", 1), ("input", 1), ("twin", 1), ("run", 2), ("interrupt", 2),
    ]  # fmt: skip
    assert json.loads(frames[0].bulk(100)) == {"a": 1}
    assert frames[1].bulk(100) == b"x"
