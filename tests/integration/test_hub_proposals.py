"""Projects are proposed to their sites over the link, and what stewards answer comes back to the hub's store."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from switchboard_desk import TOKEN, Desk, closed, hello, identify, nothing, public, told

from twinpane_hub.network import from_sites, life
from twinpane_hub.network.overview import project_rows
from twinpane_hub.network.store import NetworkStore
from twinpane_hub.projects import Directory, Project, Site, token_hash
from twinpane_hub.switchboard import CatalogueStore, PinnedKeys, Router, proposer, serving, switchboard
from twinpane_hub.switchboard.recorder import Recorder
from twinpane_wire.messages import Decline, FromAgent, Joined, ProjectState, Proposal, Proposed, Standing, decode, encode

NETWORK = Directory(
    projects={
        "first": Project(title="First", sites=("a", "b"), members=("ana",), tables={"lab": ("value",)}, expires=date(2100, 1, 1)),
        "second": Project(title="Second", sites=("b",), members=("ana",), expires=date(2100, 1, 1)),
    },
    sites={"a": Site(token_sha256=token_hash(TOKEN)), "b": Site(public_key=public("b"))},
)


class HubDesk(Desk):
    """A switchboard that proposes what a store holds."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.store = NetworkStore(f"sqlite:///{folder}/network.sqlite")
        self.store.change("ada", life.declared(NETWORK))
        self.router = Router(self.store, self.sessions, CatalogueStore(folder / "catalogues"))
        self.pins = PinnedKeys(folder / "pins")
        self.app = switchboard(self.router, identify, self.pins, proposes=True)

    def words(self) -> dict[str, tuple[str, list[str]]]:
        """Of each project: how it is, and what its sites said."""
        heard = from_sites.read(self.store.engine)
        return {row.id: (row.words, [site.words for site in row.sites]) for row in project_rows(self.store(), heard, date.today())}


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubDesk]:
    monkeypatch.setattr(proposer, "EVERY_S", 0.01)
    desk = HubDesk(tmp_path)
    try:
        async with serving(desk.app) as desk.url:
            yield desk
    finally:
        desk.sessions.close()


async def joined(socket: Any, site: str, token: str = "") -> tuple[str, ...]:
    await hello(socket, site, token)
    return decode(Joined, await told(socket)).projects


async def proposed(socket: Any) -> Proposal:
    return decode(Proposed, await told(socket)).proposal


async def test_a_site_is_proposed_its_projects_and_what_changes(desk: HubDesk) -> None:
    """All that name it when it joins, each again when it changes, and an end where it is taken out. Others' are none of its business."""
    async with desk.dial() as socket:
        assert await joined(socket, "a", TOKEN) == ("first",)
        first = await proposed(socket)
        assert (first.project, first.tables[0].columns, first.standpoint) == ("first", ("value",), "open")  # type: ignore[index]
        await nothing(socket)
        desk.store.change("ada", life.change_people("second", add_member=("ben",)))
        desk.store.change("ada", life.put_into("first", "suspended"))
        assert (await proposed(socket)).standpoint == "suspended"
        desk.store.change("ada", life.amend("first", sites=("b",)))
        assert (await proposed(socket)).standpoint == "ended"
        await nothing(socket)


async def test_each_stewards_answer_reaches_the_store(desk: HubDesk) -> None:
    """One site accepts, the other declines: the project is active with one. What a site says of others' projects is dropped."""
    assert desk.words()["first"] == ("proposed", ["no answer yet", "no answer yet"])
    recorder = Recorder(desk.router, desk.store.engine)
    async with desk.dial() as a, desk.dial() as b:
        await joined(a, "a", TOKEN)
        await joined(b, "b")
        asked = await proposed(a)
        yes = Standing(project="first", proposal=asked.digest(), state=ProjectState.accepted, researchers=("ana",), tables=asked.tables)
        no = Standing(project="first", proposal=asked.digest(), state=ProjectState.declined, decline=Decline.not_held)
        await a.send(encode(FromAgent(body=yes)))
        await a.send(encode(FromAgent(body=yes.model_copy(update={"project": "second"}))))
        await b.send(encode(FromAgent(body=no)))
        for socket in (a, b):
            await (await socket.ping())
        await recorder.keep(counts=True)
    assert desk.words() == {
        "first": ("active", ["accepted", "declined: it does not have the tables or columns asked for"]),
        "second": ("proposed", ["no answer yet"]),
    }
    assert not desk.router.standings
    assert desk.router.counts["a: word on a project without the site"] == 1
    assert set(from_sites.read(desk.store.engine).seen) == {"a", "b"}


@pytest.mark.parametrize(
    ("ends", "use_up", "words"),
    [
        (datetime(2020, 1, 1, tzinfo=UTC), False, "the one-time token expired on 2020-01-01 00:00 UTC"),
        (None, True, "the one-time token was used before"),
    ],
)
async def test_a_token_is_good_once_and_until_it_expires(desk: HubDesk, ends: datetime | None, use_up: bool, words: str) -> None:
    """A used one lets nobody in, also where the site's key was forgotten since. Before, it did."""
    desk.store.change("ada", life.amend_site("a", token_ends=ends))
    if use_up:
        async with desk.dial() as socket:
            await joined(socket, "a", TOKEN)
        assert desk.pins.forget("a")
    async with desk.dial() as socket:
        await hello(socket, "a", TOKEN)
        assert words in (await closed(socket))[1]
    desk.store.change("ada", life.invite("a", "n" * 40, datetime(2100, 1, 1, tzinfo=UTC)))
    async with desk.dial() as socket:
        assert await joined(socket, "a", "n" * 40) == ("first",)
