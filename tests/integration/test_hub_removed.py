"""A real hub: who is taken out is out within a minute; tokens are for one project; the hub answers at its own name alone."""

import base64
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from click.testing import CliRunner
from hub_factories import PASSWORDS, Browser, Hub, SignInRefused, running, store_of
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from twinpane_hub import accounts
from twinpane_hub.hub import hub as hub_command
from twinpane_hub.network.life import change_people

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

MINUTE = 60.0
PAGES = "http://127.0.0.1:9"
PROJECTS = {
    name: {"title": name.title(), "sites": ["a"], "members": ["researcher", "researcher2"], "expires": date(2100, 1, 1)}
    for name in ("first", "second")
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    sites = {"a": {"title": "Hospital A", "review_url": PAGES}}
    with running(tmp_path_factory.mktemp("hub"), projects=PROJECTS, sites=sites, review={"a": {"token": "r" * 40}}) as hub:
        yield hub


def within(seconds: float, holds: Callable[[], bool]) -> float:
    """Wait until it holds; how long that took. The machine may be busy, so twice the time is given."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < 2 * seconds, "not within the time"
        time.sleep(0.5)
    return time.monotonic() - began


def make_token(browser: Browser, project: str, password: str, days: str = "1") -> httpx.Response:
    page = browser.get("/hub/token").text
    xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page)
    assert xsrf, page[:500]
    return browser.client.post(
        "/hub/token", data={"_xsrf": xsrf[1], "project": project, "days": days, "note": "here", "password": password}
    )


def token_in(page: str) -> str:
    found = re.search(r'id="token">([0-9a-f]{20,})<', page)
    assert found, page
    return found[1]


def who(hub: Hub, token: str) -> httpx.Response:
    return httpx.get(f"{hub.url}/hub/api/user", headers={"Authorization": f"token {token}"}, trust_env=False)


# ------------------------------------------------------------ tokens


def test_a_token_is_for_one_project_and_ends(hub: Hub) -> None:
    """Before, anybody at the browser could make one that never ended, for all projects."""
    browser = hub.sign_in("researcher")
    token = token_in(make_token(browser, "first", PASSWORDS["researcher"]).text)
    scopes = who(hub, token).json()["scopes"]
    assert "access:servers!server=researcher/first" in scopes
    assert not [scope for scope in scopes if "second" in scope or scope.startswith(("access:servers!user", "servers", "tokens"))]
    page = browser.get("/hub/token").text
    assert token not in page, "it is shown once"
    assert "here" in page


@pytest.mark.parametrize(("project", "password", "days"), [("first", "wrong", "1"), ("elsewhere", "", "1"), ("first", "", "10000")])
def test_no_token_without_the_password_a_project_and_an_end(hub: Hub, project: str, password: str, days: str) -> None:
    answer = make_token(hub.sign_in("researcher"), project, password or PASSWORDS["researcher"], days)
    assert answer.status_code in (400, 403)
    assert 'id="token"' not in answer.text


def test_nobody_makes_tokens_over_the_api(hub: Hub) -> None:
    """A script in the browser of somebody signed in could."""
    browser = hub.sign_in("researcher")
    assert browser.send("POST", "/hub/api/users/researcher/tokens", {"note": "x"}).status_code == 403
    assert "nothing to make a token for" in hub.sign_in("steward").get("/hub/token").text


def test_a_token_can_be_ended(hub: Hub) -> None:
    browser = hub.sign_in("researcher")
    token = token_in(make_token(browser, "second", PASSWORDS["researcher"]).text)
    page = browser.get("/hub/token").text
    xsrf, number = re.search(r'name="_xsrf" value="([^"]+)"', page), re.search(r'name="end" value="([^"]+)"', page)
    assert xsrf
    assert number
    browser.client.post("/hub/token", data={"_xsrf": xsrf[1], "end": number[1]})
    assert who(hub, token).status_code == 403
    assert browser.client.post("/hub/token", data={"_xsrf": xsrf[1], "end": number[1]}).status_code == 404


# ------------------------------------------------------------ names


def test_pages_of_the_hub_are_at_its_own_name_alone(hub: Hub) -> None:
    """At a server's name they would be of the origin of what cells show."""
    browser = hub.sign_in("researcher")
    server = browser.hosts.server("researcher", "first")
    for address in (server, hub.url.replace("localhost", "127.0.0.1")):
        answer = httpx.get(f"{address}/hub/login?next=x", trust_env=False)
        assert answer.status_code == 302
        assert answer.headers["location"] == f"{hub.url}/hub/login?next=x"
        assert httpx.post(f"{address}/hub/login", data={}, trust_env=False).status_code == 421
        assert httpx.get(f"{address}/hub/api/user", headers={"Cookie": "a=b"}, trust_env=False).status_code == 302
        assert httpx.get(f"{address}/hub/api/user", trust_env=False).status_code == 403, "a program, without a token"
        assert "set-cookie" not in httpx.get(f"{address}/user/researcher/first/lab", trust_env=False).headers


def test_a_sign_in_with_a_plain_proof_is_refused(hub: Hub) -> None:
    """``plain`` proves nothing to whoever read the request."""
    browser = hub.sign_in("reviewer-a")
    asked = "/hub/api/oauth2/authorize?client_id=service-review-a&redirect_uri=http://127.0.0.1:9/oauth_callback&response_type=code&state=s"
    for proof in ("", "&code_challenge=" + "x" * 43, "&code_challenge_method=plain&code_challenge=" + "x" * 43):
        assert browser.get(asked + proof).status_code == 400


def test_the_hubs_answers_carry_what_a_scanner_looks_for(hub: Hub) -> None:
    for path in ("/hub/login", "/hub/api", "/hub/nowhere"):
        headers = httpx.get(hub.url + path, trust_env=False).headers
        assert headers["server"] == "Twinpane"
        assert "." not in headers["x-jupyterhub-version"]
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


# ------------------------------------------------------------ signing in and out


def test_strangers_cannot_lock_out_a_browser_that_is_known(hub: Hub) -> None:
    """Somebody at the same address tries wrong passwords for a name until it has to wait. Who signed in here before does not."""
    known = hub.sign_in("researcher2")
    known.get("/hub/logout")
    for _ in range(6):
        with pytest.raises(SignInRefused) as refused:
            hub.sign_in("researcher2", "wrong")
    assert refused.value.args[0] == 429
    with pytest.raises(SignInRefused):
        hub.sign_in("researcher2")
    assert "Sign in" not in known.fill_in("researcher2").text
    known.get("/hub/logout")
    for _ in range(6):  # neither does it try for ever itself
        answer = known.fill_in("researcher2", "wrong")
    assert answer.status_code == 429


def test_another_page_signs_nobody_out(hub: Hub) -> None:
    """What a cell shows may open the hub's sign-out, and so does JupyterLab's own menu: the person is asked."""
    browser = hub.sign_in("researcher")
    page = browser.client.get("/hub/logout", headers={"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-site"})
    assert "Sign out of Twinpane?" in page.text
    assert "First" in browser.get("/hub/home").text
    assert 'href="/hub/logout"' in page.text


def test_sign_out_means_out(hub: Hub) -> None:
    """At the hub, at one's servers, and at the sites' review pages."""
    browser = hub.sign_in("researcher")
    browser.open_project("researcher", "first")
    server = f"{browser.hosts.server('researcher', 'first')}/user/researcher/first"
    assert browser.client.get(f"{server}/api/status").status_code == 200
    address = urlsplit(server)
    cookies = "; ".join(f"{one.name}={one.value}" for one in browser.client.cookies.jar if one.domain == address.hostname)
    origin = Origin(f"http://{address.netloc}")
    events = f"ws://{address.netloc}{address.path}/api/events/subscribe"
    with connect(events, additional_headers={"Cookie": cookies}, origin=origin, proxy=None) as socket:
        browser.get("/hub/logout")
        assert "Sign in" in browser.get("/hub/home").text
        within(MINUTE, lambda: browser.client.get(f"{server}/api/status").status_code != 200)
        with pytest.raises(ConnectionClosed):  # a page that is still on the screen runs nothing any more
            socket.recv(timeout=2 * MINUTE)

    reviewer = hub.sign_in("reviewer-a")
    proof = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 43).digest()).decode().rstrip("=")
    asked = f"client_id=service-review-a&redirect_uri={PAGES}/oauth_callback&response_type=code&state=s"
    reviewer.client.follow_redirects = False
    answer = reviewer.get(f"/hub/api/oauth2/authorize?{asked}&code_challenge={proof}&code_challenge_method=S256")
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    form = {
        "client_id": "service-review-a", "client_secret": "r" * 40, "grant_type": "authorization_code", "code": code,
        "redirect_uri": f"{PAGES}/oauth_callback", "code_verifier": "v" * 43,
    }  # fmt: skip
    token = httpx.post(f"{hub.url}/hub/api/oauth2/token", data=form, trust_env=False).raise_for_status().json()["access_token"]
    assert who(hub, token).status_code == 200
    reviewer.get("/hub/logout")
    assert who(hub, token).status_code == 403


# ------------------------------------------------------------ who is taken out


def test_a_disabled_person_is_out_everywhere_within_a_minute(hub: Hub) -> None:
    """Server, tokens and the browser's own session end. Before, tokens went on after three minutes, and a server for good."""
    browser = hub.sign_in("researcher2")
    browser.open_project("researcher2", "first")
    token = token_in(make_token(browser, "first", PASSWORDS["researcher2"]).text)
    assert who(hub, token).status_code == 200
    assert len(hub.servers()) >= 1
    before = set(hub.servers())
    settings = str(hub.folder / "hub.toml")
    assert CliRunner().invoke(hub_command, ["disable", settings, "researcher2"]).exit_code == 0
    within(MINUTE, lambda: who(hub, token).status_code == 403 and len(set(hub.servers()) & before) < len(before))
    assert "Sign in" in browser.get("/hub/home").text
    with pytest.raises(SignInRefused):
        hub.sign_in("researcher2")
    assert CliRunner().invoke(hub_command, ["enable", settings, "researcher2"]).exit_code == 0
    assert hub.sign_in("researcher2").get("/hub/home").status_code == 200
    assert who(hub, token).status_code == 403, "what ended stays ended"


def test_who_leaves_a_project_loses_its_server_within_a_minute(hub: Hub) -> None:
    """Her other projects go on."""
    browser = hub.sign_in("researcher")
    for project in PROJECTS:
        browser.open_project("researcher", project)
    store = store_of(hub.folder)
    store.change("tests", change_people("second", remove_member=("researcher",)))
    try:
        running_now = lambda: set(browser.send("GET", "/hub/api/users/researcher").json()["servers"])  # noqa: E731
        within(MINUTE, lambda: running_now() == {"first"})
    finally:
        store.change("tests", change_people("second", add_member=("researcher",)))


def test_a_role_that_is_taken_ends_what_it_gave(hub: Hub) -> None:
    """An account that is no researcher any more has no servers, and can start none."""
    browser = hub.sign_in("researcher")
    browser.open_project("researcher", "first")
    file = hub.folder / "accounts.toml"
    kept = file.read_text()
    known = accounts.load(file)
    accounts.save(file, known | {"researcher": accounts.Account(password=known["researcher"].password, groups=("reviewer",))})
    try:
        server = browser.hosts.server("researcher", "first")
        within(MINUTE, lambda: browser.client.get(f"{server}/user/researcher/first/api/status").status_code != 200)
        assert browser.send("POST", "/hub/api/users/researcher/servers/first", {}).status_code in (403, 404)
    finally:
        file.write_text(kept)
        file.chmod(0o600)
    assert Path(file).exists()
