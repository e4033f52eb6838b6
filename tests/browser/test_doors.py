"""A browser at the hub's doors: a page of a server fills it with cookies for the hub's name."""

from collections.abc import Iterator
from datetime import date

import pyotp
import pytest
from playwright.sync_api import Browser, Page
from walkthrough_demo import SHOTS

from conftest import ARGUMENTS, CHROMIUM
from integration.hub_factories import PASSWORDS, Hub, free_ports, running
from twinpane_hub.second_factors import SecondFactors

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(300)]

NAME = "hub.example.test"
PROJECTS = {"first": {"title": "First look", "sites": ["a"], "members": ["researcher"], "expires": date(2100, 1, 1)}}
BOMB = """<script>
for (let n = 0; n < 150; n++) document.cookie = `c${n}=${'x'.repeat(4000)}; domain=hub.example.test; path=/; max-age=99999`
</script>set"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    (port,) = free_ports(1)
    address = f"http://{NAME}:{port}"
    more = {"port": port, "public_url": address, "plain_http": True}
    with running(tmp_path_factory.mktemp("doors"), projects=PROJECTS, sites={"a": {"title": "Hospital A"}}, review={}, **more) as hub:
        yield hub


@pytest.fixture(scope="module")
def own_browser(hub: Hub, chromium: Browser) -> Iterator[Browser]:
    """Chromium to which the hub's names lead here, and its address counts as safe, as it does over TLS."""
    address = hub.url.replace("localhost", NAME)
    rules = [f"--host-resolver-rules=MAP *.{NAME} 127.0.0.1,MAP {NAME} 127.0.0.1", f"--unsafely-treat-insecure-origin-as-secure={address}"]
    browser = chromium.browser_type.launch(executable_path=str(CHROMIUM), args=[*ARGUMENTS, *rules])
    yield browser
    browser.close()


@pytest.fixture
def page(own_browser: Browser) -> Iterator[Page]:
    context = own_browser.new_context(viewport={"width": 400, "height": 800})
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def sign_in(page: Page, address: str) -> None:
    page.goto(f"{address}/hub/login")
    page.fill("input[name=username]", "researcher")
    page.fill("input[name=password]", PASSWORDS["researcher"])
    page.click("#login_submit")
    page.wait_for_url(f"{address}/hub/home")


def test_a_cookie_bomb_of_a_server_s_page_locks_nobody_out(hub: Hub, page: Page) -> None:
    """It sets 600 kB of cookies for the hub's name. The next page of the hub says so and clears them; then she signs in.

    Before, each page was the browser's own error page until she found its settings.
    """
    address = hub.url.replace("localhost", NAME)
    sign_in(page, address)
    port = hub.url.rpartition(":")[2]
    server = f"http://first-0123456789abcdef.{NAME}:{port}/bomb"
    page.route(server, lambda route: route.fulfill(body=BOMB, content_type="text/html"))
    page.goto(server)
    assert len(page.context.cookies(address)) > 20
    answer = page.goto(f"{address}/hub/home")
    assert answer is not None
    assert answer.status == 431
    assert "Your browser sent too many cookies" in page.locator("h1").inner_text()
    page.screenshot(path=SHOTS / "cookies.png")
    page.get_by_role("link", name="Sign in again").click()
    page.wait_for_selector("input[name=username]")
    sign_in(page, address)
    assert "First look" in page.locator("body").inner_text()


@pytest.mark.parametrize("width", [1280, 400])
def test_pages_of_the_doors_fit_a_narrow_screen(hub: Hub, page: Page, width: int) -> None:
    """Nothing is cut off, and nothing scrolls sideways."""
    address = hub.url.replace("localhost", NAME)
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(page, address)
    pages = {"sign-out": "/hub/logout", "spawn-asked": "/hub/spawn/researcher/first", "token": "/hub/token", "account": "/hub/account"}
    links = "".join(f"<a href={address}{path}>{name}</a> " for name, path in pages.items())
    page.route("http://elsewhere.test/", lambda route: route.fulfill(body=links, content_type="text/html"))
    words = {"sign-out": "Sign out of Twinpane?", "spawn-asked": "Open this project?", "token": "Tokens", "account": "Your account"}
    for name in pages:
        page.goto("http://elsewhere.test/")
        page.get_by_role("link", name=name).click()
        page.wait_for_selector("h1")
        assert words[name] in page.locator("h1").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
        page.screenshot(path=SHOTS / f"{name}-{width}.png")
    page.locator("#password-1").fill(PASSWORDS["researcher"])
    page.get_by_role("button", name="Set it up").click()
    page.wait_for_selector("#secret")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=SHOTS / f"second-factor-{width}.png")
    page.fill("#code", pyotp.TOTP(page.locator("#secret").inner_text().replace(" ", "")).now())
    page.get_by_role("button", name="Turn it on").click()
    page.wait_for_selector("#codes")
    page.screenshot(path=SHOTS / f"recovery-codes-{width}.png")
    SecondFactors(hub.folder / "hub").remove("researcher")
