"""The relay on real sockets: bytes go through as they came, replies find their client, and no frame and no fault stops it."""

import asyncio
import json
import os
import tempfile
import threading

import pytest
import zmq
import zmq.asyncio
from kernel_desk import KEY, message

from twinpane_kernel import sockets
from twinpane_kernel.message import read
from twinpane_kernel.relay import Relay
from twinpane_sandbox import protocol

PORTS = {"shell_port": 1, "control_port": 2, "stdin_port": 3, "iopub_port": 4, "hb_port": 5}


def connection(place):
    """The sockets of one end."""
    return {"ip": place, "transport": "ipc", "key": KEY.decode(), **PORTS}


SESSION = "5e55" * 8
"""The session id of the clear kernel's messages."""


class Watching:
    """An observer that notes what it sees, and fails or keeps when told to."""

    def __init__(self):
        self.seen = []
        self.fails = False
        self.keeps = set()

    def _look(self, kind, shown):
        self.seen.append((kind, shown.msg_type))
        if self.fails:
            raise RuntimeError("a fault of the pane")
        return shown.msg_type not in self.keeps

    def on_request(self, channel, shown):
        return self._look(channel, shown)

    def on_reply(self, channel, shown):
        return self._look(f"reply {channel}", shown)

    def on_iopub(self, shown):
        return self._look("iopub", shown)

    def after_iopub(self, shown):
        self._look("after iopub", shown)


class Wires:
    """A relay between clients and a kernel that the test plays."""

    def __init__(self, folder):
        self.front, self.back = connection(f"{folder}/front"), connection(f"{folder}/back")
        self.context = zmq.asyncio.Context()
        self.relay = Relay(self.front, asyncio.get_running_loop(), SESSION)
        self.watch = Watching()
        self.kernel, self.ends = {}, []
        for name, kind in (("shell", zmq.ROUTER), ("control", zmq.ROUTER), ("stdin", zmq.ROUTER), ("iopub", zmq.PUB)):
            self.kernel[name] = self.context.socket(kind)
            self.kernel[name].bind(f"ipc://{folder}/back-{self.back[f'{name}_port']}")
        self.relay.start(self.watch)
        self.relay.connect(self.back)

    def client(self, channel, identity=b""):
        end = self.context.socket(zmq.SUB if channel == "iopub" else zmq.REQ if channel == "hb" else zmq.DEALER)
        self.ends.append(end)
        if identity:
            end.setsockopt(zmq.IDENTITY, identity)
        if channel == "iopub":
            end.subscribe(b"")
        end.connect(f"ipc://{self.front['ip']}-{self.front[f'{channel}_port']}")
        return end

    async def close(self):
        self.relay.close()
        for end in (*self.kernel.values(), *self.ends):
            end.close(linger=0)
        self.context.destroy(linger=0)


@pytest.fixture
async def wires():
    with tempfile.TemporaryDirectory(prefix="tpt-", dir="/tmp") as folder:  # socket paths end at 107 bytes
        made = Wires(folder)
        yield made
        await made.close()


async def got(end):
    return await asyncio.wait_for(end.recv_multipart(), 5)


def frames(msg_type="execute_request", content=None, **more):
    return list(message(msg_type, content or {}, **more).frames)


async def subscribed(wires):
    """A client of iopub that misses nothing from now on, and a kernel's iopub that the relay listens to."""
    end = wires.client("iopub")
    welcome = await got(end)
    assert b"iopub_welcome" in welcome[0] or b"iopub_welcome" in welcome[3]
    while not [1 for kind, _ in wires.watch.seen if kind == "iopub"]:
        await wires.kernel["iopub"].send_multipart([b"t", *frames("probe")])
        await asyncio.sleep(0.01)
    while await end.poll(50):
        await got(end)
    return end


@pytest.mark.parametrize("channel", ["shell", "control", "stdin"])
async def test_requests_and_replies_go_through_byte_for_byte(wires, channel):
    """Requests and replies go through as the bytes they came in.

    Odd JSON, buffers and all: what the relay does not understand it does not touch.
    """
    client = wires.client(channel, b"me")
    odd = [protocol.DELIMITER, b"signature", b'{"msg_type": "x",  "msg_id":"1"}', b"{ }", b"{}", b"not json", b"\x00" * 100_000, b""]
    await client.send_multipart(odd)
    received = await got(wires.kernel[channel])
    assert received[-len(odd) :] == odd
    assert received[-len(odd) - 1] == b"me"
    await wires.kernel[channel].send_multipart(received)
    assert await got(client) == odd


async def test_each_reply_finds_its_own_client(wires):
    first, second = wires.client("shell", b"one"), wires.client("shell", b"two")
    await first.send_multipart(frames("first"))
    await second.send_multipart(frames("second"))
    asked = [await got(wires.kernel["shell"]) for _ in range(2)]
    for parts in reversed(asked):
        await wires.kernel["shell"].send_multipart(parts)
    assert b'"first"' in (await got(first))[2]
    assert b'"second"' in (await got(second))[2]


async def test_iopub_and_the_panes_own_words_keep_their_order(wires):
    """IOPub messages keep their order, and the pane's own messages stay in their places."""
    end = await subscribed(wires)
    sent = [frames(f"m{n}") for n in range(300)]
    for parts in sent:
        await wires.kernel["iopub"].send_multipart([b"topic", *parts])
    received = [await got(end) for _ in sent]
    assert [parts[1:] for parts in received] == sent
    wires.relay.publish("display_data", {"x": 1}, b"{}")
    assert b"display_data" in (await got(end))[3]


@pytest.mark.parametrize("parts", [
    [b""], [b"x"], [b"a", b"b", b"c"], [protocol.DELIMITER], [protocol.DELIMITER, b"1", b"2", b"3", b"4"], [b"x"] * 20,
])  # fmt: skip
async def test_frames_that_are_no_message_go_nowhere_and_stop_nothing(wires, parts):
    client = wires.client("shell")
    await client.send_multipart(parts)
    await client.send_multipart(frames("after"))
    assert b'"after"' in (await got(wires.kernel["shell"]))[-4]
    assert [kind for _, kind in wires.watch.seen] == ["after"]


@pytest.mark.parametrize("header", [b"", b"{", b"[]", b"null", b'"x"', b"[" * 50_000, b"\xff\xfe", b'{"msg_type": 7, "msg_id": []}'])
def test_a_header_of_any_kind_can_be_read(header):
    shown = read([b"route", protocol.DELIMITER, b"s", header, header, b"{}", header])
    assert (shown.msg_type, shown.msg_id, shown.parent_id) == ("", "", "")
    assert shown.content == {} or shown.content == {"msg_type": 7, "msg_id": []}
    assert shown.route == (b"route",)


async def test_a_fault_of_the_pane_does_not_stop_the_notebook(wires):
    """What cannot be looked at still goes on to the other end."""
    end = await subscribed(wires)
    client = wires.client("shell")
    wires.watch.fails = True
    await client.send_multipart(frames("asked"))
    parts = await got(wires.kernel["shell"])
    await wires.kernel["shell"].send_multipart(parts)
    assert b'"asked"' in (await got(client))[2]
    said = frames("said")
    await wires.kernel["iopub"].send_multipart([b"t", *said])
    assert (await got(end))[1:] == said


async def test_what_the_observer_keeps_goes_no_further(wires):
    wires.watch.keeps = {"kept"}
    client = wires.client("shell")
    await client.send_multipart(frames("kept"))
    await client.send_multipart(frames("asked"))
    assert b'"asked"' in (await got(wires.kernel["shell"]))[-4]


async def test_the_pane_s_own_questions_are_answered_to_the_pane_alone(wires):
    wires.relay.ask("shell", "kernel_info_request", {})
    asked = await got(wires.kernel["shell"])
    shown = read(asked[1:])
    assert protocol.genuine(KEY, shown.frames)
    answer = protocol.frames(KEY, protocol.header("kernel_info_reply", "kernel"), {}, shown.header)
    assert wires.relay.asked(read(answer))
    assert not wires.relay.asked(message("x", {}, {"session": "a client's"}))
    await wires.kernel["shell"].send_multipart([asked[0], *answer])
    while ("reply shell", "kernel_info_reply") not in wires.watch.seen:
        await asyncio.sleep(0.002)


async def test_what_the_pane_answers_is_signed_and_goes_to_who_asked(wires):
    client = wires.client("control", b"me")
    await client.send_multipart(frames("ours"))
    while not wires.watch.seen:
        await asyncio.sleep(0.002)
    request = read([b"me", *frames("ours")])
    wires.relay.reply("control", request, "reply", {"status": "ok"})
    answered = read(await got(client))
    assert protocol.genuine(KEY, answered.frames)
    assert answered.content == {"status": "ok"}


async def test_a_flow_of_lines_is_passed_whole_in_order_in_gulps(wires, monkeypatch):
    """A flow of lines is passed on whole, in order and in gulps."""
    end = await subscribed(wires)
    monkeypatch.setattr(sockets, "GULP_S", 0.02)
    reads, receive = [], sockets.receive
    monkeypatch.setattr(sockets, "receive", lambda socket: reads.append(socket) or receive(socket))
    for number in range(60):
        await wires.kernel["iopub"].send_multipart([b"t", *frames("stream", {"text": f"{number}"})])
        await asyncio.sleep(0.001)  # one by one, as a kernel flushes them
    await wires.kernel["iopub"].send_multipart([b"t", *frames("status", {"execution_state": "idle"})])
    texts = [json.loads((await got(end))[-1])["text"] for _ in range(60)]
    assert texts == [f"{number}" for number in range(60)]
    assert json.loads((await got(end))[-1]) == {"execution_state": "idle"}
    assert len(reads) < 100, "a look for each message and one that finds none would be 120"


async def test_the_heartbeat_is_answered_at_once(wires):
    client = wires.client("hb")
    await client.send(b"ping")
    assert await asyncio.wait_for(client.recv(), 5) == b"ping"


async def test_to_clients_kernel_and_pane_are_one_session(wires):
    """JupyterLab drops what it has not handled of one session as soon as it hears another: a strip, or a widget, would be lost."""
    end = await subscribed(wires)
    wires.relay.publish("display_data", {}, b"{}")
    assert json.loads((await got(end))[3])["session"] == SESSION
    client = wires.client("shell", b"client")
    await client.send_multipart(frames("kernel_info_request"))
    await got(wires.kernel["shell"])  # the relay knows the client now
    wires.relay.reply("shell", message("kernel_info_request", {}), "kernel_info_reply", {})
    assert json.loads((await got(client))[2])["session"] == SESSION


async def test_what_the_pane_asks_is_told_from_what_clients_ask(wires):
    """Its own questions carry another session id, which no client has."""
    asked = wires.relay.ask("shell", "kernel_info_request", {})
    question = await got(wires.kernel["shell"])
    parent = json.loads(question[3])
    assert parent["msg_id"] == asked
    assert parent["session"] != SESSION


async def test_once_closed_it_keeps_no_thread_and_no_descriptor():
    """Before: its heartbeat's thread and 20 descriptors stayed for as long as the process."""
    held = []
    for _ in range(3):
        with tempfile.TemporaryDirectory(prefix="tpt-", dir="/tmp") as folder:
            made = Wires(folder)
            assert any(thread.name == "heartbeat" for thread in threading.enumerate())
            await made.close()
        for thread in [each for each in threading.enumerate() if each.name in ("heartbeat", "last words")]:
            thread.join(10)
            assert not thread.is_alive()
        held.append(len(os.listdir("/proc/self/fd")))
    assert held[1] == held[2]
