"""Reviewers at a real browser: with and without JavaScript, by keyboard, and within the strict content policy."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright import sync_api
from review_factories import CODE, A, B, C, Site, make_site, picture, png, stream, twin
from review_pages import NamedIdentity

from twinpane_review.app import Settings, create_app
from twinpane_review.states import State
from twinpane_wire.messages import ExportItem

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Site, NamedIdentity, str]]:
    """A site whose pages are really served, on a port of the system's choice."""
    import socket

    site, identity = make_site(tmp_path / "site"), NamedIdentity(A)
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(site.review, site.desk, identity, Settings(address, "St. Anna Hospital", site.clock))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield site, identity, address
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def chromium() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"needs Chromium: no {CHROMIUM}")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


def request(site: Site) -> str:
    items = (ExportItem(cell=7, source=CODE, twins=(twin("text", b"female 500\n"), twin("png", png("indianred")))),)
    asked = site.ask(*items)
    site.submit("researcher", "stroke", asked, [(0, [stream("female 7\n"), picture(png())])])
    return asked.request


def sign_in(chromium: Any, identity: NamedIdentity, address: str, person: str, **context: object) -> tuple[Any, list[str]]:
    """A signed-in page, and what its browser complains of or asks of other hosts."""
    identity.user, faults = person, []
    page = chromium.new_context(viewport={"width": 1280, "height": 800}, **context).new_page()
    page.on("request", lambda r: None if r.url.startswith(address) else faults.append(f"asked {r.url}"))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    page.goto(address)
    page.get_by_role("link", name="Sign in through the hub").click()
    page.get_by_role("heading", name="Requests to let something out").wait_for()
    return page, faults


def test_two_reviewers_release_with_and_without_javascript(served: Any, chromium: Any, tmp_path: Path) -> None:
    """Two reviewers release, one with JavaScript and one without."""
    site, identity, address = served
    asked = request(site)
    for person, scripts in ((A, True), (B, False)):
        page, faults = sign_in(chromium, identity, address, person, java_script_enabled=scripts)
        page.get_by_role("link", name="figure 2 of the paper").click()
        assert page.get_by_role("button", name="Hand in my review").is_disabled()
        for number in (1, 2):
            page.locator(f"#approve-{number}").click()
            page.locator(f"#decision-{number} .said.approve").wait_for()
        page.screenshot(path=tmp_path / f"{person}.png", full_page=True)
        page.get_by_role("button", name="Hand in my review").click()
        page.locator(".banner").wait_for()
        assert faults == []
    assert site.state(asked) is State.released
    assert page.locator(".banner").inner_text().startswith("Released")


def test_a_review_can_be_done_by_keyboard_alone(served: Any, chromium: Any) -> None:
    site, identity, address = served
    asked = request(site)
    page, _ = sign_in(chromium, identity, address, C)

    def tab_to(found: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("s => document.activeElement.matches(s)", found):
                return
        raise AssertionError(f"{found} is not reached with the Tab key")

    tab_to(f'a[href="/requests/{asked}"]')
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/requests/{asked}")
    page.wait_for_load_state()
    for number in (1, 2):
        tab_to(f"#remark-{number}")
        page.keyboard.type("Round it, please.")
        tab_to(f"#changes-{number}")
        page.keyboard.press("Enter")
        page.locator(f"#decision-{number} .said.changes").wait_for()
        assert page.evaluate("document.activeElement.id") == f"changes-{number}", "the keyboard stays where it was"
    tab_to(".bar button.primary")
    page.keyboard.press("Enter")
    page.locator(".banner.mine").wait_for()
    assert site.state(asked) is State.in_review


def test_deciding_does_not_move_the_page(served: Any, chromium: Any) -> None:
    site, identity, address = served
    asked = request(site)
    page, _ = sign_in(chromium, identity, address, A)
    page.goto(f"{address}/requests/{asked}")
    button = page.locator("#approve-2")
    button.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    button.click()
    page.locator("#decision-2 .said.approve").wait_for()
    assert before > 0
    assert page.evaluate("scrollY") == before


def test_nothing_is_cut_off_on_a_small_screen(served: Any, chromium: Any) -> None:
    site, identity, address = served
    asked = request(site)
    page, _ = sign_in(chromium, identity, address, A)
    for width in (1280, 800, 400):
        page.set_viewport_size({"width": width, "height": 800})
        for path in ("/", f"/requests/{asked}"):
            page.goto(address + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, path)
