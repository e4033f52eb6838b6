"""The pane's end of the link, against a switchboard played by the test: nothing lost, nothing twice, and no frame ends it."""

import asyncio
import contextlib

import pytest
from kernel_desk import catalogued
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from twinpane_ground import limits
from twinpane_kernel import pane_link as module
from twinpane_kernel.pane_link import PaneLink, Waiting
from twinpane_wire import messages as wire

S = "a" * 32
ANA = wire.Principal(user="ana", project="p")


def cell(number, source="1"):
    return wire.Cell(session=S, cell=number, msg_id="m", source=source)


def verdict(number, session=S):
    return wire.Verdict(session=session, cell=number, outcome="same", tick=0, left=1.0)


def ack(n):
    return wire.Link(session=S, code="ack", n=n)


class Board:
    """A switchboard: keeps what it hears, says what the test says."""

    def __init__(self):
        self.heard = []
        self.socket = None
        self.connections = 0
        self.greeting = [wire.Welcome(principal=ANA, sites=(self.site("a"), self.site("b", online=False)))]
        self.refuse = None
        self.token = None

    @staticmethod
    def site(name, online=True):
        return wire.SiteState(site=name, online=online)

    async def serve(self, socket):
        self.connections += 1
        self.token = socket.request.headers["Authorization"]
        self.path = socket.request.path
        if self.refuse:
            await socket.close(*self.refuse)
            return
        for message in self.greeting:
            await socket.send(message if isinstance(message, str | bytes) else wire.encode(message))
        self.socket = socket
        with contextlib.suppress(ConnectionClosed):
            async for frame in socket:
                self.heard.append(wire.decode(wire.ToSite, frame))

    async def say(self, message):
        await self.socket.send(message if isinstance(message, str | bytes) else wire.encode(message))

    async def cross(self, body, site="a"):
        await self.say(wire.FromSite(site=site, body=body))

    async def cut(self):
        socket, self.socket = self.socket, None
        await socket.close()

    def numbers(self, site="a"):
        return [message.n for message in self.heard if message.site == site and message.n]

    def received(self):
        return [each for message in self.heard if isinstance(message.body, wire.Received) for each in message.body.ids]


class Link:
    """A pane's link with its callbacks noted."""

    def __init__(self, url):
        self.states = []
        self.crossings = []
        self.fails = 0
        self.mirror = PaneLink(url, "the-token", "p", S, self.on_site, self.on_crossing)

    def on_site(self, state):
        if all(state.site != known.site for known in self.states):
            self.mirror.send(state.site, wire.Open(session=S, seed=1))
            for body in self.mirror.early:
                self.mirror.send(state.site, body)
        self.states.append(state)

    def on_crossing(self, site, body):
        if self.fails:
            self.fails -= 1
            raise OSError("no room on the disk")
        self.crossings.append((site, body))

    def online(self, site="a"):
        return [state.online for state in self.states if state.site == site][-1]


async def until(holds, seconds=8):
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.002)


@pytest.fixture
async def board():
    return Board()


@pytest.fixture
async def link(board, monkeypatch):
    monkeypatch.setattr(module, "STALLED_S", 0.02)
    async with serve(board.serve, "127.0.0.1", 0, max_size=limits.FRAME + 4096) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        made = Link(f"ws://127.0.0.1:{port}")
        task = asyncio.create_task(made.mirror.run())
        yield made
        assert not task.done(), "nothing may end the link"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def welcomed(link):
    await asyncio.wait_for(link.mirror.welcomed.wait(), 5)


async def test_each_sites_messages_are_numbered_without_gaps(board, link):
    """Messages are numbered from one without gaps for each site."""
    await welcomed(link)
    numbers = [link.mirror.send_all(cell(n)) for n in (1, 2)]
    assert numbers == [{"a": 2, "b": 2}, {"a": 3, "b": 3}]
    link.mirror.send("a", cell(9))
    await until(lambda: board.numbers("a") == [1, 2, 3, 4] and board.numbers("b") == [1, 2, 3])
    assert board.token == "token the-token"
    assert board.path == "/pane?project=p"


async def test_what_was_not_acknowledged_is_sent_again_in_order(board, link):
    """After a reconnect, unacknowledged messages are sent again in order."""
    await welcomed(link)
    for n in (1, 2, 3):
        link.mirror.send_all(cell(n))
    await until(lambda: board.numbers() == [1, 2, 3, 4])
    await board.cross(ack(2))
    await until(lambda: link.crossings)
    board.heard.clear()
    await board.cut()
    link.mirror.send_all(cell(4))
    await until(lambda: board.numbers() == [3, 4, 5])
    await until(lambda: board.numbers("b") == [1, 2, 3, 4, 5])


async def test_a_reconnect_claims_the_session_though_nothing_waits(board, link):
    """After a reconnect the session is spoken for, though nothing waits.

    A switchboard brings crossings to whoever spoke for the session last: a verdict on its way would else find nobody.
    """
    await welcomed(link)
    await until(lambda: board.numbers() == [1])
    await board.cross(ack(1), "a")
    await board.cross(ack(1), "b")
    await until(lambda: len(link.crossings) == 2)
    board.heard.clear()
    await board.cut()
    await until(lambda: {message.site for message in board.heard} == {"a", "b"})
    assert {type(message.body) for message in board.heard} == {wire.Received}


async def test_a_site_that_comes_back_gets_what_it_missed(board, link):
    await welcomed(link)
    link.mirror.send_all(cell(1))
    await until(lambda: board.numbers("b") == [1, 2])
    board.heard.clear()
    await board.say(board.site("b"))
    await until(lambda: board.numbers("b") == [1, 2])
    assert board.numbers("a") == []


async def test_a_site_that_lacks_something_gets_it_again(board, link):
    """It says the same number once more: what follows did not get onto its disk."""
    await welcomed(link)
    link.mirror.send_all(cell(1))
    await until(lambda: board.numbers() == [1, 2])
    await board.cross(ack(1))
    board.heard.clear()
    await board.cross(ack(1))
    await board.cross(ack(1))
    await until(lambda: board.numbers() == [2])
    await board.cross(ack(2))
    await asyncio.sleep(0.05)
    assert board.numbers() == [2]


async def test_what_happened_before_the_switchboard_is_not_lost(board, monkeypatch):
    """What happened before the switchboard was reached is not lost.

    Cells that ran while nobody answered go to each site once it is known, after its opening.
    """
    link = Link("ws://127.0.0.1:1")
    assert link.mirror.send_all(cell(1)) == {}
    assert link.mirror.send_all(cell(2)) == {}
    async with serve(board.serve, "127.0.0.1", 0) as server:
        link.mirror._url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/pane?project=p"
        task = asyncio.create_task(link.mirror.run())
        await until(lambda: board.numbers() == [1, 2, 3] and board.numbers("b") == [1, 2, 3])
        assert [type(m.body).__name__ for m in board.heard if m.site == "a" and m.n] == ["Open", "Cell", "Cell"]
        board.heard.clear()
        await board.cut()
        await until(lambda: board.numbers() == [1, 2, 3])
        task.cancel()


async def test_a_second_copy_is_dropped_and_said_to_be_received(board, link):
    """A second copy of a crossing is dropped, and is said to be received."""
    await welcomed(link)
    for _ in range(3):
        await board.cross(verdict(1))
    await board.cross(verdict(2))
    await until(lambda: len(board.received()) == 4)
    assert [body.cell for _, body in link.crossings] == [1, 2]


async def test_the_same_crossing_of_another_site_is_another(board, link):
    await welcomed(link)
    await board.cross(verdict(1), "a")
    await board.cross(verdict(1), "b")
    await until(lambda: len(link.crossings) == 2)


async def test_spent_is_said_to_be_received_and_acks_are_not(board, link):
    """Spent is said to be received, and acknowledgements are not."""
    await welcomed(link)
    await board.cross(wire.Link(session=S, code="spent", cell=3))
    await board.cross(wire.Link(session=S, code="opened", left=1))
    await until(lambda: len(link.crossings) == 2)
    await until(lambda: board.received() == [f"spent:{S}:3:0"])


async def test_a_crossing_that_could_not_be_acted_on_comes_again(board, link):
    """A release that found no room on the disk is not said to be received."""
    await welcomed(link)
    link.fails = 1
    await board.cross(verdict(1))
    await until(lambda: link.fails == 0)
    await board.cross(verdict(2))
    await until(lambda: board.received() == [f"verdict:{S}:2"])
    await board.cross(verdict(1))
    await until(lambda: len(link.crossings) == 2)


async def test_crossings_of_other_sessions_or_sites_are_ignored(board, link):
    """Crossings of other sessions and of unknown sites are ignored."""
    await welcomed(link)
    await board.cross(verdict(1, "c" * 32))
    await board.cross(verdict(1), "z")
    await board.cross(verdict(2))
    await until(lambda: link.crossings)
    assert [(site, body.cell) for site, body in link.crossings] == [("a", 2)]
    await until(lambda: board.received() == [f"verdict:{S}:2"])


@pytest.mark.parametrize("frame", [
    "", "x", "{}", "[]", b"\xff\xfe", '{"v":1,"kind":"verdict"}', '{"v":2,"kind":"welcome"}', "[" * 100_000,
    '{"v":1,"kind":"site","site":"../x"}',
])  # fmt: skip
async def test_frames_that_are_no_message_change_nothing(board, link, frame):
    await welcomed(link)
    before = len(link.states)
    await board.say(frame)
    await board.cross(verdict(1))
    await until(lambda: link.crossings)
    assert len(link.states) == before
    assert board.connections == 1


async def test_before_the_greeting_nothing_is_believed(board, link):
    await welcomed(link)
    board.greeting = ["x", wire.FromSite(site="a", body=verdict(7)), wire.FromSite(site="a", body=ack(99)), *board.greeting]
    await board.cut()
    board.heard.clear()
    await until(lambda: board.numbers() == [1])
    assert link.crossings == []


async def test_a_message_larger_than_the_link_carries_takes_no_number(board, link, monkeypatch):
    """Else every later message would wait for one that never comes."""
    await welcomed(link)
    monkeypatch.setattr(limits, "FRAME", 2000)
    with pytest.raises(wire.WireError):
        link.mirror.send_all(cell(1, "x" * 3000))
    assert link.mirror.send_all(cell(2)) == {"a": 2, "b": 2}


async def test_a_site_offline_too_long_is_lost_and_others_go_on(board, link, monkeypatch):
    """A site that is offline for too long is lost, and the others go on."""
    await welcomed(link)
    monkeypatch.setattr(module, "WAITING", 2500)
    for n in range(1, 7):
        link.mirror.send_all(cell(n, "x" * 300))
        await until(lambda n=n: board.numbers()[-1:] == [n + 1])
        await board.cross(ack(n + 1))
        await until(lambda n=n: len(link.crossings) == n)
    assert (link.mirror.lost("a"), link.mirror.lost("b")) == (False, True)
    board.heard.clear()
    await board.say(board.site("b"))
    link.mirror.send_all(cell(7))
    await until(lambda: board.numbers() == [8])
    assert board.numbers("b") == []


async def test_a_refusal_is_told_in_the_switchboards_words(board, link):
    """A refusal is shown in the switchboard's words. The pane does not try again at once."""
    await welcomed(link)
    board.refuse = (4003, "you are no member of project p")
    await board.cut()
    await until(lambda: link.mirror.refused)
    assert link.mirror.refused == "you are no member of project p"
    assert not link.online()
    before = board.connections
    await asyncio.sleep(0.5)
    assert board.connections - before <= 3
    board.refuse = None
    await until(lambda: link.online())
    assert link.mirror.refused == ""


async def test_while_the_switchboard_is_away_every_site_is(board, link):
    await welcomed(link)
    assert link.online("a")
    board.refuse = (1011, "")
    await board.cut()
    await until(lambda: not link.online("a"))


async def test_flush_ends_when_all_is_on_the_wire(board, link):
    await welcomed(link)
    link.mirror.send_all(cell(1))
    link.mirror.send_all(wire.Close(session=S))
    await asyncio.wait_for(link.mirror.flush(), 5)
    await until(lambda: board.numbers() == [1, 2, 3])


async def test_a_site_that_joins_the_project_later_is_taken_in(board, link):
    await welcomed(link)
    link.mirror.send_all(cell(1))
    await board.say(wire.SiteState(site="c", online=True, catalogued=catalogued("a")))
    await until(lambda: board.numbers("c") == [1])
    assert link.mirror.send_all(cell(2)) == {"a": 3, "b": 3, "c": 2}


def test_an_acknowledgement_from_the_past_changes_nothing():
    waiting = Waiting()
    for n in (1, 2, 3):
        waiting.add("a", cell(n))
    assert waiting.acknowledge(2) is False
    assert waiting.acknowledge(1) is False
    assert list(waiting.frames) == [3]
    assert waiting.acknowledge(2) is True
    assert waiting.acknowledge(3) is False
    assert (waiting.size, list(waiting.frames)) == (0, [])
    assert waiting.acknowledge(3) is False


async def test_a_token_goes_to_another_machine_encrypted_or_not_at_all():
    """Whoever is between could read it, and work as its owner."""
    mirror = PaneLink("ws://hub.example", "token", "p", S, lambda _: None, lambda *_: None)
    running = asyncio.create_task(mirror.run())
    async with asyncio.timeout(5):
        while not mirror.refused:
            await asyncio.sleep(0.001)
    assert "https://" in mirror.refused
    running.cancel()
