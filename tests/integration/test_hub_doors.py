"""A real hub's doors: what another page asks for, too many cookies, a new password, and a hub that ended badly."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import date
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import pyotp
import pytest
from click.testing import CliRunner
from hub_factories import PASSWORDS, Browser, Hub, SignInRefused, running
from test_hub_removed import make_token, token_in, who, within

from twinpane_ground import children
from twinpane_hub import accounts
from twinpane_hub.before_start import check
from twinpane_hub.hub import hub as hub_command
from twinpane_hub.settings import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MINUTE = 60.0
PROJECTS = {"first": {"title": "First", "sites": ["a"], "members": ["researcher"], "expires": date(2100, 1, 1)}}
WORLD = {"projects": PROJECTS, "sites": {"a": {}}, "review": {}}
NAME = "hub.example.test"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running(tmp_path_factory.mktemp("hub"), **WORLD) as hub:
        yield hub


# ------------------------------------------------------------ what another page asks for


@pytest.mark.parametrize("site", ["cross-site", "same-site", ""])
def test_another_page_s_link_starts_no_server(hub: Hub, site: str) -> None:
    """The person is asked. Before, any page on the web started a server of whoever looked at it, by an image or a link."""
    browser = hub.sign_in("researcher")
    headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": site} if site else {"Referer": "http://elsewhere.test/"}
    page = browser.client.get("/hub/spawn/researcher/first", headers=headers)
    assert "Open this project?" in page.text
    assert 'href="/hub/spawn/researcher/first"' in page.text
    assert not hub.servers()


def test_a_link_of_the_hub_s_own_page_starts_a_server(hub: Hub) -> None:
    """Also of a browser that does not say which page it comes from but by its address."""
    browser = hub.sign_in("researcher")
    page = browser.client.get("/hub/spawn/researcher/first", headers={"Referer": f"{hub.url}/hub/home"})
    assert "Open this project?" not in page.text
    browser.open_project("researcher", "first")
    assert browser.send("DELETE", "/hub/api/users/researcher/servers/first").status_code in (202, 204)
    within(MINUTE, lambda: not hub.servers())


# ------------------------------------------------------------ cookies


@pytest.mark.parametrize("cookies", [{f"c{n}": "x" * 4000 for n in range(150)}, {f"c{n}": "" for n in range(170)}, {"c": "x" * 14_000}])
def test_too_many_cookies_are_cleared_with_a_page_that_says_so(hub: Hub, cookies: dict[str, str]) -> None:
    """A server's page set them for the hub's name. Before, the hub answered a bare 431 until the person found the browser's settings."""
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    for path in ("/hub/home", "/hub/login", "/", "/hub/oauth_callback"):
        answer = httpx.get(hub.url + path, headers={"Cookie": header}, trust_env=False, follow_redirects=False)
        if path == "/" and answer.status_code == 302:
            continue
        assert answer.status_code == 431, (path, answer.text[:200])
        assert answer.headers["clear-site-data"] == '"cookies"'
        assert "too many cookies" in answer.text
        assert "Sign in again" in answer.text


@pytest.fixture(scope="module")
def behind_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub whose address is https; the proxy before it, which ends TLS, is this test."""
    with running(tmp_path_factory.mktemp("tls"), public_url=f"https://{NAME}", **WORLD) as hub:
        yield hub


def test_over_https_each_cookie_of_the_hub_is_its_own(behind_tls: Hub) -> None:
    """Names begin with __Host-, so that no server's page can set them: the known browser's and the forged request's did not.

    The number of a session is for servers too; it lets nobody in.
    """
    kept: dict[str, str] = {}
    with httpx.Client(base_url=behind_tls.url, headers={"Host": NAME, "X-Forwarded-Proto": "https"}, trust_env=False) as client:

        def ask(method: str, path: str, **more: object) -> httpx.Response:
            headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items()), "Sec-Fetch-Site": "same-origin"}
            answer = client.request(method, path, headers=headers, **more)  # type: ignore[arg-type]
            for line in answer.headers.get_list("set-cookie"):
                for name, found in SimpleCookie(line).items():
                    if found.value and found.value != '""':
                        kept[name] = found.value
                    assert found["secure"], line
                    assert name.startswith("__Host-") or name == "jupyterhub-session-id" or not found.value, line
                    assert not name.startswith("__Host-") or (found["path"] == "/" and not found["domain"]), line
            return answer

        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', ask("GET", "/hub/login").text)
        assert xsrf
        form = {"username": "researcher", "password": PASSWORDS["researcher"], "_xsrf": xsrf[1]}
        answer = ask("POST", "/hub/login", data=form)
        assert answer.status_code == 302, answer.text
        assert "First" in ask("GET", "/hub/home").text
        assert {"__Host-_xsrf", "__Host-twinpane-device", "__Host-jupyterhub-hub-login"} <= set(kept)
        kept["_xsrf"] = "set-by-a-server-s-page"
        page = ask("GET", "/hub/token").text
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page)
        assert xsrf
        made = ask(
            "POST", "/hub/token", data={"_xsrf": xsrf[1], "project": "first", "days": "1", "password": PASSWORDS["researcher"]}
        )  # fmt: skip
        assert 'id="token"' in made.text
        del kept["__Host-_xsrf"]
        assert ask("POST", "/hub/token", data={"_xsrf": "set-by-a-server-s-page", "project": "first"}).status_code == 403


# ------------------------------------------------------------ accounts


def test_a_new_password_puts_other_browsers_and_tokens_out(hub: Hub) -> None:
    """Somebody else has the old one: what they opened ends within a minute, and at once where the person signs in again."""
    other = hub.sign_in("researcher")
    other.open_project("researcher", "first")
    token = token_in(make_token(other, "first", PASSWORDS["researcher"]).text)
    settings = str(hub.folder / "hub.toml")
    answer = CliRunner().invoke(hub_command, ["account", settings, "researcher"])
    password = answer.output.split(": ")[1].strip()
    try:
        with pytest.raises(SignInRefused):
            hub.sign_in("researcher")
        mine = hub.sign_in("researcher", password)
        assert who(hub, token).status_code == 403
        assert "Sign in" in other.get("/hub/home").text
        within(MINUTE, lambda: not hub.servers())
        assert "First" in mine.get("/hub/home").text
        again = token_in(make_token(mine, "first", password).text)
        assert CliRunner().invoke(hub_command, ["account", settings, "researcher"]).exit_code == 0
        within(MINUTE, lambda: who(hub, again).status_code == 403)
    finally:
        file = hub.folder / "accounts.toml"
        known = accounts.load(file)
        fresh = known["researcher"].model_copy(update={"password": accounts.hashed(PASSWORDS["researcher"])})
        accounts.save(file, known | {"researcher": fresh})


def on_account(browser: Browser, **fields: str) -> httpx.Response:
    """Fill in a form of the account page."""
    xsrf = re.search(r'name="_xsrf" value="([^"]+)"', browser.get("/hub/account").text)
    assert xsrf
    return browser.client.post("/hub/account", data={"_xsrf": xsrf[1], **fields})


def test_a_person_changes_the_password_and_others_are_out(hub: Hub) -> None:
    """Who knows the old one is out; the browser that changed it goes on."""
    other, mine = hub.sign_in("researcher2"), hub.sign_in("researcher2")
    old, new = PASSWORDS["researcher2"], "a new and long one"
    for wrong in ({"password": "wrong"}, {"again": "differs"}, {"new": "short", "again": "short"}):
        answer = on_account(mine, **({"do": "password", "password": old, "new": new, "again": new} | wrong))
        assert answer.status_code == 403
        assert "Nothing was" in answer.text
    try:
        answer = on_account(mine, do="password", password=old, new=new, again=new)
        assert "You have a new password" in answer.text, answer.text
        assert "Your projects" in mine.get("/hub/home").text
        assert "Sign in" in other.get("/hub/home").text
        with pytest.raises(SignInRefused):
            hub.sign_in("researcher2")
        hub.sign_in("researcher2", new)
    finally:
        file = hub.folder / "accounts.toml"
        known = accounts.load(file)
        fresh = known["researcher2"].model_copy(update={"password": accounts.hashed(old)})
        accounts.save(file, known | {"researcher2": fresh})


def test_a_second_factor_is_set_up_used_and_reset(tmp_path: Path) -> None:
    """Where the hub demands it: nothing can be done before it, nobody signs in without it after it, tokens need it too."""
    with running(tmp_path, sign_in={"kind": "local", "require_second_factor": True}, **WORLD) as hub:
        other, browser = hub.sign_in("researcher"), hub.sign_in("researcher")
        home = browser.get("/hub/home").text
        assert "demands a second factor" in home
        assert "Open" not in browser.get("/hub/token").text
        assert browser.send("POST", "/hub/api/users/researcher/servers/first").status_code in (403, 404)
        password = PASSWORDS["researcher"]
        assert on_account(browser, do="begin", password="wrong").status_code == 403
        page = on_account(browser, do="begin", password=password).text
        secret = re.search(r'id="secret">([A-Z2-7 ]+)<', page)
        assert secret
        assert "otpauth://totp/" in page
        telephone = pyotp.TOTP(secret[1].replace(" ", ""))
        wrong = on_account(browser, do="confirm", code="000000")
        assert wrong.status_code == 403
        assert secret[1] not in wrong.text
        codes = re.findall(r"<li><code>([^<]+)<", on_account(browser, do="confirm", code=telephone.now()).text)
        assert len(codes) == 10
        assert "Sign in" in other.get("/hub/home").text, "it was opened by the password alone"
        assert "First" in browser.get("/hub/home").text
        with pytest.raises(SignInRefused):
            hub.sign_in("researcher")
        again = Browser(hub.url)
        hub.browsers.append(again)
        again.fill_in("researcher", code=codes[0])
        assert "First" in again.get("/hub/home").text
        assert 'id="token"' not in make_token(again, "first", password).text
        answer = CliRunner().invoke(hub_command, ["reset-second-factor", str(tmp_path / "hub.toml"), "researcher"])
        assert answer.exit_code == 0, answer.output
        assert CliRunner().invoke(hub_command, ["reset-second-factor", str(tmp_path / "hub.toml"), "researcher"]).exit_code == 2
        assert "demands a second factor" in hub.sign_in("researcher").get("/hub/home").text


# ------------------------------------------------------------ a hub that ended badly


def test_after_a_hub_was_killed_its_ports_are_free(tmp_path: Path) -> None:
    """Before, proxy and switchboard went on without it, and the next start said that the ports were in use."""
    with running(tmp_path, **WORLD) as hub:
        started = children.descendants(hub.process.pid)
        assert len(started) >= 2
        os.kill(hub.process.pid, signal.SIGKILL)
        hub.process.wait()
        until = time.monotonic() + MINUTE
        for pid in started:
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(pid, os.WNOHANG) == (0, 0):
                    assert time.monotonic() < until, f"{pid} goes on without the hub"
                    time.sleep(0.1)
        check(load(tmp_path / "hub.toml"))


def test_a_proxy_that_does_not_start_is_one_sentence(tmp_path: Path) -> None:
    """Before, it was a traceback."""
    with pytest.raises(AssertionError) as ended, running(tmp_path, proxy=["/bin/false"], **WORLD):
        raise OSError("it started")
    said = str(ended.value)
    assert "The proxy does not start" in said
    assert "`proxy` in hub.toml" in said
    assert "Traceback" not in said


def test_a_proxy_that_ends_is_started_again(tmp_path: Path) -> None:
    """Within seconds, with all that it led to."""
    with running(tmp_path, **WORLD) as hub:
        browser = hub.sign_in("researcher")
        (proxy,) = [pid for pid in children.descendants(hub.process.pid) if b"configurable-http-proxy" in _words(pid)]
        os.kill(proxy, signal.SIGKILL)

        def answers() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return "First" in browser.get("/hub/home").text
            return False

        within(MINUTE, answers)
        assert "Traceback" not in hub.log


def _words(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
