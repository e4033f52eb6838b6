"""The reader's end of an inside kernel, against one that the test plays on real sockets: hostile frames, prompts, interrupts."""

import asyncio
import contextlib
import json
import tempfile

import pytest
import zmq
import zmq.asyncio

from twinpane_sandbox import protocol
from twinpane_site.reader import kernel as kernel_module
from twinpane_site.reader.kernel import Kernel

KEY = b"key"
PORTS = {"shell": 1, "iopub": 2, "stdin": 3, "control": 4}


class Played:
    """A kernel's end of the four sockets."""

    def __init__(self, folder):
        self.context = zmq.asyncio.Context()
        self.sockets = {}
        for name, number in PORTS.items():
            self.sockets[name] = self.context.socket(zmq.PUB if name == "iopub" else zmq.ROUTER)
            self.sockets[name].linger = 0
            self.sockets[name].bind(f"ipc://{folder}/k-{number}")
        self.identity = b""

    async def asked(self, channel, msg_type=None):
        """The next request on a channel: header and content. Questions for kernel_info are answered on the way."""
        while True:
            parts = await self.sockets[channel].recv_multipart()
            at = parts.index(protocol.DELIMITER)
            self.identity = parts[0]
            head, content = json.loads(parts[at + 2]), json.loads(parts[at + 5])
            if head["msg_type"] == "kernel_info_request" and msg_type != "kernel_info_request":
                await self.say("shell", "kernel_info_reply", {"protocol_version": "5.3"}, head)
                await self.say("iopub", "status", {"execution_state": "idle"}, head)
                continue
            return head, content

    async def say(self, channel, msg_type, content, parent, key=KEY, **more):
        route = [b"topic"] if channel == "iopub" else [self.identity]
        frames = protocol.frames(key, protocol.header(msg_type, "k"), content, parent, **more)
        await self.sockets[channel].send_multipart([*route, *frames])

    async def raw(self, channel, frames):
        await self.sockets[channel].send_multipart([b"t" if channel == "iopub" else self.identity, *frames])

    async def ends(self, head, status="ok"):
        await self.say("shell", "execute_reply", {"status": status}, head)
        await self.say("iopub", "status", {"execution_state": "idle"}, head)


@pytest.fixture
async def pair():
    """The reader's end, started, and the played kernel."""
    with tempfile.TemporaryDirectory(prefix="tpt-", dir="/tmp") as folder:
        played = Played(folder)
        kernel = Kernel({"ip": f"{folder}/k", "key": KEY.decode(), **{f"{name}_port": number for name, number in PORTS.items()}}, "a" * 32)
        answering = asyncio.create_task(played.asked("shell"))
        assert await kernel.start()
        answering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answering
        yield kernel, played
        await kernel.close()
        played.context.destroy(linger=0)


async def nothing():
    return None


def running(kernel, number=1, prompt=nothing, interrupted=False):
    head = {
        "msg_id": f"m{number}", "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True,
        "interrupted": interrupted,
    }  # fmt: skip
    return asyncio.create_task(kernel.execute(head, "1", prompt))


async def test_a_cell_has_the_clients_id_and_never_stops_the_next(pair):
    """A cell runs with the client's id and never stops the next."""
    kernel, played = pair
    task = running(kernel)
    head, content = await played.asked("shell")
    assert head["msg_id"] == "m1"
    assert content["code"] == "1"
    assert content["stop_on_error"] is False
    await played.say("iopub", "execute_input", {"code": "1", "execution_count": 4}, head)
    await played.say("iopub", "stream", {"name": "stdout", "text": "rows"}, head)
    await played.ends(head)
    run = await asyncio.wait_for(task, 5)
    assert [output["text"] for output in run.outputs] == ["rows"]
    assert (run.error, run.died, run.execution_count) == (None, False, 4)


HOSTILE = {
    "nothing": [],
    "one frame": [b"x"],
    "no delimiter": [b"x"] * 8,
    "short": [protocol.DELIMITER, b"sig"],
    "wrong signature": protocol.frames(b"other", protocol.header("stream", "k"), {"name": "stdout", "text": "forged"}, {"msg_id": "m1"}),
    "unsigned": protocol.frames(b"", protocol.header("stream", "k"), {"name": "stdout", "text": "forged"}, {"msg_id": "m1"}),
    "not JSON": [protocol.DELIMITER, protocol.sign(KEY, [b"{", b"{", b"{", b"{"]), b"{", b"{", b"{", b"{"],
    "deep JSON": [protocol.DELIMITER, protocol.sign(KEY, [b"[" * 9999] * 4), *[b"[" * 9999] * 4],
    "of no type": protocol.frames(KEY, protocol.header("verdict", "k"), {"outcome": "same"}, {"msg_id": "m1"}),
    "of another cell": protocol.frames(KEY, protocol.header("stream", "k"), {"name": "stdout", "text": "forged"}, {"msg_id": "m2"}),
    "of no cell": protocol.frames(KEY, protocol.header("stream", "k"), {"name": "stdout", "text": "forged"}, {}),
    "of wrong fields": protocol.frames(KEY, protocol.header("stream", "k"), {"name": ["stdout"], "text": 1}, {"msg_id": "m1"}),
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("channel", ["iopub", "shell"])
async def test_what_is_no_message_of_the_running_cell_changes_nothing(pair, what, channel):
    kernel, played = pair
    task = running(kernel)
    head, _ = await played.asked("shell")
    await played.raw(channel, HOSTILE[what])
    await played.say("iopub", "stream", {"name": "stdout", "text": "real"}, head)
    await played.ends(head)
    run = await asyncio.wait_for(task, 5)
    assert [output["text"] for output in run.outputs] == ["real"]


async def test_a_message_that_breaks_the_reader_costs_one_sameness(pair, monkeypatch):
    """A message that breaks the reader only makes the cell differ from its twin."""
    kernel, played = pair
    task = running(kernel)
    head, _ = await played.asked("shell")
    add, broken = kernel._running.outputs.add, [True]

    def once(*arguments):
        if broken.pop() if broken else False:
            raise RecursionError
        add(*arguments)

    monkeypatch.setattr(kernel._running.outputs, "add", once)
    await played.say("iopub", "stream", {"name": "stdout", "text": "lost"}, head)
    await played.say("iopub", "stream", {"name": "stdout", "text": "kept"}, head)
    await played.ends(head)
    run = await asyncio.wait_for(task, 5)
    assert [output["text"] for output in run.outputs] == ["kept"]
    assert run.outputs.dropped == 1


async def test_a_kernel_that_never_says_idle_is_not_waited_for_long(pair, monkeypatch):
    monkeypatch.setattr(kernel_module, "IDLE_S", 0.05)
    kernel, played = pair
    task = running(kernel)
    head, _ = await played.asked("shell")
    await played.say("shell", "execute_reply", {"status": "ok"}, head)
    assert not (await asyncio.wait_for(task, 5)).died


@pytest.mark.parametrize("channel", ["iopub", "shell"])
async def test_a_connection_that_is_lost_is_a_dead_kernel(pair, channel):
    """Every later cell was *differs*, ten seconds late, and nothing was held, until the kernel was started anew."""
    kernel, played = pair
    task = running(kernel)
    await played.asked("shell")
    played.sockets[channel].close(linger=0)
    assert (await asyncio.wait_for(task, 5)).died
    assert kernel.died.is_set()


async def test_a_frame_larger_than_may_be_read_ends_the_kernel(pair, monkeypatch):
    """One frame above the limit cut the output link, silently."""
    kernel, played = pair
    task = running(kernel)
    head, _ = await played.asked("shell")
    await played.raw("iopub", [b"x" * (kernel_module.MESSAGE + 1)])
    with contextlib.suppress(zmq.ZMQError):
        await played.ends(head)
    assert (await asyncio.wait_for(task, 20)).died


async def test_a_message_beyond_the_bounds_counts_as_dropped(pair):
    """So the cell is never the same as its twin, and reviewers are told."""
    kernel, played = pair
    task = running(kernel)
    head, _ = await played.asked("shell")
    deep = "x"
    for _ in range(100):
        deep = [deep]
    await played.say("iopub", "display_data", {"data": {"application/json": deep}, "metadata": {}}, head)
    await played.say("iopub", "stream", {"name": "stdout", "text": "kept"}, head)
    await played.ends(head)
    run = await asyncio.wait_for(task, 5)
    assert run.outputs.dropped == 1
    assert run.outputs.digest("inside") != run.outputs.digest("twin")
    assert [output["text"] for output in run.outputs] == ["kept"]


async def test_a_flood_does_not_keep_the_loop(pair):
    """An endless stream of messages left no turn for closing or interrupting."""
    kernel, played = pair
    task = running(kernel)
    head, _ = await played.asked("shell")
    most, last, ticking = 0.0, asyncio.get_running_loop().time(), True

    async def tick():
        nonlocal most, last
        while ticking:
            await asyncio.sleep(0)
            now = asyncio.get_running_loop().time()
            most, last = max(most, now - last), now

    watching = asyncio.create_task(tick())
    for _ in range(3000):
        await played.say("iopub", "stream", {"name": "stdout", "text": "x"}, head)
    await played.ends(head)
    await asyncio.wait_for(task, 30)
    ticking = False
    await watching
    assert most < 5


async def test_an_early_interrupt_comes_as_the_cell_begins(pair):
    """If a cell was interrupted before it began, it is interrupted as it begins."""
    kernel, played = pair
    task = running(kernel, interrupted=True)
    head, _ = await played.asked("shell")
    await played.say("iopub", "status", {"execution_state": "busy"}, head)
    asked, _ = await asyncio.wait_for(played.asked("control"), 5)
    assert asked["msg_type"] == "interrupt_request"
    await played.ends(head)
    await asyncio.wait_for(task, 5)


async def test_an_error_is_taken_with_its_class(pair):
    kernel, played = pair
    task = running(kernel)
    head, _ = await played.asked("shell")
    await played.say("iopub", "error", {"ename": "KeyError", "evalue": "rows", "traceback": ["Cell In[1], line 1"]}, head)
    await played.ends(head, "error")
    assert (await asyncio.wait_for(task, 5)).error["ename"] == "KeyError"


async def test_an_interrupt_waits_until_the_kernel_begins_the_cell(pair):
    """If it were sent at once, an idle kernel would ignore it, and the cell would run for ever."""
    kernel, played = pair
    task = running(kernel)
    head, _ = await played.asked("shell")
    await kernel.interrupt()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(played.asked("control"), 0.05)
    await played.say("iopub", "status", {"execution_state": "busy"}, head)
    asked, _ = await asyncio.wait_for(played.asked("control"), 5)
    assert asked["msg_type"] == "interrupt_request"
    await played.ends(head)
    await asyncio.wait_for(task, 5)


async def test_prompts_are_answered_and_what_they_ask_is_not_looked_at(pair):
    kernel, played = pair
    replies = ["first", "second"]

    async def prompt():
        return replies.pop(0)

    task = running(kernel, prompt=prompt)
    head, _ = await played.asked("shell")
    for expected in ("first", "second"):
        await played.say("stdin", "input_request", {"prompt": "rows", "password": False}, head)
        answered, content = await asyncio.wait_for(played.asked("stdin"), 5)
        assert (answered["msg_type"], content["value"]) == ("input_reply", expected)
    await played.ends(head)
    await asyncio.wait_for(task, 5)


async def test_prompts_do_not_heap_up(pair):
    """A hostile kernel that asks a thousand times has one question that waits."""
    kernel, played = pair
    asked, gate = [], asyncio.Event()

    async def prompt():
        asked.append(1)
        await gate.wait()
        return "x"

    task = running(kernel, prompt=prompt)
    head, _ = await played.asked("shell")
    for _ in range(1000):
        await played.say("stdin", "input_request", {"prompt": "", "password": False}, head)
    await played.say("iopub", "stream", {"name": "stdout", "text": "x"}, head)
    while not asked:
        await asyncio.sleep(0.001)
    await played.ends(head)
    await asyncio.wait_for(task, 5)
    assert len(asked) == 1


async def test_an_unanswered_prompt_interrupts_its_own_cell(pair):
    """A prompt without an answer interrupts its own cell, not the next one."""
    kernel, played = pair
    gate = asyncio.Event()

    async def late():
        await gate.wait()

    task = running(kernel, prompt=late)
    head, _ = await played.asked("shell")
    await played.say("iopub", "status", {"execution_state": "busy"}, head)
    await played.say("stdin", "input_request", {"prompt": "", "password": False}, head)
    await asyncio.sleep(0.05)
    await played.ends(head)
    await asyncio.wait_for(task, 5)
    following = running(kernel, 2)
    head, _ = await played.asked("shell")
    await played.say("iopub", "status", {"execution_state": "busy"}, head)
    gate.set()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(played.asked("control"), 0.1)
    await played.ends(head)
    await asyncio.wait_for(following, 5)


async def test_what_one_cell_says_late_is_not_the_next_ones(pair):
    kernel, played = pair
    task = running(kernel)
    first, _ = await played.asked("shell")
    await played.ends(first)
    await asyncio.wait_for(task, 5)
    following = running(kernel, 2)
    second, _ = await played.asked("shell")
    await played.say("iopub", "stream", {"name": "stdout", "text": "of the first"}, first)
    await played.say("shell", "execute_reply", {"status": "error"}, first)
    await played.ends(second)
    run = await asyncio.wait_for(following, 5)
    assert not run.outputs
    assert run.error is None
