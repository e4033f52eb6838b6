"""The switchboard over real WebSockets, with panes and agents played by the test."""

import asyncio
import contextlib
import json
from pathlib import Path

import pytest
from switchboard_desk import S1, S2, TOKEN, Desk, ack, catalogued, closed, hello, nothing, opened, opening, pane_told, public, told
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from twinpane_ground import limits
from twinpane_hub.switchboard import Closing, local_switchboard, router, serving
from twinpane_wire.messages import (
    Catalogued,
    Cell,
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
    SiteState,
    ToSite,
    Welcome,
    decode,
    encode,
)

# ------------------------------------------------------------ the way of a message


async def test_a_message_goes_to_its_site_and_the_crossing_comes_back(desk: Desk) -> None:
    """A message goes to its site under the hub's principal, and the crossing comes back."""
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


async def test_a_session_is_closed_to_every_other_user(tmp_path: Path) -> None:
    """One user's session is closed to every other user, even after a restart."""
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


async def test_a_silent_pane_that_comes_back_gets_what_it_waits_for(tmp_path: Path) -> None:
    """A pane that comes back and sends nothing still gets its crossings, and other panes do not."""
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


async def test_a_crossing_without_a_pane_is_dropped_alone(desk: Desk) -> None:
    """A crossing without a pane is dropped, and the link goes on."""
    async with desk.agent("b") as agent:
        await agent.send(ack(S2))
        await nothing(agent)
        assert desk.router.counts["b: no pane for the session"] == 1


async def test_a_site_speaks_only_into_projects_that_name_it(desk: Desk) -> None:
    """A site cannot speak into a project that does not name it."""
    async with desk.agent("b") as b, desk.agent("c") as c, desk.pane() as pane:
        await pane_told(pane)
        await pane.send(opening(S1, "b"))
        await told(b)
        while (await nothing_or(pane)) is not None:
            pass
        await c.send(ack(S1))
        await nothing(c)
        await nothing(pane)
        assert desk.router.counts["c: session of a project without the site"] == 1


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
        "",
        "null",
        "[]",
        "{",
        b"\xff\xfe",
        json.dumps({"v": 1, "site": "b", "n": 1, "body": {"kind": "shell", "session": S1}}),
        json.dumps({"v": 2, "site": "b", "n": 1, "body": {"kind": "close", "session": S1}}),
        json.dumps({"v": 1, "site": "b", "n": 1, "principal": {"user": "ben", "project": "first"}, "body": {"kind": "close"}}),
        json.dumps({"v": 1, "site": "b", "n": 1, "principal": {}, "body": {"kind": "close", "session": S1}}),
        json.dumps({"v": 1, "site": "b", "n": -1, "body": {"kind": "close", "session": S1}}),
        json.dumps({"v": 1, "site": "b", "n": 1, "body": {"kind": "close", "session": "short"}}),
    ],
)
async def test_a_malformed_message_of_a_pane_ends_its_link(desk: Desk, frame: str | bytes) -> None:
    """A malformed message from a pane ends its link with a reason, and reaches no site."""
    async with desk.agent("b") as agent, desk.pane() as pane:
        await pane.send(frame)
        code, reason = await closed(pane)
        assert code == Closing.malformed
        assert "not one of the link's" in reason
        await nothing(agent)


async def test_a_malformed_message_of_an_agent_is_counted_and_dropped(desk: Desk) -> None:
    """A malformed message from an agent is counted and dropped. Nobody else is told."""
    async with desk.agent("b") as agent, desk.pane() as pane:
        await pane_told(pane)
        await pane.send(opening())
        await told(agent)
        for frame in ("rows: 17", json.dumps({"v": 1, "body": {"kind": "rows", "session": S1}}), json.dumps({"v": 1, "body": {}})):
            await agent.send(frame)
        await agent.send(ack())
        assert isinstance(await pane_told(pane), FromSite)
        assert desk.router.counts["b: malformed"] == 3


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


async def test_an_offline_sites_catalogue_is_known_after_a_restart(tmp_path: Path) -> None:
    """The catalogue of an offline site is known after a restart."""
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
        assert desk.router.counts["b: catalogue of another site or project"] == 1
        assert not list((desk.folder / "catalogues").iterdir())


async def test_panes_of_other_projects_are_not_told_of_a_site(desk: Desk) -> None:
    async with desk.pane("t-eve", "second") as pane:
        await pane_told(pane)
        async with desk.agent("a", TOKEN):
            await nothing(pane)


# ------------------------------------------------------------ slow ends


async def test_a_pane_that_takes_nothing_loses_one_sites_crossings(desk: Desk) -> None:
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
            while not desk.router.counts["b: dropped for a pane that takes too little"]:
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
            while desk.router._catalogues.get("b", "first") != large_catalogue(7):
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
        assert desk.router._catalogues.get("b", "first").day_bits < 10


async def test_a_catalogue_beyond_all_bounds_is_not_kept(desk: Desk) -> None:
    """It would fill every welcome of the project."""
    async with desk.agent("b") as agent, desk.pane() as pane:
        await agent.send(encode(FromAgent(body=large_catalogue(1, 9 * 2**20))))
        await agent.send(encode(FromAgent(body=catalogued())))
        while (state := await pane_told(pane)) and getattr(state, "catalogued", None) is None:
            continue
        assert state.catalogued == catalogued()
        assert desk.router.counts["b: catalogue too large, or the same again"] == 1


async def test_large_catalogues_come_after_the_welcome(desk: Desk) -> None:
    """A pane comes in whatever its sites have published. Before, catalogues of together 24 MiB kept every pane of the project out."""
    async with desk.agent("b") as agent, desk.agent("a", TOKEN) as other:
        await agent.send(encode(FromAgent(body=large_catalogue(1))))
        await other.send(encode(FromAgent(body=large_catalogue(1, site="a"))))
        async with asyncio.timeout(20):
            while not (desk.router._catalogues.get("a", "first") and desk.router._catalogues.get("b", "first")):
                await asyncio.sleep(0.01)
        async with desk.pane() as pane:
            welcome = await pane_told(pane)
            assert [(state.online, state.catalogued) for state in welcome.sites] == [(True, None), (True, None)]
            later = {state.site: state.catalogued for state in [await pane_told(pane), await pane_told(pane)]}
            assert later == {site: large_catalogue(1, site=site) for site in ("a", "b")}


async def test_a_user_has_a_bounded_number_of_panes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One token cannot hold any number of links with a large unfinished message each; others still come in."""
    monkeypatch.setattr(router, "PANES", 2)
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


async def test_a_site_that_takes_nothing_is_cut_off(tmp_path: Path) -> None:
    """A site that reads nothing is cut off. It delays only the pane that floods it."""
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


async def test_the_local_switchboard_knows_one_token_and_one_project() -> None:
    """The local switchboard knows one token, one project and its sites."""
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
