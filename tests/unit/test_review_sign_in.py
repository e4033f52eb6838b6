"""Sign-in through the hub, sessions, and what every request to the pages has to show."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.datastructures import Headers

from twinpane_review import sessions as s
from twinpane_review.app import Settings
from twinpane_review.context import is_local
from twinpane_review.identity import Grant, HubDown, HubIdentity, HubRefused
from twinpane_review.security_middleware import BODY_BYTES, SecurityMiddleware


def hub(answer: object) -> HubIdentity:
    return HubIdentity("https://hub.example/", "service-review", "secret", "https://r.example/cb", transport=httpx.MockTransport(answer))


def replies(token: object = None, user: object = None) -> object:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/hub/api/oauth2/token":
            form = parse_qs(request.content.decode())
            assert form["code_verifier"] == ["verifier"]
            assert form["client_secret"] == ["secret"]
            return httpx.Response(200, json=token) if token is not None else httpx.Response(400)
        assert request.headers["authorization"] == "token t0ken"
        return httpx.Response(200, json=user) if user is not None else httpx.Response(403)

    return answer


GOOD = {"access_token": "t0ken"}


def test_the_browser_is_sent_to_the_hub_with_state_and_challenge() -> None:
    begin = hub(replies()).begin("the-state")
    query = parse_qs(urlsplit(begin.url).query)
    assert begin.url.startswith("https://hub.example/hub/api/oauth2/authorize?")
    assert query["state"] == ["the-state"]
    assert query["code_challenge_method"] == ["S256"]
    assert begin.verifier not in begin.url
    assert "secret" not in begin.url


async def test_the_hub_says_who_it_is() -> None:
    assert await hub(replies(GOOD, {"kind": "user", "name": "reviewer-a"})).finish("code", "verifier") == Grant("reviewer-a", "t0ken")


@pytest.mark.parametrize(
    ("token", "user"),
    [
        (None, None),
        ({}, None),
        ({"access_token": 5}, None),
        (GOOD, None),
        (GOOD, {"kind": "service", "name": "reviewer-a"}),
        (GOOD, {"kind": "user", "name": "the site"}),
        (GOOD, {"kind": "user", "name": ["reviewer-a"]}),
        (GOOD, {"kind": "user"}),
    ],
)
async def test_anything_but_a_user_with_a_name_is_no_sign_in(token: object, user: object) -> None:
    with pytest.raises(HubRefused):
        await hub(replies(token, user)).finish("code", "verifier")


def broken(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no route")


@pytest.mark.parametrize("answer", [broken, lambda _: httpx.Response(502), lambda _: httpx.Response(200, text="<html>")])
async def test_a_hub_that_is_down_is_said_so_and_lets_nobody_in(answer: object) -> None:
    with pytest.raises(HubDown, match="does not answer"):
        await hub(answer).finish("code", "verifier")
    with pytest.raises(HubDown):
        await hub(answer).stands(Grant("reviewer-a", "t0ken"))


async def test_a_token_that_is_revoked_or_names_another_does_not_stand() -> None:
    """A token that is revoked, or now names another, does not stand."""
    grant = Grant("reviewer-a", "t0ken")
    assert await hub(replies(user={"kind": "user", "name": "reviewer-a"})).stands(grant)
    assert not await hub(replies(user={"kind": "user", "name": "reviewer-b"})).stands(grant)
    assert not await hub(replies()).stands(grant)


def test_secrets_do_not_show_in_reprs() -> None:
    assert "t0ken" not in repr(Grant("a", "t0ken"))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_ends_when_idle_and_always_after_a_day() -> None:
    """A session ends when idle, and in any case after a day of work."""
    clock = Clock()
    found = s.Sessions(clock)
    token = found.start(Grant("a", "t"))
    clock.now += s.IDLE + 1
    assert found.get(token) is None
    token = found.start(Grant("a", "t"))
    for _ in range(int(s.LONGEST // (s.IDLE / 2))):
        clock.now += s.IDLE / 2
        assert found.get(token)
    clock.now += s.IDLE / 2
    assert found.get(token) is None


def test_a_session_is_asked_after_again_and_ends_at_sign_out() -> None:
    clock = Clock()
    found = s.Sessions(clock)
    token = found.start(Grant("a", "t"))
    clock.now += s.RECHECK + 1
    assert found.stale(found.get(token))
    found.confirm(token)
    assert not found.stale(found.get(token))
    found.end(token)
    assert found.get(token) is None
    assert found.get("") is None


def test_many_sign_ins_do_not_fill_the_memory() -> None:
    clock = Clock()
    found = s.Sessions(clock)
    first = found.start(Grant("a", "t"))
    for _ in range(s.MOST):
        clock.now += 0.001
        last = found.start(Grant("a", "t"))
    assert found.get(first) is None
    assert found.get(last)


def test_a_browsers_message_to_the_hub_is_signed_and_short_lived() -> None:
    """What a browser carries to the hub is signed and short-lived."""
    clock = Clock()
    sealed = s.Sealed(b"k" * 32, clock)
    cookie = sealed.seal(state="x", next="/")
    assert sealed.unseal(cookie) == {"state": "x", "next": "/"}
    body, _, signature = cookie.partition(".")
    for bad in ("", ".", "x", f"{body}A.{signature}", f"{body}.{signature[:-1]}é", s.Sealed(b"o" * 32, clock).seal(state="x")):
        assert sealed.unseal(bad) is None
    clock.now += s.SIGN_IN + 1
    assert sealed.unseal(cookie) is None


GUARD = SecurityMiddleware(None, "http://127.0.0.1:9101")  # type: ignore[arg-type]


def why(method: str, **headers: str) -> str | None:
    return GUARD.why_refused(method, Headers({"host": "127.0.0.1:9101", **{k.replace("_", "-"): v for k, v in headers.items()}}))


def test_pages_are_served_under_their_own_name_alone() -> None:
    assert why("GET") is None
    assert why("GET", host="evil.example") is not None
    assert why("GET", host="127.0.0.1:9102") is not None


@pytest.mark.parametrize(
    ("headers", "fine"),
    [
        ({"origin": "http://127.0.0.1:9101"}, True),
        ({"origin": "http://127.0.0.1:9102"}, False),  # another site's pages on the same machine
        ({"origin": "http://127.0.0.1:9101.evil.example"}, False),
        ({"origin": "https://127.0.0.1:9101"}, False),
        ({"origin": "null", "sec_fetch_site": "same-origin"}, True),
        ({"origin": "null", "sec_fetch_site": "same-site"}, False),
        ({"origin": "null"}, False),
        ({"sec_fetch_site": "same-origin"}, True),
        ({}, False),
    ],
)
def test_forms_come_from_our_own_pages(headers: dict[str, str], fine: bool) -> None:
    assert (why("POST", content_length="10", **headers) is None) is fine


@pytest.mark.parametrize("length", ["", "x", "-1", str(BODY_BYTES + 1)])
def test_a_form_has_a_length_and_it_is_small(length: str) -> None:
    assert why("POST", origin="http://127.0.0.1:9101", content_length=length) is not None


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_pages_are_read_and_posted_to_alone(method: str) -> None:
    assert why(method, origin="http://127.0.0.1:9101", content_length="0") is not None


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/", True),
        (f"/requests/{'a' * 32}", True),
        ("//evil.example", False),
        ("https://evil.example", False),
        ("/\\evil.example", False),
        (f"/requests/{'a' * 31}/", False),
        ("", False),
        ("/requests/..", False),
    ],
)
def test_a_sign_in_comes_back_to_our_pages_alone(path: str, ours: bool) -> None:
    """After the sign-in the browser comes back to our pages alone."""
    assert is_local(path) is ours


@pytest.mark.parametrize("address", ["", "site-a", "ftp://x", "http://x/path", "javascript:x"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Settings(address)
