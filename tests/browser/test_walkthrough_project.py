"""A project's life as its people see it: an administrator, two stewards and a researcher at their pages. The tests stand in its order."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from axe import violations
from playwright.sync_api import Page
from walkthrough_demo import Person
from walkthrough_lab import Lab

from harness.network_world import Hospital, twinpane, until
from integration.hub_factories import PASSWORDS, Hub, running

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(400)]

TITLES = {"north": "North Hospital", "south": "South Hospital", "west": "West Clinic"}
CELLS = ("import twinpane as tp\nprint('ready')", "tp.sql('select sex, count(*) n from person group by sex')", "print('still here')")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("hub")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    book.metadata.kernelspec = {"name": "twinpane", "display_name": "Twinpane", "language": "python"}
    (folder / "tutorials").mkdir()
    nbformat.write(book, folder / "tutorials" / "first_look.ipynb")
    sites = {name: {"title": title} for name, title in TITLES.items()}
    with running(folder, projects={}, sites=sites, review={}, notebooks=str(folder / "tutorials")) as found:
        yield found


@pytest.fixture(scope="module")
def hospitals(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Hospital]]:
    base = tmp_path_factory.mktemp("sites")
    found = {name: Hospital.make(base, name, title, seed) for seed, (name, title) in enumerate(TITLES.items())}
    for name, hospital in found.items():
        said = twinpane("hub", "site", "invite", str(hub.folder / "hub.toml"), name)
        hospital.start(hub, said.rpartition("TWINPANE_SITE_TOKEN=")[2].strip())
    for hospital in found.values():
        hospital.until_open()
    yield found
    for hospital in found.values():
        hospital.stop()


class Walk:
    """Everybody's windows."""

    def __init__(self, chromium: Any, hub: Hub, hospitals: dict[str, Hospital]) -> None:
        at_hub: Any = SimpleNamespace(url=hub.url, passwords=PASSWORDS)
        self.admin = Person(chromium, at_hub, "admin", bypass_csp=True).sign_in()
        self.researcher = Person(chromium, at_hub, "researcher").sign_in()
        self.stewards = {name: self._steward(chromium, hospital) for name, hospital in hospitals.items()}
        self.lab: Any = None

    @staticmethod
    def _steward(chromium: Any, hospital: Hospital) -> Person:
        at_site: Any = SimpleNamespace(url=hospital.url, passwords=hospital.passwords)
        steward = Person(chromium, at_site, hospital.steward, bypass_csp=True)
        steward.page.goto(f"{hospital.url}/steward")
        steward.page.fill("input[name=name]", hospital.steward)
        steward.page.fill("input[name=password]", hospital.passwords[hospital.steward])
        steward.page.keyboard.press("Enter")
        steward.page.wait_for_selector("nav.roles")
        return steward


@pytest.fixture(scope="module")
def walk(chromium: Any, hub: Hub, hospitals: dict[str, Hospital]) -> Walk:
    return Walk(chromium, hub, hospitals)


def reload_until(page: Page, text: str, seconds: float = 30) -> None:
    """Look again until a page says this."""
    until(lambda: page.reload() and text in " ".join(page.locator("main, body").first.inner_text().split()), seconds, told=page.inner_text)


def test_1_an_administrator_proposes_and_each_steward_sees_it(walk: Walk, hub: Hub) -> None:
    page = walk.admin.page
    page.goto(f"{hub.url}/hub/admin/projects/:new")
    fields = {
        "id": "heart", "title": "Heart failure", "purpose": "To see who returns within a month", "legal_basis": "Article 9 (2) j",
        "expires": "2100-01-01", "members": "researcher", "tables": "person: sex, age, shoe_size\nvisit_occurrence\ngenome",
    }  # fmt: skip
    for name, value in fields.items():
        page.fill(f"#{name}", value)
    for site in TITLES:
        page.check(f"#site-{site}")
    page.click("text=Go on: see what will be asked")
    page.wait_for_selector("text=Propose it")
    walk.admin.shot("50-admin-proposes", full_page=True)
    page.click("text=Propose it")
    page.wait_for_url(f"{hub.url}/hub/admin/projects/heart")
    for name, steward in walk.stewards.items():
        reload_until(steward.page, "1 project for you to decide on")
        steward.page.click("text=for you to decide on")
        steward.shot(f"51-inbox-{name}")
        steward.page.click("text=heart")
        assert "It asks for what this site does not publish: person.shoe_size, genome" in steward.text()
        assert violations(steward.page) == []
        steward.shot(f"52-proposal-{name}", full_page=True)


def test_2_two_accept_one_of_them_in_part_and_one_declines(walk: Walk, hub: Hub) -> None:
    north, south, west = (steward.page for steward in walk.stewards.values())
    north.click("button:has-text('Accept')")
    south.get_by_label("visit_occurrence", exact=True).uncheck()
    south.click("button:has-text('Accept')")
    west.select_option("#reason", label="Its legal basis is missing, or does not hold here")
    west.click("button:has-text('Decline')")
    for name, steward in walk.stewards.items():
        steward.page.wait_for_selector("text=At this site:")
        assert violations(steward.page) == []
        steward.shot(f"53-decided-{name}", full_page=True)
    page = walk.admin.page
    for words in ("declined: the legal basis is missing", "accepted in part"):
        reload_until(page, words)
    walk.admin.shot("54-admin-answers", full_page=True)
    assert violations(page) == []


def test_3_a_researcher_works_with_those_that_accepted(walk: Walk) -> None:
    """What is the same at both is real; what the third site is stands beside it, and under the table."""
    page = walk.researcher.page
    reload_until(page, "Heart failure")
    walk.researcher.shot("55-researcher-home")
    page.locator("section", has_text="Heart failure").get_by_role("button", name="Open").click()
    walk.lab = lab = Lab(walk.researcher).wait_open(code_cells=len(CELLS))
    lab.run(0)
    lab.wait_strip(0, "✓ real ⊘ West Clinic refused")
    lab.run(1)
    lab.wait_says(1, "Not in this table: West Clinic")
    lab.wait_strip(1, "✓ real ⊘ West Clinic refused")
    lab.shot("56-notebook", 1)


def test_4_a_site_suspends_and_the_strip_says_so(walk: Walk) -> None:
    south = walk.stewards["south"].page
    south.click("button:has-text('Suspend')")
    south.wait_for_selector("text=At this site: suspended")
    lab = walk.lab
    until(lambda: lab.run(2) or "South Hospital refused" in lab.strip(2), 30, told=lambda: lab.strip(2))
    lab.shot("57-notebook-suspended", 2)


def test_5_the_end_reaches_the_stewards_who_end_it_too(walk: Walk, hospitals: dict[str, Hospital]) -> None:
    page = walk.admin.page
    page.fill("#again", "heart")
    page.click("text=End it for good")
    for name in ("north", "south"):
        steward = walk.stewards[name]
        reload_until(steward.page, "The hub's administrator has ended this project")
        steward.shot(f"58-ended-by-the-hub-{name}", full_page=True)
        assert violations(steward.page) == []
        steward.page.fill("#typed", "heart")
        steward.page.get_by_role("button", name="End", exact=True).click()
        steward.page.wait_for_selector("text=At this site: ended")
        steward.shot(f"59-ended-{name}", full_page=True)
    reload_until(page, "ended")
    walk.admin.shot("60-admin-ended", full_page=True)
    walk.lab.shot("61-notebook-after-the-end", 2)
    for hospital in hospitals.values():
        hospital.run("ledger", "verify")
