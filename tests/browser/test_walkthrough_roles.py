"""Everyone else who signs in: each sees what their work needs, and no notebook or held item of others."""

import json
import sqlite3
import time
from collections.abc import Callable

import pytest
from walkthrough_demo import Demo, Person
from walkthrough_lab import HELD, Lab

from twinpane_hub.server_hosts import Hosts

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(300)]
METRO = "Metro General Hospital"
NO_WAY_IN = "You may not open this"


def refused_a_notebook(who: Person) -> bool:
    """Whether the way to the researcher's notebook ends at a page that says so."""
    path = "/user/researcher/first/lab"
    who.page.goto(who.demo.url + path)
    at_hub = "not found" in who.text()
    who.page.goto(Hosts(who.demo.url).server("researcher", "first") + path)
    return at_hub and NO_WAY_IN in who.text()


@pytest.fixture(scope="module", autouse=True)
def at_work(demo: Demo, person: Callable[..., Person]) -> Person:
    """The researcher, whose notebook is open: there is something to be kept from the others."""
    researcher = person("researcher").sign_in()
    researcher.page.locator("section", has_text="First look").get_by_role("button").first.click()
    lab = Lab(researcher).wait_open(code_cells=14)
    lab.run(0)
    lab.wait_strip(0, HELD)
    return researcher


def test_an_admin_sees_users_but_no_notebooks_or_held_items(demo: Demo, person: Callable[..., Person]) -> None:
    """An admin sees who works, but neither notebooks nor held items."""
    admin = person("admin").sign_in()
    admin.shot("30-admin-home")
    assert "Your projects" not in admin.text()
    assert "Review pages" not in admin.text()
    admin.page.goto(f"{demo.url}/hub/admin")
    admin.page.get_by_role("heading", name="Projects").wait_for()
    admin.page.goto(f"{demo.url}/hub/admin/people")
    admin.page.get_by_role("rowheader", name="admin").wait_for()
    admin.shot("31-admin-page")
    assert refused_a_notebook(admin)
    admin.shot("32-admin-may-not-open-a-notebook")
    admin.sign_in_at(METRO)
    assert NO_WAY_IN in admin.text()


def test_a_steward_is_told_where_the_site_is_and_does_not_review(demo: Demo, person: Callable[..., Person]) -> None:
    steward = person("steward").sign_in()
    assert "Your site" in steward.text()
    assert "Your projects" not in steward.text()
    steward.shot("33-steward-home")
    assert refused_a_notebook(steward)
    steward.sign_in_at(METRO)
    assert "These pages are for the site's reviewers" in steward.text()
    steward.shot("34-steward-at-the-review-pages")


def test_a_reviewer_has_review_pages_and_no_notebooks(demo: Demo, person: Callable[..., Person]) -> None:
    reviewer = person("reviewer-a").sign_in()
    assert "Your projects" not in reviewer.text()
    reviewer.shot("35-reviewer-home")
    assert refused_a_notebook(reviewer)
    reviewer.page.goto(f"{demo.url}/hub/home")
    reviewer.page.get_by_role("link", name=METRO).click()
    reviewer.page.wait_for_url(demo.review_pages[METRO] + "/**")


def test_another_researcher_does_not_see_anothers_notebooks(demo: Demo, person: Callable[..., Person]) -> None:
    """Another researcher has projects, but not another's notebooks."""
    other = person("researcher2").sign_in()
    assert "First look" in other.text()
    assert refused_a_notebook(other)


def sessions(demo: Demo, site: str, event: str) -> set[str]:
    """The sessions of which a site's ledger has this event."""
    ledger = sqlite3.connect(f"file:{demo.folder}/sites/{site}/site.db?mode=ro", uri=True)
    try:
        return {json.loads(body)["session"] for (body,) in ledger.execute("SELECT body FROM ledger WHERE kind = ?", (event,))}
    finally:
        ledger.close()


def test_a_stopped_server_ends_its_sessions_at_every_site(demo: Demo, at_work: Person) -> None:
    at_work.page.goto(f"{demo.url}/hub/home")
    at_work.page.locator("#stop-first").click()
    at_work.page.get_by_role("button", name="Open").nth(1).wait_for()
    for site in ("metro", "valley", "coast"):
        opened, until = sessions(demo, site, "opened"), time.monotonic() + 20
        assert opened
        while not opened <= sessions(demo, site, "closed"):
            assert time.monotonic() < until, f"{site} holds sessions open that nobody works in"
            time.sleep(0.2)
