"""The administrators' pages and API at a real hub: what they do, who may, and that nothing sent to them is more than refused."""

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hub_factories import PASSWORDS, Browser, Hub, running, store_of

from twinpane_hub import accounts
from twinpane_hub.network.api_routes import ROOT, ROUTES, Route
from twinpane_hub.project_tokens import NETWORK

pytestmark = pytest.mark.slow
PAGES = ("projects", "projects/:new", "projects/first", "sites", "people", "activity")
PROJECTS = {"first": {"title": "First look", "sites": ["a"], "members": ["researcher"], "expires": "2100-01-01"}}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("hub")
    with running(folder, projects=PROJECTS, sites={"a": {"title": "Hospital <A>"}}, review={}) as found:
        yield found


@pytest.fixture(scope="module")
def admin(hub: Hub) -> Browser:
    return hub.sign_in("admin")


@pytest.fixture(scope="module")
def token(hub: Hub, admin: Browser) -> str:
    """A token of an administrator, for the API."""
    page = press(admin, "/hub/token", project=NETWORK, days="1", password=PASSWORDS["admin"])
    found = re.search(r'id="token">([^<]+)<', page.text)
    assert found, page.text
    return found[1]


def press(browser: Browser, path: str, **fields: Any) -> httpx.Response:
    """Fill in a form of a page, and press its button."""
    xsrf = re.search(r'name="_xsrf" value="([^"]+)"', browser.get(path).text)
    assert xsrf
    headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
    return browser.client.post(path, data={"_xsrf": xsrf[1], **fields}, headers=headers)


def ask(hub: Hub, token: str, route: str, method: str = "GET", body: Any = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.request(method, f"{hub.url}{ROOT}{route}", json=body, headers=headers, trust_env=False, timeout=30)


# ---------------------------------------------------------------- who may


ROLES = {"researcher": False, "reviewer-a": False, "steward": False, "admin": True}


@pytest.mark.parametrize("name", ROLES)
def test_each_page_is_for_administrators_alone(hub: Hub, name: str) -> None:
    """Others are refused, and no page shows them the way."""
    browser = hub.sign_in(name)
    for page in PAGES:
        assert browser.get(f"/hub/admin/{page}").status_code == (200 if ROLES[name] else 403), page
    assert ("/hub/admin" in browser.get("/hub/home").text) == ROLES[name]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
@pytest.mark.parametrize("name", ["nobody", *ROLES])
def test_each_route_and_role_is_a_cell(hub: Hub, name: str, route: Route) -> None:
    """Only an administrator gets beyond the door; a body that is none, and a name that nobody has, change nothing there."""
    browser = Browser(hub.url) if name == "nobody" else signed_in(hub, name)
    path = f"{ROOT}{route.path}".replace("{name}", "nothing-of-this-name")
    answer = browser.send(route.method, path)
    assert (answer.status_code != 403) == ROLES.get(name, False), answer.text
    assert answer.status_code < 500
    if name == "nobody":
        browser.client.close()


def signed_in(hub: Hub, name: str, kept: dict[tuple[str, str], Browser] = {}) -> Browser:  # noqa: B006  # one sign-in for all cells
    if (hub.url, name) not in kept:
        kept[hub.url, name] = hub.sign_in(name)
        kept[hub.url, name].get("/hub/home")
    return kept[hub.url, name]


def test_a_token_of_another_kind_opens_no_route(hub: Hub) -> None:
    """A researcher's token for a project, and a made-up one."""
    page = press(signed_in(hub, "researcher"), "/hub/token", project="first", days="1", password=PASSWORDS["researcher"])
    found = re.search(r'id="token">([^<]+)<', page.text)
    assert found
    for other in (found[1], "x" * 30):
        assert ask(hub, other, "/projects").status_code == 403
    page = press(signed_in(hub, "researcher"), "/hub/token", project=NETWORK, days="1", password=PASSWORDS["researcher"])
    assert page.status_code == 400


def test_an_administrators_token_for_the_network_does_that_alone(hub: Hub, token: str) -> None:
    assert ask(hub, token, "/projects").status_code == 200
    for path in ("users", "user", "groups"):
        found = httpx.get(f"{hub.url}/hub/api/{path}", headers={"Authorization": f"token {token}"}, trust_env=False)
        assert found.status_code in (200, 403)
        assert path == "user" or found.status_code == 403, path


# ---------------------------------------------------------------- pages


def test_jupyterhubs_own_admin_page_is_ours(admin: Browser) -> None:
    page = admin.get("/hub/admin")
    assert page.url.path == "/hub/admin/projects"
    assert "First look" in page.text


def test_titles_are_text(admin: Browser) -> None:
    for page in PAGES:
        assert "<A>" not in admin.get(f"/hub/admin/{page}").text


def test_a_project_is_proposed_in_two_steps(hub: Hub, admin: Browser) -> None:
    """First what will be asked is read; nothing is changed until then. A mistake is one sentence, and the form keeps what was typed."""
    form = {
        "id": "heart", "title": "Heart", "purpose": "Why", "legal_basis": "Article 9", "expires": "2100-01-01", "site": ["a"],
        "members": "researcher,\nresearcher2", "reviewers": "reviewer-a", "tables": "lab: value, unit\nperson",
        "day_bits": "64", "total_bits": "",
    }  # fmt: skip
    wrong = press(admin, "/hub/admin/projects/:new", **form | {"id": "Heart", "do": "propose"})
    assert wrong.status_code == 400
    assert 'value="Heart"' in wrong.text
    page = press(admin, "/hub/admin/projects/:new", **form, do="check")
    assert "propose project heart (Heart) to a, with researcher, researcher2" in page.text
    assert "heart" not in store_of(hub.folder)().projects
    page = press(admin, "/hub/admin/projects/:new", **form, do="propose")
    assert page.url.path == "/hub/admin/projects/heart"
    assert "no answer yet" in page.text
    kept = store_of(hub.folder)().projects["heart"]
    assert kept.tables == {"lab": ("value", "unit"), "person": ()}
    assert kept.reviewers == ("reviewer-a",)
    assert "Heart" in hub.sign_in("researcher2").get("/hub/home").text, "without a restart"


def test_people_come_and_go_and_a_project_ends(hub: Hub, admin: Browser) -> None:
    """Its end wants its name typed."""
    at = "/hub/admin/projects/heart"
    assert "add member steward" in press(admin, at, people="steward", do="add:member").text
    assert "take out member steward" in press(admin, at, do="remove:member:steward").text
    assert press(admin, at, do="remove:member:steward").status_code == 400
    assert "suspend project heart" in press(admin, at, do="state:suspended").text
    assert "This project is suspended" in hub.sign_in("researcher2").get("/hub/home").text
    assert press(admin, at, do="state:ended", again="hart").status_code == 400
    assert press(admin, at, do="state:ended", again="heart").status_code == 200
    assert press(admin, "/hub/admin/projects/first", do="nonsense").status_code == 400
    assert "Suspend" not in admin.get(at).text, "what cannot be done is not shown"


def test_a_site_is_added_invited_and_removed(hub: Hub, admin: Browser) -> None:
    at = "/hub/admin/sites"
    assert press(admin, at, id="b", title="B", do="add").status_code == 200
    again = press(admin, at, id="b", title="B", do="add")
    assert again.status_code == 400
    assert "there is a site b already" in again.text
    page = press(admin, at, site="b", do="invite")
    found = re.search(r"TWINPANE_SITE_TOKEN=([\w-]+)", page.text)
    assert found
    assert "TWINPANE_SITE_TOKEN" not in admin.get(at).text, "it is shown once"
    assert press(admin, at, site="a", do="remove").status_code == 400
    assert press(admin, at, site="b", do="remove").status_code == 200
    assert press(admin, at, site="b", do="invite").status_code == 404


def test_people_are_shut_out_and_let_in_from_the_page(hub: Hub, admin: Browser) -> None:
    """Nobody shuts out whoever asks: a hub without administrators is mended at the terminal only."""
    at = "/hub/admin/people"
    assert "shut researcher2 out" in press(admin, at, person="researcher2", do="shut-out").text
    assert "shut out" in admin.get(at).text
    assert "let researcher2 sign in again" in press(admin, at, person="researcher2", do="let-in").text
    assert press(admin, at, person="admin", do="shut-out").status_code == 400
    assert press(admin, at, person="none", do="shut-out").status_code == 404


def test_an_administrator_stops_a_server_and_sees_no_more_of_it(hub: Hub, admin: Browser) -> None:
    researcher = signed_in(hub, "researcher")
    researcher.open_project("researcher", "first")
    assert "stop:first" in admin.get("/hub/admin/people").text
    assert admin.client.get(admin.at("/user/researcher/first/api/contents")).status_code == 403
    assert press(admin, "/hub/admin/people", person="researcher", do="stop:first").status_code == 200
    assert "stop:first" not in admin.get("/hub/admin/people").text
    assert press(admin, "/hub/admin/people", person="researcher", do="stop:first").status_code == 404


def test_who_changed_what_is_shown(admin: Browser) -> None:
    page = admin.get("/hub/admin/activity").text
    assert "end project heart" in page
    assert "<td>admin</td>" in page


# ---------------------------------------------------------------- the API


def test_the_api_declares_the_network_like_the_command(hub: Hub, token: str) -> None:
    """What GET gives, PUT takes, and changes nothing; a plan says what a document would change."""
    document = ask(hub, token, "").json()
    assert ask(hub, token, "", "PUT", document).json() == {"done": []}
    document["sites"]["c"] = {"title": "C"}
    assert ask(hub, token, "/plan", "POST", document).json() == {"plan": ["add site c (C)"]}
    assert "c" not in ask(hub, token, "").json()["sites"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/projects", {"id": "x"}, 400, "Field required"), ("PATCH", "/projects/first", {"colour": "red"}, 400, "Extra inputs"),
        ("PATCH", "/projects/first", {"sites": ["zz"]}, 400, "site zz, which has no section"),
        ("PATCH", "/projects/zz", {}, 404, "no project zz"),
        ("POST", "/sites", {"id": "a"}, 400, "there is a site a already"),
        ("POST", "/sites/a/invitation", {"days": 400}, 400, "less than or equal to 90"),
        ("PUT", "", [], 400, "should be an object"), ("DELETE", "", None, 405, "no such method"), 
    ],
)  # fmt: skip
def test_what_is_refused_is_one_sentence(hub: Hub, token: str, method: str, path: str, body: Any, status: int, words: str) -> None:
    answer = ask(hub, token, path, method, body)
    assert answer.status_code == status, answer.text
    said = answer.json()["message"]
    assert words in said
    assert len(said.splitlines()) <= 1


def test_a_role_that_is_taken_closes_pages_and_api(hub: Hub) -> None:
    """Within a minute, also for a token that its owner made while an administrator."""
    file = hub.folder / "accounts.toml"
    known = accounts.load(file)
    deputy = accounts.Account(password=known["steward"].password, groups=("steward", "admin"))
    accounts.save(file, known | {"steward": deputy})
    browser = hub.sign_in("steward")
    page = press(browser, "/hub/token", project=NETWORK, days="1", password=PASSWORDS["steward"])
    found = re.search(r'id="token">([^<]+)<', page.text)
    assert found, page.text
    assert ask(hub, found[1], "/projects").status_code == 200
    accounts.save(file, known)
    until = time.monotonic() + 60
    while ask(hub, found[1], "/projects").status_code != 403:
        assert time.monotonic() < until
        time.sleep(0.5)
    assert browser.get("/hub/admin/projects").status_code == 403
