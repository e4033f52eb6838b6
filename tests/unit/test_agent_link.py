"""The agent's end of the link, against a switchboard played by the test: it proves itself, and no frame of a hostile one stops it."""

import asyncio
import contextlib
from datetime import date

import pytest
from agent_desk import ANA, KEY, S, cell
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from twinpane_site.errors import ConfigError
from twinpane_site.keys import verify
from twinpane_site.link import SiteLink
from twinpane_wire import messages as wire
from twinpane_wire.hello import hello_message

NONCE = "0" * 64


class Board:
    """A switchboard that says what the test says."""

    def __init__(self):
        self.openings = [wire.Challenge(nonce=NONCE)]
        self.after_hello = [wire.Joined(projects=("p",))]
        self.close = None
        self.hellos = []
        self.heard = []
        self.sockets = []

    async def serve(self, socket):
        with contextlib.suppress(ConnectionClosed):
            self.sockets.append(socket)
            for message in self.openings:
                await socket.send(message if isinstance(message, str | bytes) else wire.encode(message))
            self.hellos.append(wire.decode(wire.SiteHello, await socket.recv()))
            if self.close:
                await socket.close(*self.close)
                return
            for message in self.after_hello:
                await socket.send(message if isinstance(message, str | bytes) else wire.encode(message))
            async for frame in socket:
                self.heard.append(wire.decode(wire.FromAgent, frame))

    async def say(self, frame):
        await self.sockets[-1].send(frame if isinstance(frame, str | bytes) else wire.encode(frame))


class Site:
    def __init__(self, url):
        self.joined, self.messages, self.refusals, self.proposals = [], [], [], []
        self.fails = False
        self.url = url
        self.link = SiteLink(
            url, "a", KEY, "one-time", self.joined.append, self.take, self.refusals.append, lambda: False, self.proposals.append
        )

    def take(self, message):
        if self.fails:
            raise RuntimeError("a fault of the agent")
        self.messages.append(message)


async def until(holds, seconds=8):
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.002)


@pytest.fixture
async def board():
    return Board()


@contextlib.asynccontextmanager
async def dialled(board):
    async with serve(board.serve, "127.0.0.1", 0) as server:
        site = Site(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}")
        task = asyncio.create_task(site.link.run())
        yield site
        assert not task.done(), "nothing may end the link"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_it_proves_its_key_for_this_hub_and_nonce_alone(board):
    """The agent's proof of its key is valid only for this hub, this site and this nonce."""
    async with dialled(board) as site:
        await until(lambda: site.joined)
    [hello] = board.hellos
    assert hello.hub == site.url
    assert verify(KEY.public_hex, hello_message(site.url, "a", NONCE), hello.signature)
    for other in (("wss://hub.example", "a", NONCE), (site.url, "b", NONCE), (site.url, "a", "1" * 64)):
        assert not verify(KEY.public_hex, hello_message(*other), hello.signature)
    assert (hello.site, hello.public_key, hello.token) == ("a", KEY.public_hex, "one-time")
    assert site.joined == [("p",)]


@pytest.mark.parametrize("url", ["ws://hub.example/services/switchboard", "ws://10.0.0.1:8000", "ws://127.0.0.1.example"])
def test_another_machine_is_dialled_encrypted_or_not_at_all(url):
    """The one-time token is never sent where others can read it, and nobody between can pass for the hub."""
    with pytest.raises(ConfigError, match="https://"):
        Site(url)


@pytest.mark.parametrize("url", ["wss://hub.example/services/switchboard", "ws://127.0.0.1:8000", "ws://localhost:1", "ws://[::1]:1"])
def test_encrypted_or_on_this_machine_is_dialled(url):
    assert Site(url).link is not None


@pytest.mark.slow
@pytest.mark.parametrize("opening", ["x", "", "{}", b"\xff", '{"v":1,"kind":"challenge","nonce":"sign this"}', "[" * 100_000])
async def test_a_false_challenge_is_not_signed_and_it_dials_again(board, opening):
    """A challenge without the right form is not signed, and the site dials again."""
    board.openings = [opening]
    async with dialled(board) as site:
        await until(lambda: len(board.sockets) >= 2)
        assert board.hellos == []
        board.openings = [wire.Challenge(nonce=NONCE)]
        await until(lambda: site.joined)


async def test_a_proposal_comes_apart_from_messages(board):
    """And one that is none, or too large, changes nothing."""
    proposal = wire.Proposal(project="p", title="A", expires=date(2030, 1, 1))
    async with dialled(board) as site:
        await until(lambda: site.joined)
        await board.say(wire.encode(wire.Proposed(proposal=proposal)).replace("2030-01-01", "soon"))
        await board.say(wire.Proposed(proposal=proposal))
        await board.say(wire.ForAgent(principal=ANA, n=1, body=cell(1)))
        await until(lambda: site.messages)
        assert site.proposals == [proposal]
        assert len(board.sockets) == 1


@pytest.mark.parametrize("frame", [
    "", "x", "{}", b"\xff\xfe", '{"v":1}', '{"v":1,"principal":{"user":"ana","project":"p"},"n":1,"body":{"kind":"shell","command":"id"}}',
    '{"v":1,"principal":{"user":"../x","project":"p"},"n":1,"body":{"kind":"close","session":"' + S + '"}}', "[" * 100_000,
])  # fmt: skip
async def test_frames_that_are_no_message_change_nothing(board, frame):
    async with dialled(board) as site:
        await until(lambda: site.joined)
        await board.say(frame)
        await board.say(wire.ForAgent(principal=ANA, n=1, body=cell(1)))
        await until(lambda: site.messages)
        assert len(site.messages) == 1
        assert len(board.sockets) == 1
        assert board.heard == []


async def test_a_fault_over_one_message_does_not_end_the_site(board):
    async with dialled(board) as site:
        await until(lambda: site.joined)
        site.fails = True
        await board.say(wire.ForAgent(principal=ANA, n=1, body=cell(1)))
        await board.say(wire.ForAgent(principal=ANA, n=2, body=cell(2)))
        site.fails = False
        await until(lambda: site.messages)


@pytest.mark.parametrize("code", [4001, 4003])
async def test_a_refusal_reaches_the_steward_and_nothing_crosses(board, code):
    """A refusal is told to the steward, and nothing has crossed."""
    board.close = (code, "the key of site a is another")
    async with dialled(board) as site:
        await until(lambda: site.refusals)
        assert site.refusals[0] == "the key of site a is another"
        site.link.send(wire.Link(session=S, code="ack", n=1))
        assert site.joined == []
        assert board.heard == []


async def test_before_it_joined_nothing_is_sent(board):
    board.after_hello = []
    async with dialled(board) as site:
        await until(lambda: board.hellos)
        site.link.send(wire.Link(session=S, code="ack", n=1))
        await board.say(wire.Joined(projects=("p",)))
        await until(lambda: site.joined)
        site.link.send(wire.Link(session=S, code="ack", n=2))
        await until(lambda: board.heard)
        assert [message.body.n for message in board.heard] == [2]


async def test_after_a_cut_it_dials_again_at_once_and_joins_anew(board):
    async with dialled(board) as site:
        for n in range(1, 5):
            await until(lambda n=n: len(site.joined) == n, 2)
            await board.sockets[-1].close()


async def test_two_agents_of_one_site_do_not_chase_each_other(board):
    async with dialled(board) as site:
        await until(lambda: site.joined)
        await board.sockets[-1].close(4009, "dialled in again")
        await asyncio.sleep(0.4)
        assert len(board.sockets) == 1


async def test_an_unknown_message_is_not_sent_again_at_once(board):
    """The agent does not resend at once a message that the switchboard does not know."""
    async with dialled(board) as site:
        await until(lambda: site.joined)
        await board.sockets[-1].close(4000, "malformed")
        await asyncio.sleep(0.4)
        assert len(board.sockets) == 1


async def test_a_close_is_answered_a_drawn_time_later(board):
    """A hub could else time the agent's loop by it: 0.3 ms before, to a tenth of one."""
    async with dialled(board) as site:
        await until(lambda: site.joined)
        began = asyncio.get_running_loop().time()
        await board.sockets[-1].close(4009, "dialled in again")
        assert asyncio.get_running_loop().time() - began > 0.05
