"""Who may dial in at the switchboard, and what they must prove."""

import contextlib
import time
from pathlib import Path

import pytest
import switchboard_desk
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from switchboard_desk import KEYS, TOKEN, USERS, Desk, address_of, closed, hello, identify, opened, pane_told, public, told
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from twinpane_hub.projects import HubSilent
from twinpane_hub.switchboard import Closing, PinnedKeys, serving, switchboard
from twinpane_wire.hello import hello_message
from twinpane_wire.messages import (
    Challenge,
    Joined,
    Principal,
    SiteHello,
    decode,
    encode,
)


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


async def test_a_hub_that_does_not_answer_ends_no_link_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is no refusal of who is in: only after a time a link ends. Who comes meanwhile is not let in."""
    silent = False
    known = switchboard_desk.identify

    def identify(token: str, project: str) -> Principal | None:
        if silent:
            raise HubSilent("the hub does not answer: try again")
        return known(token, project)

    monkeypatch.setattr(switchboard_desk, "identify", identify)
    with opened(tmp_path, recheck=0.02, silence=1.0) as desk:
        async with serving(desk.app) as desk.url, desk.pane("t-ben") as pane:
            await pane_told(pane)
            silent, began = True, time.monotonic()
            async with connect(f"{desk.url}/pane?project=first", additional_headers={"Authorization": "token t-ana"}, proxy=None) as other:
                assert (await closed(other))[0] == Closing.not_admitted
            assert (await closed(pane))[0] == Closing.not_admitted
            assert time.monotonic() - began > 0.9


async def test_the_first_visit_needs_the_token_and_pins_the_key(desk: Desk) -> None:
    """The first visit needs the one-time token and pins the key."""
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


async def test_its_public_address_and_its_socket_are_apart(tmp_path: Path) -> None:
    """An address on this machine proves nothing of a site on another."""
    public_url = "wss://hub.example/services/switchboard"
    with opened(tmp_path) as desk:
        app = switchboard(desk.router, identify, PinnedKeys(None), addresses={public_url})
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
