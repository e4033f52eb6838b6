"""The switchboard over real WebSockets, with panes and agents played by the test."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from twinpane_broker.catalogue import Catalogue
from twinpane_hub.projects import Directory, Project, Site
from twinpane_hub.switchboard import Board, Closing, Pins, Sessions, Shelf, Timing, board, local_switchboard, serving, switchboard
from twinpane_wire import limits
from twinpane_wire.code import Code
from twinpane_wire.hello import hello_message
from twinpane_wire.messages import (
    Catalogued,
    Cell,
    Challenge,
    Close,
    Export,
    ExportedItem,
    ExportState,
    ForAgent,
    FromAgent,
    FromSite,
    Joined,
    Link,
    LinkCode,
    Open,
    Principal,
    SiteHello,
    SiteState,
    ToPane,
    ToSite,
    Welcome,
    decode,
    encode,
)

TOKEN = "one-time-token-of-a"
KEYS = {site: Ed25519PrivateKey.generate() for site in ("a", "b", "c")}
S1, S2 = "1" * 32, "2" * 32
USERS = {"t-ana": "ana", "t-ben": "ben", "t-eve": "eve"}


def public(site: str) -> str:
    return KEYS[site].public_key().public_bytes_raw().hex()


DIRECTORY = Directory(
    projects={
        "first": Project(title="First", sites=("a", "b"), members=("ana", "ben"), expires=date.max),
        "second": Project(title="Second", sites=("b", "c"), members=("ana", "eve"), expires=date.max),
        "ended": Project(title="Ended", sites=("a",), members=("ana",), expires=date.today() - timedelta(days=2)),
    },
    sites={
        "a": Site(title="Hospital A", token_sha256=hashlib.sha256(TOKEN.encode()).hexdigest()),
        "b": Site(title="Hospital B", public_key=public("b")),
        "c": Site(public_key=public("c")),
    },
)


def identify(token: str, project: str) -> Principal | None:
    user = USERS.get(token)
    if user is None:
        return None
    DIRECTORY.admit(user, project, date.today())
    return Principal(user=user, project=project)


class Desk:
    """A running switchboard and its state folder."""

    def __init__(self, folder: Path, **timing: float) -> None:
        self.folder = folder
        self.sessions = Sessions(folder / "sessions.db")
        self.board = Board(lambda: DIRECTORY, self.sessions, Shelf(folder / "catalogues"))
        self.app = switchboard(self.board, identify, Pins(folder / "pins"), Timing(**timing))
        self.url = ""

    def pane(self, token: str = "t-ana", project: str = "first", **more: Any) -> Any:
        headers = {"Authorization": f"token {token}"} if token else {}
        return connect(f"{self.url}/pane?project={project}", additional_headers=headers, max_size=limits.FRAME, proxy=None, **more)

    def dial(self, **more: Any) -> Any:
        return connect(f"{self.url}/agent", max_size=limits.FRAME, proxy=None, **more)

    @contextlib.asynccontextmanager
    async def agent(self, site: str, token: str = "", key: Ed25519PrivateKey | None = None, **more: Any) -> AsyncIterator[ClientConnection]:
        async with self.dial(**more) as socket:
            await hello(socket, site, token, key)
            joined = decode(Joined, await told(socket))
            assert joined.projects == DIRECTORY.projects_of_site(site)
            yield socket


@contextlib.contextmanager
def opened(folder: Path, **timing: float) -> Iterator[Desk]:
    desk = Desk(folder, **timing)
    try:
        yield desk
    finally:
        desk.sessions.close()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    with opened(tmp_path) as desk:
        async with serving(desk.app) as desk.url:
            yield desk


async def told(socket: ClientConnection) -> str:
    async with asyncio.timeout(5):
        return str(await socket.recv())


async def pane_told(socket: ClientConnection) -> Any:
    return decode(ToPane, await told(socket))


def address_of(socket: ClientConnection) -> str:
    """The switchboard's own address on this machine."""
    return f"ws://127.0.0.1:{socket.remote_address[1]}"


async def hello(
    socket: ClientConnection, site: str, token: str = "", key: Ed25519PrivateKey | None = None, over: bytes | None = None, hub: str = ""
) -> None:
    nonce = decode(Challenge, await told(socket)).nonce
    key, hub = key or KEYS[site], hub or address_of(socket)
    signature = key.sign(over or hello_message(hub, site, nonce)).hex()
    public_key = key.public_key().public_bytes_raw().hex()
    await socket.send(encode(SiteHello(hub=hub, site=site, public_key=public_key, signature=signature, token=token)))


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """The close code and reason; what comes before it is passed over."""
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code or 0, socket.close_reason or ""


async def nothing(socket: ClientConnection) -> None:
    """Nothing waits for this end: what was sent before a ping came back would have come before it."""
    async with asyncio.timeout(5):
        await (await socket.ping())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await socket.recv()


def opening(session: str = S1, site: str = "b", n: int = 1) -> str:
    return encode(ToSite(site=site, n=n, body=Open(session=session, seed=7)))


def ack(session: str = S1, n: int = 1) -> str:
    return encode(FromAgent(body=Link(session=session, code=LinkCode.ack, n=n)))


def catalogued(site: str = "b", project: str = "first", persons: int = 100) -> Catalogued:
    catalogue = Catalogue(site=site, snapshot="s1", persons=persons, tables=())
    return Catalogued(
        project=project, catalogue=catalogue, code=Code(), environment={}, public_key=public(site), day_bits=1024, total_bits=16384
    )


# ------------------------------------------------------------ the way of a message


async def test_a_message_goes_to_its_site_under_the_hubs_principal_and_the_crossing_comes_back(desk: Desk) -> None:
    async with desk.agent("b") as agent, desk.pane() as pane:
        welcome = await pane_told(pane)
        assert isinstance(welcome, Welcome)
        assert welcome.principal == Principal(user="ana", project="first")
        assert [(s.site, s.title, s.online) for s in welcome.sites] == [("a", "Hospital A", False), ("b", "Hospital B", True)]
        await pane.send(opening())
        arrived = decode(ForAgent, await told(agent))
        assert arrived.principal == Principal(user="ana", project="first")
        assert (arrived.n, arrived.body) == (1, Open(session=S1, seed=7))
        await agent.send(ack())
        assert await pane_told(pane) == FromSite(site="b", body=Link(session=S1, code=LinkCode.ack, n=1))


async def test_each_pane_gets_the_crossings_of_its_own_sessions_only(desk: Desk) -> None:
    async with desk.agent("b") as agent, desk.pane("t-ana") as ana, desk.pane("t-ben") as ben:
        await pane_told(ana)
        await pane_told(ben)
        await ana.send(opening(S1))
        await told(agent)
        await ben.send(opening(S2))
        await told(agent)
        await agent.send(ack(S2))
        assert (await pane_told(ben)).body.session == S2
        await nothing(ana)


async def test_a_session_of_one_user_is_closed_to_every_other_even_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as desk:
        async with serving(desk.app) as desk.url, desk.agent("b") as agent, desk.pane("t-ana") as ana:
            await ana.send(opening())
            await told(agent)
            async with desk.pane("t-ben") as ben:
                await ben.send(opening())
                code, reason = await closed(ben)
                assert (code, reason) == (Closing.not_admitted, "this session is not yours")
    with opened(tmp_path) as desk:
        async with serving(desk.app) as desk.url, desk.agent("b") as agent:
            async with desk.pane("t-ben") as ben:
                await ben.send(opening())
                assert (await closed(ben))[0] == Closing.not_admitted
            async with desk.pane("t-ana", "second") as other:
                await other.send(opening())
                assert (await closed(other))[0] == Closing.not_admitted
            await nothing(agent)


async def test_a_pane_that_dials_in_again_goes_on_with_its_session(desk: Desk) -> None:
    async with desk.agent("b") as agent:
        async with desk.pane() as pane:
            await pane.send(opening())
            await told(agent)
        async with desk.pane() as pane:
            await pane_told(pane)
            await pane.send(opening())
            await told(agent)
            await agent.send(ack())
            assert isinstance(await pane_told(pane), FromSite)


async def test_a_pane_that_comes_back_with_nothing_to_say_still_gets_what_it_waits_for_and_others_do_not(tmp_path: Path) -> None:
    with opened(tmp_path) as desk:
        async with serving(desk.app) as desk.url, desk.agent("b") as agent, desk.pane() as pane:
            await pane.send(opening())
            await told(agent)
    with opened(tmp_path) as desk:
        async with serving(desk.app) as desk.url, desk.agent("b") as agent, desk.pane() as pane, desk.pane("t-ben") as ben:
            await pane_told(pane)
            await pane_told(ben)
            async with desk.pane("t-ana", "second") as other:
                await pane_told(other)
                await agent.send(ack())
                assert isinstance(await pane_told(pane), FromSite)
                await nothing(ben)
                await nothing(other)


async def test_a_crossing_without_a_pane_is_dropped_and_the_link_goes_on(desk: Desk) -> None:
    async with desk.agent("b") as agent:
        await agent.send(ack(S2))
        await nothing(agent)
        assert desk.board.counts["b: no pane for the session"] == 1


async def test_a_site_cannot_speak_into_a_project_that_does_not_name_it(desk: Desk) -> None:
    async with desk.agent("b") as b, desk.agent("c") as c, desk.pane() as pane:
        await pane_told(pane)
        await pane.send(opening(S1, "b"))
        await told(b)
        while (await nothing_or(pane)) is not None:
            pass
        await c.send(ack(S1))
        await nothing(c)
        await nothing(pane)
        assert desk.board.counts["c: session of a project without the site"] == 1


async def nothing_or(socket: ClientConnection) -> str | None:
    try:
        async with asyncio.timeout(0.05):
            return str(await socket.recv())
    except TimeoutError:
        return None


async def test_a_pane_cannot_reach_a_site_outside_its_project(desk: Desk) -> None:
    async with desk.agent("c") as agent, desk.pane() as pane:
        await pane.send(opening(S1, "c"))
        code, reason = await closed(pane)
        assert (code, reason) == (Closing.not_admitted, "site c is not in project first")
        await nothing(agent)


# ------------------------------------------------------------ who may dial in


@pytest.mark.parametrize(
    ("token", "project", "code", "words"),
    [
        ("", "first", Closing.not_proven, "no token"),
        ("t-nobody", "first", Closing.not_proven, "does not know this token"),
        ("t-eve", "first", Closing.not_admitted, "that you are a member of"),
        ("t-ana", "ended", Closing.not_admitted, "ended on"),
        ("t-ana", "", Closing.not_admitted, "that you are a member of"),
        ("t-ana", "../first", Closing.not_admitted, "that you are a member of"),
    ],
)
async def test_a_pane_is_let_in_by_the_hubs_word_only(desk: Desk, token: str, project: str, code: int, words: str) -> None:
    async with desk.pane(token, project) as pane:
        found, reason = await closed(pane)
        assert found == code
        assert words in reason


async def test_a_token_in_the_address_is_no_token(desk: Desk) -> None:
    async with connect(f"{desk.url}/pane?project=first&token=t-ana", proxy=None) as pane:
        assert (await closed(pane))[0] == Closing.not_proven


async def test_a_membership_that_ends_ends_the_link(tmp_path: Path) -> None:
    with opened(tmp_path, recheck=0.05) as desk:
        async with serving(desk.app) as desk.url, desk.pane("t-ben") as pane:
            await pane_told(pane)
            del USERS["t-ben"]
            try:
                assert (await closed(pane))[0] == Closing.not_proven
            finally:
                USERS["t-ben"] = "ben"


async def test_the_first_visit_needs_the_one_time_token_and_pins_the_key(desk: Desk) -> None:
    async with desk.dial() as agent:
        await hello(agent, "a", token="guess")
        code, reason = await closed(agent)
        assert code == Closing.not_proven
        assert "one-time token is wrong" in reason
    async with desk.agent("a", TOKEN):
        pass
    async with desk.agent("a"):
        pass
    async with desk.dial() as agent:
        await hello(agent, "a", token=TOKEN, key=Ed25519PrivateKey.generate())
        code, reason = await closed(agent)
        assert code == Closing.not_proven
        assert "known under another key" in reason


async def test_a_damaged_pin_is_not_a_first_visit(desk: Desk) -> None:
    (desk.folder / "pins" / "a.pub").write_text("")
    async with desk.dial() as agent:
        await hello(agent, "a", token=TOKEN)
        assert (await closed(agent))[0] == Closing.not_proven


async def test_a_site_without_token_and_key_is_refused(desk: Desk) -> None:
    async with desk.dial() as agent:
        await hello(agent, "b", key=Ed25519PrivateKey.generate())
        assert (await closed(agent))[0] == Closing.not_proven


async def test_a_signature_of_another_challenge_is_refused(desk: Desk) -> None:
    async with desk.dial() as agent:
        await hello(agent, "b", over=hello_message(address_of(agent), "b", "0" * 64))
        assert (await closed(agent))[0] == Closing.not_proven


async def test_a_signature_for_another_site_is_refused(desk: Desk) -> None:
    """One key proves one site, also where a key is listed for two."""
    async with desk.dial() as agent:
        nonce = decode(Challenge, await told(agent)).nonce
        signature = KEYS["b"].sign(hello_message(address_of(agent), "c", nonce)).hex()
        await agent.send(encode(SiteHello(hub=address_of(agent), site="b", public_key=public("b"), signature=signature)))
        assert (await closed(agent))[0] == Closing.not_proven


@pytest.mark.parametrize("hub", ["wss://hub.example/services/switchboard", "ws://127.0.0.1:1", "ws://LOCALHOST", ""])
async def test_a_site_that_dialled_another_hub_is_refused(desk: Desk, hub: str) -> None:
    async with desk.dial() as agent:
        await hello(agent, "b", hub=hub or f"{address_of(agent)}/elsewhere")
        code, reason = await closed(agent)
        assert (code, "none of this hub's" in reason) == (Closing.not_proven, True)


async def test_its_public_address_is_its_own_and_its_socket_is_not_for_who_comes_through_a_proxy(tmp_path: Path) -> None:
    """An address on this machine proves nothing of a site on another."""
    public_url = "wss://hub.example/services/switchboard"
    with opened(tmp_path) as desk:
        app = switchboard(desk.board, identify, Pins(None), addresses={public_url})
        async with serving(app) as desk.url:
            forwarded = {"additional_headers": {"X-Forwarded-For": "203.0.113.7"}}
            async with desk.dial(**forwarded) as agent:
                await hello(agent, "b", hub=public_url)
                decode(Joined, await told(agent))
            async with desk.dial(**forwarded) as agent:
                await hello(agent, "b")
                assert (await closed(agent))[0] == Closing.not_proven


async def test_a_site_that_is_not_listed_is_refused(desk: Desk) -> None:
    async with desk.dial() as agent:
        await hello(agent, "z", key=KEYS["a"])
        code, reason = await closed(agent)
        assert (code, reason) == (Closing.not_admitted, "site z is not listed at this hub")


@pytest.mark.parametrize("frame", ["", "{}", "x" * 4000, b"\x00\xff", '{"v":2,"kind":"hello"}'])
async def test_a_malformed_hello_ends_the_link(desk: Desk, frame: str | bytes) -> None:
    async with desk.dial() as agent:
        await agent.send(frame)
        assert (await closed(agent))[0] == Closing.malformed


async def test_before_its_hello_a_caller_may_say_little(desk: Desk) -> None:
    """A message of more than 4 KiB ends the link at its first bytes, whole or in pieces."""
    for message in ("x" * 5000, iter(["x" * 3000, "y" * 3000])):
        async with desk.dial() as agent:
            with contextlib.suppress(ConnectionClosed):
                await agent.send(message)
            assert (await closed(agent))[0] == 1009


async def test_a_caller_without_hello_is_cut_off(tmp_path: Path) -> None:
    with opened(tmp_path, hello=0.05) as desk:
        async with serving(desk.app) as desk.url, desk.dial() as agent:
            assert (await closed(agent))[0] == Closing.too_late


async def test_a_site_that_dials_in_again_replaces_its_older_link(desk: Desk) -> None:
    async with desk.pane() as pane, desk.agent("b") as older:
        await pane_told(pane)
        assert (await pane_told(pane)).online
        async with desk.agent("b") as newer:
            assert (await closed(older))[0] == Closing.replaced
            assert [(await pane_told(pane)).online for _ in range(2)] == [False, True]
            await pane.send(opening())
            assert decode(ForAgent, await told(newer)).n == 1


# ------------------------------------------------------------ what is malformed


@pytest.mark.parametrize(
    "frame",
    [
        "", "null", "[]", "{", b"\xff\xfe",
        json.dumps({"v": 1, "site": "b", "n": 1, "body": {"kind": "shell", "session": S1}}),
        json.dumps({"v": 2, "site": "b", "n": 1, "body": {"kind": "close", "session": S1}}),
        json.dumps({"v": 1, "site": "b", "n": 1, "principal": {"user": "ben", "project": "first"}, "body": {"kind": "close"}}),
        json.dumps({"v": 1, "site": "b", "n": 1, "principal": {}, "body": {"kind": "close", "session": S1}}),
        json.dumps({"v": 1, "site": "b", "n": -1, "body": {"kind": "close", "session": S1}}),
        json.dumps({"v": 1, "site": "b", "n": 1, "body": {"kind": "close", "session": "short"}}),
    ],
)
async def test_a_malformed_message_of_a_pane_ends_its_link_with_a_reason_and_reaches_no_site(desk: Desk, frame: str | bytes) -> None:
    async with desk.agent("b") as agent, desk.pane() as pane:
        await pane.send(frame)
        code, reason = await closed(pane)
        assert code == Closing.malformed
        assert "not one of the link's" in reason
        await nothing(agent)


async def test_a_malformed_message_of_an_agent_is_counted_and_dropped_and_nobody_else_is_told(desk: Desk) -> None:
    async with desk.agent("b") as agent, desk.pane() as pane:
        await pane_told(pane)
        await pane.send(opening())
        await told(agent)
        for frame in ("rows: 17", json.dumps({"v": 1, "body": {"kind": "rows", "session": S1}}), json.dumps({"v": 1, "body": {}})):
            await agent.send(frame)
        await agent.send(ack())
        assert isinstance(await pane_told(pane), FromSite)
        assert desk.board.counts["b: malformed"] == 3


async def test_a_frame_over_the_limit_ends_the_link(desk: Desk) -> None:
    async with desk.pane() as pane:
        with contextlib.suppress(ConnectionClosed):
            await pane.send("x" * (limits.FRAME + 10_000))
        assert (await closed(pane))[0] == 1009


# ------------------------------------------------------------ catalogues, online and offline


async def test_panes_are_told_when_a_site_comes_publishes_and_goes(desk: Desk) -> None:
    async with desk.pane() as pane:
        await pane_told(pane)
        async with desk.agent("b") as agent:
            assert await pane_told(pane) == SiteState(site="b", title="Hospital B", online=True)
            await agent.send(encode(FromAgent(body=catalogued())))
            assert (await pane_told(pane)).catalogued == catalogued()
        state = await pane_told(pane)
        assert (state.online, state.catalogued) == (False, catalogued())


async def test_the_catalogue_of_an_offline_site_is_known_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as desk:
        async with serving(desk.app) as desk.url, desk.agent("b") as agent:
            await agent.send(encode(FromAgent(body=catalogued())))
            await nothing(agent)
    (tmp_path / "catalogues" / "a.first.json").write_text('{"half": ')
    with opened(tmp_path) as desk:
        async with serving(desk.app) as desk.url, desk.pane() as pane:
            welcome = await pane_told(pane)
            assert {s.site: (s.online, s.catalogued) for s in welcome.sites} == {"a": (False, None), "b": (False, catalogued())}


@pytest.mark.parametrize("published", [catalogued("c"), catalogued("a"), catalogued("b", "ended"), catalogued("b", "nowhere")])
async def test_a_site_publishes_for_itself_and_its_own_projects_only(desk: Desk, published: Catalogued) -> None:
    async with desk.agent("b") as agent:
        await agent.send(encode(FromAgent(body=published)))
        await nothing(agent)
        assert desk.board.counts["b: catalogue of another site or project"] == 1
        assert not list((desk.folder / "catalogues").iterdir())


async def test_panes_of_other_projects_are_not_told_of_a_site(desk: Desk) -> None:
    async with desk.pane("t-eve", "second") as pane:
        await pane_told(pane)
        async with desk.agent("a", TOKEN):
            await nothing(pane)


# ------------------------------------------------------------ slow ends


async def test_a_pane_that_takes_nothing_loses_that_sites_crossings_only_and_is_told_to_ask_again(desk: Desk) -> None:
    """What one site floods costs that site's lane; other panes, and other sites towards this pane, go on. Before, the pane was cut off."""
    slow = {"max_queue": 1, "ping_interval": None}
    async with (
        desk.agent("b") as agent, desk.agent("a", TOKEN) as other, desk.pane("t-ben") as ben, desk.pane("t-ana", **slow) as ana,
    ):  # fmt: skip
        await ana.send(opening(S1))
        await told(agent)
        await ben.send(opening(S2))
        await told(agent)
        big = encode(FromAgent(body=Export(session=S1, request="0" * 32, state=ExportState.released, items=(item_of(3 * 2**20),))))
        async with asyncio.timeout(20):
            while not desk.board.counts["b: dropped for a pane that takes too little"]:
                await agent.send(big)
        await agent.send(ack(S2))
        await other.send(ack(S1))
        assert isinstance([await pane_told(ben) for _ in range(2)][-1], FromSite)
        states, crossings = [], []
        while not any(crossing.site == "a" for crossing in crossings):
            message = await pane_told(ana)
            if isinstance(message, SiteState) and message.site == "b":
                states.append(message.online)
            elif isinstance(message, FromSite):
                crossings.append(message)
        while states[-2:] != [False, True]:
            message = await pane_told(ana)
            if isinstance(message, SiteState) and message.site == "b":
                states.append(message.online)


async def test_of_a_sites_state_only_the_newest_waits_for_a_pane(desk: Desk) -> None:
    """Catalogue after catalogue costs a slow pane one of them, and no other site's word is delayed by more than that."""
    slow = {"max_queue": 1, "ping_interval": None}
    async with desk.agent("b") as agent, desk.agent("a", TOKEN) as other, desk.pane("t-ana", **slow) as ana:
        await ana.send(opening(S1))
        await told(agent)
        for version in range(8):
            await agent.send(encode(FromAgent(body=large_catalogue(version))))
        await other.send(ack(S1))
        async with asyncio.timeout(20):
            while desk.board._shelf.get("b", "first") != large_catalogue(7):
                await asyncio.sleep(0.01)
        seen = 0
        while True:
            message = await pane_told(ana)
            if isinstance(message, SiteState) and message.catalogued is not None:
                seen += 1
                if message.catalogued == large_catalogue(7):
                    break
        assert seen < 8


async def test_catalogues_are_taken_slowly_once_a_site_published_many(desk: Desk) -> None:
    """A site that publishes without end is heard at times, its newest then; its link goes on."""
    async with desk.agent("b") as agent:
        for version in range(30):
            await agent.send(encode(FromAgent(body=catalogued().model_copy(update={"day_bits": float(version)}))))
        await nothing(agent)
        assert desk.board._shelf.get("b", "first").day_bits < 10


async def test_a_catalogue_beyond_all_bounds_is_not_kept(desk: Desk) -> None:
    """It would fill every welcome of the project."""
    async with desk.agent("b") as agent, desk.pane() as pane:
        await agent.send(encode(FromAgent(body=large_catalogue(1, 9 * 2**20))))
        await agent.send(encode(FromAgent(body=catalogued())))
        while (state := await pane_told(pane)) and getattr(state, "catalogued", None) is None:
            continue
        assert state.catalogued == catalogued()
        assert desk.board.counts["b: catalogue too large, or the same again"] == 1


async def test_large_catalogues_come_after_the_welcome(desk: Desk) -> None:
    """A pane comes in whatever its sites have published. Before, catalogues of together 24 MiB kept every pane of the project out."""
    async with desk.agent("b") as agent, desk.agent("a", TOKEN) as other:
        await agent.send(encode(FromAgent(body=large_catalogue(1))))
        await other.send(encode(FromAgent(body=large_catalogue(1, site="a"))))
        async with asyncio.timeout(20):
            while not (desk.board._shelf.get("a", "first") and desk.board._shelf.get("b", "first")):
                await asyncio.sleep(0.01)
        async with desk.pane() as pane:
            welcome = await pane_told(pane)
            assert [(state.online, state.catalogued) for state in welcome.sites] == [(True, None), (True, None)]
            later = {state.site: state.catalogued for state in [await pane_told(pane), await pane_told(pane)]}
            assert later == {site: large_catalogue(1, site=site) for site in ("a", "b")}


async def test_a_user_has_a_bounded_number_of_panes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One token cannot hold any number of links with a large unfinished message each; others still come in."""
    monkeypatch.setattr(board, "PANES", 2)
    async with desk.pane() as first, desk.pane() as second, desk.pane() as third:
        await pane_told(first)
        await pane_told(second)
        assert (await closed(third))[0] == Closing.too_slow
        async with desk.pane("t-ben") as ben:
            await pane_told(ben)


def large_catalogue(version: int, size: int = 7 * 2**20, site: str = "b") -> Catalogued:
    """A catalogue of about that many bytes."""
    small = catalogued(site)
    snapshot = f"{version}".ljust(40, "x")
    packages = {f"{n}-".ljust(1000, "p"): "1" for n in range(size // 1010)}
    return small.model_copy(update={"catalogue": small.catalogue.model_copy(update={"snapshot": snapshot}), "environment": packages})


def item_of(size: int) -> ExportedItem:
    return ExportedItem(index=0, cell=1, path=None, form="text", name="out.txt", content="AAAA" * (size // 4), sha256="0" * 64, receipt="r")


async def test_a_site_that_takes_nothing_is_cut_off_and_holds_back_only_the_pane_that_floods_it(tmp_path: Path) -> None:
    with opened(tmp_path, stalled=0.5) as desk:
        stuck = {"max_queue": 1, "ping_interval": None}
        async with (
            serving(desk.app) as desk.url, desk.agent("b", **stuck) as slow, desk.agent("a", TOKEN) as quick,
            desk.pane("t-ana") as ana, desk.pane("t-ben") as ben,
        ):  # fmt: skip
            cell = encode(ToSite(site="b", n=1, body=Cell(session=S1, cell=1, msg_id="m", source="x" * 10**6)))

            async def pour() -> None:
                with contextlib.suppress(ConnectionClosed):
                    for _ in range(80):
                        await ana.send(cell)

            pouring = asyncio.create_task(pour())
            await ben.send(encode(ToSite(site="a", n=1, body=Close(session=S2))))
            assert decode(ForAgent, await told(quick)).principal.user == "ben"
            await pouring
            assert (await closed(ana))[0] in (Closing.too_slow, 1006)
            assert (await closed(slow))[0] in (Closing.too_slow, 1006)
            await pane_told(ben)


# ------------------------------------------------------------ the local switchboard


async def test_the_local_switchboard_knows_one_token_one_project_and_its_sites() -> None:
    app = local_switchboard("run", "me", {"b": public("b")}, "secret")
    async with serving(app) as url:
        for token, project in (("wrong", "run"), ("secret", "first")):
            async with connect(f"{url}/pane?project={project}", additional_headers={"Authorization": f"token {token}"}, proxy=None) as pane:
                assert (await closed(pane))[0] == Closing.not_proven
        async with connect(f"{url}/pane?project=run", additional_headers={"Authorization": "Bearer secret"}, proxy=None) as pane:
            assert (await pane_told(pane)).principal == Principal(user="me", project="run")
            async with connect(f"{url}/agent", proxy=None) as agent:
                await hello(agent, "b")
                assert decode(Joined, await told(agent)).projects == ("run",)


