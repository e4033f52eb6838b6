"""The steward's pages at a real browser, without script: each is fit for everybody, and a session is stopped in two clicks."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright import sync_api
from test_review_browser import ARGUMENTS, CHROMIUM
from test_steward_pages import LUNG, RUNNING, STEWARD, Pages, measured

from twinpane_review.app import Settings, create_app
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.session_figures import Figures, KernelState

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
SHOWN = ("/steward", "/steward/projects", LUNG, "/steward/sessions", "/steward/ledger")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Pages, str]]:
    """A site with sessions, whose pages are really served."""
    import socket

    pages = Pages(tmp_path / "site")
    pages.opened()
    pages.opened("b" * 32, "a-person-with-a-long-name@hospital.example")
    measured(pages, Figures(RUNNING, KernelState.running, 12, 3725.04, 700 * 2**20, 5 * 2**20, 512 * 2**20))
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(pages.site.review, pages.site.desk, None, Settings(address, "St. Anna Hospital", pages.site.clock))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield pages, address
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def steward(served: tuple[Pages, str]) -> Iterator[Any]:
    """A steward's page of a browser, signed in."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs Chromium: no {CHROMIUM}")
    pages, address = served
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=address).new_page()
        page.goto("/")
        page.get_by_label("Name").fill(STEWARD)
        page.get_by_label("Password").fill(pages.passwords[STEWARD])
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="What this site does").wait_for()
        yield page
        browser.close()


@pytest.mark.parametrize("path", SHOWN)
def test_axe_finds_nothing_on_a_stewards_page(steward: Any, path: str) -> None:
    """Before, each table and the section around it were two landmarks of one name."""
    steward.goto(path)
    steward.evaluate(AXE.read_text())
    found = steward.evaluate("axe.run()")["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def test_a_session_is_stopped_in_two_clicks(served: tuple[Pages, str], steward: Any, tmp_path: Path) -> None:
    """The first click stops nothing. The whole table is seen on a common screen, before and after."""
    pages, _ = served
    steward.get_by_role("link", name="Sessions", exact=True).click()
    steward.locator("summary").first.click()
    steward.screenshot(path=tmp_path / "sessions.png", full_page=True)
    assert steward.evaluate("(s => s.scrollWidth - s.clientWidth)(document.querySelector('.sheet'))") == 0
    assert pages.site.ledger.last(LedgerEvent.session_stopped) is None
    steward.get_by_role("button", name="Stop now").first.click()
    steward.get_by_role("cell", name="stopped", exact=True).wait_for()
    steward.screenshot(path=tmp_path / "stopped.png", full_page=True)
    line = pages.site.ledger.last(LedgerEvent.session_stopped)
    assert line is not None
    assert line.body["session"] == RUNNING


def test_a_freeze_takes_a_tick_at_the_browser_too(served: tuple[Pages, str], steward: Any) -> None:
    """The browser asks for it first; with it the site is frozen."""
    pages, _ = served
    steward.get_by_role("button", name="Freeze everything").click()
    assert not pages.site.ledger.frozen()
    steward.get_by_role("checkbox").check()
    steward.get_by_role("button", name="Freeze everything").click()
    steward.get_by_role("heading", name="Frozen: nothing leaves").wait_for()
    assert pages.site.ledger.frozen()
