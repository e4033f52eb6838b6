"""Each page of the hub can be used by everybody: axe-core finds nothing on it, in light and in dark, as each role."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe import violations
from playwright.sync_api import Browser
from walkthrough_demo import SHOTS

from integration.hub_factories import PASSWORDS, Hub, running

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(300)]

PROJECTS = {
    "first": {
        "title": "First look", "purpose": "Learn", "legal_basis": "Article 9 (2) j", "sites": ["a", "b"], "members": ["researcher"],
        "reviewers": ["reviewer-a"], "tables": {"lab": ["value", "unit"]}, "expires": "2100-01-01",
    },
    "old": {"title": "Old", "sites": ["a"], "members": ["researcher"], "expires": "2020-01-01"},
}  # fmt: skip
SITES = {"a": {"title": "Hospital A", "review_url": "http://127.0.0.1:9"}, "b": {}}
OF_ADMIN = tuple(f"admin/{name}" for name in ("projects", "projects/:new", "projects/first", "sites", "people", "activity"))
OF_ROLE = {
    "admin": ("home", "token", "account", *OF_ADMIN), "researcher": ("home", "token", "account", "spawn", "admin/projects", "logout"),
    "reviewer-a": ("home", "account"), "steward": ("home",), "": ("login",),
}  # fmt: skip


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    review = {"a": {"token": "r" * 40}}
    with running(tmp_path_factory.mktemp("axe"), projects=PROJECTS, sites=SITES, review=review) as found:
        yield found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", OF_ROLE)
def test_axe_finds_nothing_on_a_page(hub: Hub, chromium: Browser, name: str, scheme: Any) -> None:
    """Before, the stock admin page had 37 violations, 7 of them critical."""
    context = chromium.new_context(color_scheme=scheme, viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    try:
        page.goto(f"{hub.url}/hub/login")
        if name:
            page.fill("input[name=username]", name)
            page.fill("input[name=password]", PASSWORDS[name])
            page.click("#login_submit")
            page.wait_for_url(f"{hub.url}/hub/home")
        found = {}
        for path in OF_ROLE[name]:
            page.goto(f"{hub.url}/hub/{path}")
            found[path] = violations(page)
            page.screenshot(path=SHOTS / f"hub-{name or 'nobody'}-{path.replace('/', '-').replace(':', '')}-{scheme}.png", full_page=True)
        assert {path: wrong for path, wrong in found.items() if wrong} == {}
    finally:
        context.close()


def test_a_project_is_proposed_with_keys_and_eyes_alike(hub: Hub, chromium: Browser) -> None:
    """An administrator fills in the form, reads what will be asked, proposes it, lets a site join; axe-core looks at each step."""
    context = chromium.new_context(viewport={"width": 500, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    try:
        page.goto(f"{hub.url}/hub/login")
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", PASSWORDS["admin"])
        page.click("#login_submit")
        page.wait_for_url(f"{hub.url}/hub/home")
        page.goto(f"{hub.url}/hub/admin/projects/:new")
        page.fill("#id", "heart")
        page.fill("#title", "Heart failure")
        page.fill("#expires", "2100-01-01")
        page.fill("#members", "researcher, nobody-yet")
        page.fill("#tables", "lab: value")
        page.press("#tables", "Tab")
        page.click("text=Go on: see what will be asked")
        page.wait_for_selector("text=Choose at least one site")
        assert violations(page) == []
        page.check("#site-a")
        page.click("text=Go on: see what will be asked")
        page.wait_for_selector("text=propose project heart (Heart failure) to a, with researcher, nobody-yet")
        assert violations(page) == []
        page.screenshot(path=SHOTS / "hub-admin-proposing.png", full_page=True)
        page.click("text=Propose it")
        page.wait_for_url(f"{hub.url}/hub/admin/projects/heart")
        assert violations(page) == []
        page.goto(f"{hub.url}/hub/admin/sites")
        page.click('[aria-label="New token for b, good once"]')
        page.wait_for_selector("#token")
        assert violations(page) == []
        page.screenshot(path=SHOTS / "hub-admin-invited.png", full_page=True)
    finally:
        context.close()
