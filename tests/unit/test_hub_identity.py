"""Who a pane is, is the hub's word, for the project of the token's own server only."""

import asyncio
from datetime import date
from typing import Any

import httpx
import pytest

from twinpane_hub import hub_identity
from twinpane_hub.hub_identity import HubIdentity, may_enter
from twinpane_hub.projects import Directory, NotAdmitted, Project, Site
from twinpane_wire.messages import Principal

DIRECTORY = Directory(
    projects={
        "first": Project(title="First", sites=("a",), members=("ana",), expires=date.max),
        "second": Project(title="Second", sites=("a",), members=("ana",), expires=date.max),
        "ended": Project(title="Ended", sites=("a",), members=("ana",), expires=date(2020, 1, 1)),
    },
    sites={"a": Site()},
)


def model(name: str = "ana", scopes: Any = ("access:servers!server=ana/first",), kind: str = "user") -> dict[str, Any]:
    return {"kind": kind, "name": name, "scopes": list(scopes) if isinstance(scopes, tuple) else scopes}


def hub(reply: dict[str, Any] | list[str] | str | int, asked: list[httpx.Request] | None = None) -> HubIdentity:
    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        if isinstance(reply, str):
            return httpx.Response(200, text=reply)
        return httpx.Response(reply) if isinstance(reply, int) else httpx.Response(200, json=reply)

    return HubIdentity("http://hub.test/hub/api", lambda: DIRECTORY, httpx.MockTransport(answer))


async def test_a_servers_token_is_its_owners_in_its_project() -> None:
    """The token of a server is its owner's in that server's project."""
    asked: list[httpx.Request] = []
    assert await hub(model(), asked)("T", "first") == Principal(user="ana", project="first")
    assert (str(asked[0].url), asked[0].headers["authorization"]) == ("http://hub.test/hub/api/user", "token T")


async def test_a_servers_token_opens_its_own_project_only() -> None:
    """The token of one project's server does not open another project of the same person."""
    with pytest.raises(NotAdmitted, match="not for project 'second'"):
        await hub(model())("T", "second")


async def test_a_word_of_the_hub_that_is_no_user_admits_nobody() -> None:
    """What a proxy says in the hub's place may be a page, or any JSON."""
    with pytest.raises(NotAdmitted, match="does not answer"):
        await hub("<html>")("T", "first")
    assert await hub(["ana"])("T", "first") is None


async def test_a_persons_token_admits_to_their_projects_until_they_end() -> None:
    """A person's own token admits to each of their projects until that project ends."""
    mine = hub(model(scopes=("access:servers!user=ana", "self")))
    assert await mine("T", "second") == Principal(user="ana", project="second")
    with pytest.raises(NotAdmitted, match="ended"):
        await mine("T", "ended")
    with pytest.raises(NotAdmitted, match="member"):
        await mine("T", "nowhere")


@pytest.mark.parametrize(
    "scopes",
    [(), ("access:servers!server=ben/first",), ("access:servers!server=ana/first2",), ("read:users!user=ana",), None, "access:servers"],
)
async def test_a_token_that_may_not_enter_the_server_is_no_ticket(scopes: Any) -> None:
    with pytest.raises(NotAdmitted):
        await hub(model(scopes=scopes))("T", "first")


@pytest.mark.parametrize("reply", [401, 403, 404, model(kind="service"), model(name="../ana"), model(name=""), {"kind": "user"}, {}])
async def test_what_the_hub_does_not_vouch_for_as_a_person_is_nobody(reply: Any) -> None:
    assert await hub(reply)("T", "first") is None


async def test_somebody_else_is_no_member() -> None:
    with pytest.raises(NotAdmitted, match="member"):
        await hub(model(name="eve", scopes=("access:servers!server=eve/first",)))("T", "first")


async def test_a_hub_that_is_down_lets_nobody_in_and_is_asked_again() -> None:
    asked: list[httpx.Request] = []
    broken = hub(503, asked)
    for _ in range(2):
        with pytest.raises(NotAdmitted, match="does not answer"):
            await broken("T", "first")
    assert len(asked) == 2


async def test_the_hubs_word_is_kept_for_a_moment_and_by_token() -> None:
    asked: list[httpx.Request] = []
    identity = hub(model(), asked)
    for token in ("T", "T", "U"):
        await identity(token, "first")
    assert len(asked) == 2


def test_the_scope_of_a_server_is_compared_whole() -> None:
    assert may_enter(["access:servers!server=ana/first"], "ana", "first")
    assert not may_enter(["access:servers!server=ana/first"], "ana", "fir")
    assert not may_enter(["servers!server=ana/first"], "ana", "first")


@pytest.mark.slow
async def test_made_up_tokens_do_not_crowd_out_who_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before: each was asked about at once and kept for 20 s, and the whole list was copied for each."""
    monkeypatch.setattr(hub_identity, "CACHE", 0.0)
    free, under_way, most = asyncio.Event(), 0, 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        if request.headers["authorization"] == "token T":
            return httpx.Response(200, json=model())
        under_way, most = under_way + 1, max(most, under_way + 1)
        await free.wait()
        under_way -= 1
        return httpx.Response(403)

    identify = HubIdentity("http://hub.test/hub/api", lambda: DIRECTORY, httpx.MockTransport(answer))
    ana = Principal(user="ana", project="first")
    assert await identify("T", "first") == ana
    made_up = [asyncio.create_task(identify(f"{number}", "first")) for number in range(50)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(identify("T", "first"), 5) == ana
    free.set()
    assert await asyncio.gather(*made_up) == [None] * 50
    assert most == hub_identity.STRANGERS
    assert list(identify._known) == ["T"]
