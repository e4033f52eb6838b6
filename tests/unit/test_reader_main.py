"""A reader between its port and its kernel: what it is asked it does in order, and it tells what was asked and nothing else."""

import asyncio
import errno
import gzip
import json
import os
import socket
import time
from typing import Any

import pytest
from agent_desk import failure, said

from twinpane_sandbox.call_server import CallError
from twinpane_site.parts import port
from twinpane_site.parts.port import Port
from twinpane_site.reader import reports
from twinpane_site.reader.main import Reader
from twinpane_site.verdict import Run


class Kernel:
    """A kernel that does what the test says; see `twinpane_site.reader.kernel.Kernel`."""

    def __init__(self) -> None:
        self.died = asyncio.Event()
        self.done: list[Any] = []
        self.play: Any = None

    async def start(self) -> bool:
        return True

    async def execute(self, cell: dict[str, Any], source: str, prompt: Any) -> Run:
        self.done.append(("run", cell["cell"], source))
        return await self.play(cell["cell"], prompt) if self.play else Run(said())

    async def comm(self, msg_type: str, content: dict[str, Any], msg_id: str, buffers: tuple[bytes, ...]) -> None:
        self.done.append(("comm", content, buffers))

    async def interrupt(self) -> None:
        self.done.append("interrupt")

    async def close(self) -> None:
        self.died.set()


class Desk:
    """The agent's end of a reader at work."""

    def __init__(self) -> None:
        self.ours, theirs = port.pair()
        self.kernel = Kernel()
        self.reader = Reader(Port(theirs), self.kernel)  # type: ignore[arg-type]
        self.port = Port(self.ours)
        self.said, self.says = os.pipe()
        self.task: asyncio.Task[None] | None = None

    async def begin(self) -> "Desk":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(b"\0twinpane-test-" + os.urandom(8).hex().encode())
        listener.listen()
        self.task = asyncio.create_task(self.reader.run(listener, self.said))
        assert (await self.told()) == reports.Up()
        return self

    async def told(self) -> Any:
        """The next thing that the reader tells; its bytes, if any, are in ``bulk``."""
        frame = await asyncio.wait_for(self.port.receive(), 10)
        assert frame is not None
        found = reports.told(frame.head)
        self.bulk = frame.bulk(10**6) if frame.descriptors else b""
        return found

    async def run(self, cell: int, source: str = "x", **more: Any) -> None:
        head = {"kind": "run", "cell": cell, "msg_id": f"m{cell}", "room": 10**6, "interrupted": False, **more}
        await self.port.send_bulk(head, source.encode())

    async def answer(self, cell: int, call: int, value: Any, kind: str = "reveal") -> None:
        head = {"kind": "answer", "cell": cell, "call": call, "call_kind": kind, "error": ""}
        await self.port.send_bulk(head, json.dumps(value).encode())

    async def end(self) -> None:
        self.ours.close()
        if self.task is not None:
            await asyncio.wait_for(self.task, 10)
        os.close(self.says)


@pytest.fixture
async def desk() -> Any:
    made = await Desk().begin()
    yield made
    await made.end()


async def test_a_cells_words_come_as_digest_outcome_and_packed_bytes(desk: Desk) -> None:
    """What a cell said comes as a digest, an outcome and packed bytes.

    The agent never sees an output: it gets what it compares, what it tells, and a file to put away.
    """

    async def play(_cell: int, _prompt: Any) -> Run:
        return Run(said("rows"))

    desk.kernel.play = play
    await desk.run(1, "print('rows')")
    ended = await desk.told()
    assert (ended.cell, ended.outputs, ended.failure) == (1, said("rows").digest("inside"), None)
    assert json.loads(gzip.decompress(desk.bulk))["outputs"][0]["text"] == "rows"
    assert (ended.held.outputs, ended.held.dropped) == (1, 0)
    assert desk.kernel.done == [("run", 1, "print('rows')")]


async def test_a_kernel_that_reads_its_own_words_holds_up_no_reader(desk: Desk) -> None:
    """A kernel that reads its own words back holds up no reader.

    Its stdout is a pipe, which it can open for reading: what had woken the reader was gone, and the reader waited in read for ever.
    """
    began = time.monotonic()
    stolen = os.open(f"/proc/self/fd/{desk.says}", os.O_RDONLY | os.O_NONBLOCK)
    wake, waking = os.pipe()
    asyncio.get_running_loop().add_reader(wake, lambda: (os.read(wake, 1), os.read(stolen, 10)))
    os.write(waking, b"x")
    os.write(desk.says, b"gone")
    await asyncio.sleep(0.1)
    await desk.run(1)
    assert (await desk.told()).cell == 1
    assert time.monotonic() - began < 5
    asyncio.get_running_loop().remove_reader(wake)
    for descriptor in (stolen, wake, waking):
        os.close(descriptor)


async def test_outputs_that_cannot_be_handed_over_come_in_a_moment(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs that cannot be handed over for now come in a moment.

    What another session keeps under way made this one's cell *failed: Other*. Where it does not pass, the finding stands, and a loss is
    told."""
    send, left = socket.send_fds, [3]

    def full(at: socket.socket, buffers: Any, descriptors: Any, *more: Any) -> int:
        if at is not desk.ours and descriptors and left[0]:
            left[0] -= 1
            raise OSError(errno.ETOOMANYREFS, "Too many references: cannot splice")
        return send(at, buffers, descriptors, *more)

    async def play(_cell: int, _prompt: Any) -> Run:
        return Run(said("rows", "more"))

    monkeypatch.setattr(socket, "send_fds", full)
    desk.kernel.play = play
    await desk.run(1)
    ended = await desk.told()
    assert (ended.failure, ended.outputs) == (None, said("rows", "more").digest("inside"))
    assert desk.bulk
    left[0] = 10**6
    monkeypatch.setattr(port, "PATIENCE_S", 0.2)
    await desk.run(2)
    ended = await desk.told()
    assert (ended.cell, ended.failure, desk.bulk) == (2, None, b"")
    assert (ended.held.outputs, ended.held.dropped) == (0, 1)


async def test_a_failure_is_told_by_class_and_line_within_the_cell(desk: Desk) -> None:
    """And outputs that nobody can read are *Other*, not silence."""

    class Unreadable:
        dropped = 0

        def __bool__(self) -> bool:
            return False

        def digest(self, _owner: str) -> str:
            raise RecursionError

    async def play(cell: int, _prompt: Any) -> Run:
        return failure("KeyError", "Cell In[1], line 2") if cell == 1 else Run(Unreadable())  # type: ignore[arg-type]

    desk.kernel.play = play
    await desk.run(1, "a\nb")
    ended = await desk.told()
    assert (ended.failure, ended.line) == ("KeyError", 2)
    await desk.run(2)
    ended = await desk.told()
    assert (ended.outputs, ended.failure, ended.held) == (None, "Other", None)


async def test_a_number_is_told_once_and_only_where_it_is_asked_for(desk: Desk) -> None:
    """Also where it is asked for after the cell is over on both sides: the agent may be slower than both runs."""

    async def play(_cell: int, _prompt: Any) -> Run:
        await desk.reader._call("reveal", {"value": 0.5})
        await desk.reader._call("reveal", {"value": "rows"})
        return Run(said())

    desk.kernel.play = play
    await desk.answer(1, 1, {})
    await desk.answer(1, 2, {})
    await desk.run(1)
    assert isinstance(await desk.told(), reports.Ended)
    await desk.port.send({"kind": "twin", "cell": 1})
    for call, value in ((1, 0.5), (2, None), (3, None)):
        await desk.port.send({"kind": "want", "cell": 1, "call": call})
        assert await desk.told() == reports.Value(cell=1, call=call, value=value)


async def test_an_unrevealed_cells_number_is_none_at_once(desk: Desk) -> None:
    """A number of a cell that revealed nothing is none at once. However late it is asked for, nobody waits for it."""
    await desk.run(1)
    await desk.told()
    await desk.port.send({"kind": "twin", "cell": 1})
    for call in (1, 2):
        await desk.port.send({"kind": "want", "cell": 1, "call": call})
        assert (await desk.told()).value is None


async def test_what_is_asked_while_a_cell_runs_is_told_at_its_reveal(desk: Desk) -> None:
    """What is asked while the cell runs is told when it is revealed.

    And what the clear run did not answer fails inside, so that the cell goes on.
    """
    got: list[Any] = []
    go = asyncio.Event()

    async def play(_cell: int, prompt: Any) -> Run:
        await go.wait()
        try:
            await desk.reader._call("reveal", {"value": 7})
        except CallError as error:
            got.append(error.code)
        got.append(await prompt())
        return Run(said())

    desk.kernel.play = play
    await desk.run(1)
    await desk.port.send({"kind": "want", "cell": 1, "call": 1})
    go.set()
    assert await desk.told() == reports.Value(cell=1, call=1, value=7.0)
    await desk.port.send_bulk({"kind": "input", "cell": 1, "nth": 1}, b"typed")
    await desk.port.send({"kind": "twin", "cell": 1})
    assert isinstance(await desk.told(), reports.Ended)
    assert got == ["not_made", "typed"]


async def test_comms_go_in_between_cells_and_a_broken_one_is_harmless(desk: Desk) -> None:
    """Comms go in between cells, and a broken one stops nothing. What is not base64 is passed over, and logged."""
    for buffers in (["A"], ["AAAA"]):
        content = {"content": {"comm_id": "x"}, "buffers": buffers}
        await desk.port.send_bulk({"kind": "comm", "msg_type": "comm_msg", "msg_id": "c"}, json.dumps(content).encode())
    await desk.run(1)
    await desk.told()
    assert desk.kernel.done == [("comm", {"comm_id": "x"}, (b"\0\0\0",)), ("run", 1, "x")]


async def test_calls_between_cells_are_refused(desk: Desk) -> None:
    """A thread that a cell left behind gets no answer that was meant for another cell."""
    with pytest.raises(CallError, match="while a cell runs"):
        await desk.reader._call("query", {})


async def test_a_dead_kernel_is_told_with_its_last_words(desk: Desk) -> None:
    """A kernel whose last process is gone is told with its last words.

    They are for the site's log: bounded, and without a byte that is no ASCII.
    """
    os.write(desk.says, "é".encode() * 5000 + b"killed")
    os.close(desk.says)
    desk.says = os.dup(desk.said)
    gone = await desk.told()
    assert isinstance(gone, reports.Gone)
    assert gone.words.endswith("killed")
    assert len(gone.words) <= reports.WORDS
