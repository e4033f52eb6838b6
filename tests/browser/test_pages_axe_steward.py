"""Each of the steward's pages can be used by everybody: axe-core finds nothing on it, wide and narrow, whatever it has to show."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from axe import violations
from playwright.sync_api import Browser, Page
from walkthrough_demo import SHOTS

from integration.review_factories import PUBLISHED, make_site
from twinpane_review.app import Settings, create_app
from twinpane_site import acceptance
from twinpane_site.proposal_inbox import ProposalInbox
from twinpane_wire.messages import Decline, Proposal

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(300)]

STEWARD = "sten"
PROJECTS = ("proposed", "accepted", "in-part", "declined", "suspended", "ended")
PAGES = ("steward", "steward/projects", *(f"steward/projects/{name}" for name in (*PROJECTS, "none")), "steward/ledger")
WIDTHS = {"wide": 1200, "narrow": 420}


def proposal(name: str) -> Proposal:
    """Of a project that asks for a table which the site does not have."""
    return Proposal.model_validate({
        "project": name, "title": f"Lungs, {name}", "purpose": "To see who returns\nwithin a month", "legal_basis": "Article 9 (2) j",
        "people": [{"user": user, "role": role} for user, role in (("mia", "researcher"), ("ben", "researcher"), ("rosa", "reviewer"))],
        "tables": [{"table": "person", "columns": ["sex", "shoe_size"]}, {"table": "visit"}, {"table": "genome"}], "expires": "2030-01-31",
        "standpoint": "ended" if name == "suspended" else "open",
    })  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a site's pages with a project in every state, and its steward's password."""
    site = make_site(tmp_path_factory.mktemp("axe") / "site")
    password = site.accounts.put(STEWARD, True, "root")
    site.submitted()
    inbox, projects = ProposalInbox(site.db, site.clock), site.projects
    for name in PROJECTS:
        inbox.take(proposal(name))
        digest = proposal(name).digest()
        if name == "declined":
            acceptance.decline(projects, inbox, name, digest, Decline.purpose, STEWARD)
        elif name != "proposed":
            tables = ["person"] if name == "in-part" else None
            acceptance.accept(projects, inbox, PUBLISHED, name, digest, STEWARD, tables=tables)
    projects.suspend("suspended", STEWARD)
    projects.end("ended", STEWARD)
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(site.review, site.desk, None, Settings(address, "St. Anna Hospital", site.clock))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield address, password
    server.should_exit = True
    thread.join(10)


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_on_a_stewards_page(site: tuple[str, str], chromium: Browser, width: str) -> None:
    """From the sign-in on. Nothing is wider than the window either."""
    address, password = site
    context = chromium.new_context(viewport={"width": WIDTHS[width], "height": 900}, bypass_csp=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    try:
        page.goto(f"{address}/steward")
        found = {"sign-in": looked_at(page, f"sign-in-{width}")}
        page.fill("input[name=name]", STEWARD)
        page.fill("input[name=password]", password)
        page.keyboard.press("Enter")
        page.wait_for_selector("nav.roles")
        for path in PAGES:
            page.goto(f"{address}/{path}")
            found[path] = looked_at(page, f"{path.replace('/', '-')}-{width}")
        assert {path: wrong for path, wrong in found.items() if wrong} == {}
    finally:
        context.close()


def looked_at(page: Page, name: str) -> list[str]:
    """What is wrong with a page, of which a picture is kept."""
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=Path(SHOTS) / f"site-{name}.png", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return violations(page) + (["wider than the window"] if wide else [])
