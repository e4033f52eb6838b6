"""A real hub: who may do what, and what a researcher's server does not do."""

import json
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import psutil
import pytest
from hub_factories import Browser, Hub, SignInRefused, environment_of, running
from websockets.sync.client import connect

from twinpane_review.app import CALLBACK
from twinpane_wire.messages import Principal, ToPane, Welcome, decode

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

REVIEW = "http://127.0.0.1:9"
PROJECTS = {
    "first": {"title": "First look", "purpose": "Learning", "sites": ["a"], "members": ["researcher"], "expires": date(2100, 1, 1)},
    "second": {"title": "Second", "sites": ["a"], "members": ["researcher", "researcher2"], "expires": date(2100, 1, 1)},
    "ended": {"title": "Ended", "sites": ["a"], "members": ["researcher"], "expires": date(2020, 1, 1)},
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("hub")
    notebooks = folder / "tutorials"
    notebooks.mkdir()
    (notebooks / "first_look.ipynb").write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    sites = {"a": {"title": "Hospital A", "review_url": REVIEW}}
    with running(folder, projects=PROJECTS, sites=sites, review={"a": {"token": "r" * 40}}, notebooks=str(notebooks)) as hub:
        yield hub


@pytest.fixture(scope="module")
def researcher(hub: Hub) -> Browser:
    return hub.sign_in("researcher")


@pytest.fixture(scope="module")
def server(hub: Hub, researcher: Browser) -> str:
    researcher.open_project("researcher", "first")
    return "/user/researcher/first"


# ------------------------------------------------------------ signing in


def test_a_wrong_password_and_an_unknown_name_look_the_same(hub: Hub) -> None:
    """A wrong password and a name that does not exist look the same."""
    answers = []
    for name in ("steward", "nobody"):
        with pytest.raises(SignInRefused) as refused:
            hub.sign_in(name, "wrong")
        answers.append(refused.value.args[0])
    assert answers[0] == answers[1]


def test_after_some_wrong_tries_the_right_password_has_to_wait(hub: Hub) -> None:
    """After some wrong tries even the right password has to wait."""
    for _ in range(5):
        with pytest.raises(SignInRefused):
            hub.sign_in("researcher2", "wrong")
    with pytest.raises(SignInRefused) as refused:
        hub.sign_in("researcher2")
    assert refused.value.args[0] == 429


def test_wrong_tries_count_whatever_address_they_claim(hub: Hub) -> None:
    """Wrong tries count, however many addresses they say they come from.

    Before, X-Real-Ip of anybody was believed: each try came from another address.
    """
    answers = []
    for n in range(6):
        with pytest.raises(SignInRefused) as refused:
            hub.sign_in("somebody", "wrong", **{"X-Real-Ip": f"198.51.100.{n}"})
        answers.append(refused.value.args[0])
    assert answers[-1] == 429


def test_the_home_page_lists_ones_own_projects_in_full(researcher: Browser) -> None:
    """The home page lists one's own projects with purpose, sites and end."""
    page = researcher.get("/hub/home").text
    for words in ("Twinpane", "First look", "Learning", "Hospital A", "offline", "until 2100-01-01", "This project ended on 2020-01-01"):
        assert words in page, words
    assert "/hub/spawn/researcher/first" in page
    assert "/hub/spawn/researcher/ended" not in page


def test_a_reviewer_sees_review_pages_and_no_projects(hub: Hub) -> None:
    page = hub.sign_in("reviewer-a").get("/hub/home").text
    assert REVIEW in page
    assert "First look" not in page


# ------------------------------------------------------------ what may be started


@pytest.mark.parametrize(("project", "words"), [("ended", "ended on"), ("nowhere", "member"), ("", "Choose a project")])
def test_only_projects_that_run_and_list_the_person_have_servers(hub: Hub, researcher: Browser, project: str, words: str) -> None:
    answer = researcher.send("POST", f"/hub/api/users/researcher/servers/{project}", {})
    assert answer.status_code in (400, 403), answer.text
    assert words in answer.text


def test_what_a_request_sends_along_is_refused(researcher: Browser) -> None:
    answer = researcher.send("POST", "/hub/api/users/researcher/servers/second", {"cmd": ["/bin/sh"], "env": {"LD_PRELOAD": "x"}})
    assert answer.status_code == 400
    assert "takes no options" in answer.text


@pytest.mark.parametrize("person", ["reviewer-a", "steward", "admin"])
def test_people_who_are_no_researchers_start_no_server(hub: Hub, person: str) -> None:
    browser = hub.sign_in(person)
    assert browser.send("POST", f"/hub/api/users/{person}/servers/first", {}).status_code in (403, 404)
    assert browser.send("POST", "/hub/api/users/researcher/servers/second", {}).status_code in (403, 404)
    assert browser.send("POST", f"/hub/api/users/{person}/tokens", {}).status_code in (403, 404)


# ------------------------------------------------------------ the server


def test_the_server_opens_the_first_notebook(researcher: Browser, server: str, hub: Hub) -> None:
    assert str(researcher.get(server + "/").url).endswith("/lab/tree/notebooks/first_look.ipynb")


def test_a_servers_answers_name_no_versions_and_no_path(hub: Hub, researcher: Browser, server: str) -> None:
    """Answers of a server name no versions and no path of the machine."""
    for path in ("/api/contents/nowhere.txt", "/api/contents/a/../../b", "/lab", "/api/contents", "/api/kernels/x"):
        answer = researcher.get(server + path)
        assert answer.headers["server"] == "Twinpane"
        assert "." not in answer.headers.get("x-jupyterhub-version", "")
        assert str(hub.folder) not in answer.text


def test_the_only_kernel_is_twinpanes(researcher: Browser, server: str) -> None:
    specs = researcher.get(server + "/api/kernelspecs").json()
    assert specs["default"] == "twinpane"
    assert list(specs["kernelspecs"]) == ["twinpane"]


@pytest.mark.parametrize("name", ["python3", "evil", "TWINPANE", "../evil", ""])
def test_no_other_kernel_starts_even_one_that_was_planted(hub: Hub, researcher: Browser, server: str, name: str) -> None:
    spec = json.dumps({"argv": ["/bin/sh", "-c", "sleep 100"], "display_name": "evil", "language": "sh"})
    workspace = hub.folder / "hub" / "users" / "researcher" / "first" / "workspace"
    for place in (workspace / "kernels" / "evil", workspace / ".local" / "share" / "jupyter" / "kernels" / "evil"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "kernel.json").write_text(spec)
    before = researcher.get(server + "/api/kernels").json()
    assert researcher.send("POST", server + "/api/kernels", {"name": name}).status_code == 404
    session = {"kernel": {"name": name or "none"}, "name": "x", "path": "x.ipynb", "type": "notebook"}
    assert researcher.send("POST", server + "/api/sessions", session).status_code >= 400
    assert researcher.get(server + "/api/kernels").json() == before


@pytest.mark.parametrize(
    "path",
    [
        "/nbconvert/html/notebooks/first_look.ipynb", "/files/notebooks/first_look.ipynb", "/view/notebooks/first_look.ipynb",
        "/api/terminals", "/api/nbconvert", "/terminals/websocket/1", "/lsp/status", "/lab/api/build", "/lab/api/plugins",
    ],
)  # fmt: skip
def test_nothing_converts_renders_raw_files_or_opens_terminals(researcher: Browser, server: str, path: str) -> None:
    answer = researcher.get(server + path)
    # what JupyterLab does not know is its own page, with a notice: never the file, never a handler's answer
    assert answer.status_code == 404 or "jupyter-config-data" in answer.text
    assert researcher.send("POST", server + path, {}).status_code in (403, 404, 405)


def test_a_link_that_a_cell_planted_is_neither_listed_nor_read(hub: Hub, researcher: Browser, server: str) -> None:
    workspace = hub.folder / "hub" / "users" / "researcher" / "first" / "workspace"
    (workspace / "stolen.txt").symlink_to(hub.folder / "accounts.toml")
    assert researcher.get(server + "/api/contents/stolen.txt").status_code == 404
    listed = researcher.get(server + "/api/contents").json()["content"]
    assert [entry["name"] for entry in listed if entry["name"] == "stolen.txt"] == []


def test_the_server_calls_nobody_outside_and_installs_nothing(researcher: Browser, server: str) -> None:
    page = researcher.get(server + "/lab").text
    config = json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])
    assert config["news"] == {"disabled": True}
    assert config["buildAvailable"] is False
    assert config["extensionManager"]["can_install"] is False
    assert config["terminalsAvailable"] is False
    assert "https://" not in config["fullMathjaxUrl"]
    assert "@jupyterlab/terminal-extension" in config["lockedExtensions"]


def test_a_servers_environment_holds_nothing_of_the_hosts(hub: Hub, server: str) -> None:
    """The server's environment holds no variable of the host and no other server's secret."""
    environment = environment_of(hub.servers()[0])
    assert "SECRET_OF_THE_HOST" not in environment
    assert not {name for name in environment if name.startswith(("CONFIGPROXY", "LD_", "PYTHON", "OAUTH_CLIENT"))}
    assert environment["TWINPANE_PROJECT"] == "first"
    workspace, private = Path(environment["TWINPANE_WORKSPACE"]), Path(environment["TWINPANE_SERVER_DIR"])
    for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        assert Path(environment[name]).is_relative_to(private)
        assert not Path(environment[name]).is_relative_to(workspace)


def test_what_a_cell_could_plant_at_the_server_is_not_read(hub: Hub) -> None:
    """Configuration and code that a cell could plant are not read.

    The second project's server starts in a workspace full of traps: none of them springs.
    """
    base = hub.folder / "hub" / "users" / "researcher" / "second"
    workspace = base / "workspace"
    workspace.mkdir(parents=True)
    sprung = hub.folder / "sprung"
    trap = f"open({str(sprung)!r}, 'w').close()\n"
    for name in ("jupyter_server_config", "jupyter_config", "jupyter_lab_config", "json", "twinpane_kernel", "sitecustomize"):
        (workspace / f"{name}.py").write_text(trap)
    (workspace / ".jupyter").mkdir()
    (workspace / ".jupyter" / "jupyter_server_config.py").write_text(trap)
    browser = hub.sign_in("researcher")
    browser.open_project("researcher", "second")
    started = browser.send("POST", "/user/researcher/second/api/kernels", {"name": "twinpane", "path": ""})
    assert started.status_code == 201, started.text
    time.sleep(2)
    assert not sprung.exists()
    browser.send("DELETE", f"/user/researcher/second/api/kernels/{started.json()['id']}")


def test_not_even_an_admin_enters_a_researchers_server(hub: Hub, server: str) -> None:
    """Others do not enter a researcher's server, not even an admin."""
    for person in ("reviewer-a", "steward", "admin"):
        browser = hub.sign_in(person)
        answer = browser.get(server + "/api/contents")
        assert answer.status_code in (403, 404), (person, answer.status_code)
        assert "first_look" not in answer.text
    stranger = httpx.get(hub.sign_in("steward").at(server + "/api/contents"), trust_env=False)
    assert stranger.status_code == 403


def test_an_admin_stops_servers_but_does_not_change_people(hub: Hub, server: str) -> None:
    """An admin sees the running servers and can stop them, but cannot change people."""
    admin = hub.sign_in("admin")
    assert admin.get("/hub/admin").status_code == 200
    users = {user["name"]: user for user in admin.get("/hub/api/users").json()}
    assert "first" in users["researcher"]["servers"]
    assert "state" not in users["researcher"]["servers"]["first"] or users["researcher"]["servers"]["first"]["state"] is None
    for method, path, body in (
        ("POST", "/hub/api/users/mallory", {}), ("PATCH", "/hub/api/users/researcher", {"name": "taken"}),
        ("PATCH", "/hub/api/users/admin", {"admin": True}), ("POST", "/hub/api/groups/reviewer/users", {"users": ["admin"]}),
        ("POST", "/hub/api/users/researcher/tokens", {}), ("GET", "/hub/api/users/researcher/tokens", None),
    ):  # fmt: skip
        assert admin.send(method, path, body).status_code in (400, 403, 404), path


# ------------------------------------------------------------ the switchboard, and the sites' pages


def pane(hub: Hub, token: str, project: str) -> Welcome | tuple[int, str]:
    """What a pane hears first: its welcome, or code and reason of the end."""
    from websockets.exceptions import ConnectionClosed

    headers = {"Authorization": f"token {token}"}
    with connect(f"{hub.switchboard}/pane?project={project}", additional_headers=headers, proxy=None) as socket:
        try:
            welcome: Welcome = decode(ToPane, socket.recv(timeout=10))
            return welcome
        except ConnectionClosed:
            return socket.close_code or 0, socket.close_reason or ""


def test_the_servers_token_is_a_ticket_to_its_own_project_alone(hub: Hub, server: str) -> None:
    token = environment_of(hub.servers()[0])["JUPYTERHUB_API_TOKEN"]
    welcome = pane(hub, token, "first")
    assert isinstance(welcome, Welcome)
    assert welcome.principal == Principal(user="researcher", project="first")
    assert pane(hub, token, "second")[0] == 4003  # type: ignore[index]
    assert pane(hub, "0" * 32, "first")[0] == 4001  # type: ignore[index]


def test_notebooks_reach_the_switchboard_by_the_gates_socket(hub: Hub, researcher: Browser, server: str) -> None:
    """At the port, a caller from this machine may be a proxy that speaks for others."""
    started = researcher.send("POST", server + "/api/kernels", {"name": "twinpane"})
    assert started.status_code == 201, started.text
    gate = psutil.Process(hub.servers()[0])
    while "twinpane_kernel.gate" not in gate.cmdline():
        parent = gate.parent()
        assert parent is not None
        gate = parent
    [board] = [each for each in psutil.Process(hub.process.pid).children(recursive=True) if "twinpane_hub.switchboard" in each.cmdline()]
    until = time.monotonic() + 30
    try:
        while sum(each.laddr.endswith("/gates") for each in board.net_connections("unix")) < 2:  # the one that listens, and the pane's
            assert time.monotonic() < until, hub.log
            time.sleep(0.2)
        port = int(hub.switchboard.rpartition(":")[2])
        assert not [each for each in gate.net_connections("tcp") if each.raddr and each.raddr.port == port]
    finally:
        researcher.send("DELETE", f"{server}/api/kernels/{started.json()['id']}")


def test_the_switchboard_is_reached_through_the_hubs_address_too(hub: Hub, server: str) -> None:
    token = environment_of(hub.servers()[0])["JUPYTERHUB_API_TOKEN"]
    address = hub.url.replace("http", "ws") + "/services/switchboard/pane?project=first"
    with connect(address, additional_headers={"Authorization": f"token {token}"}, proxy=None) as socket:
        assert isinstance(decode(ToPane, socket.recv(timeout=10)), Welcome)


def test_reviewers_and_not_researchers_sign_in_at_a_sites_pages(hub: Hub, researcher: Browser) -> None:
    """Reviewers sign in at a site's pages, and researchers do not."""
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    query = (
        f"client_id=service-review-a&redirect_uri={REVIEW}{CALLBACK}&response_type=code&state=s"
        f"&code_challenge={challenge}&code_challenge_method=S256"
    )
    for person, admitted in (("reviewer-a", True), ("steward", True), ("researcher", False), ("admin", False)):
        browser = researcher if person == "researcher" else hub.sign_in(person)
        browser.client.follow_redirects = False
        answer = browser.get(f"/hub/api/oauth2/authorize?{query}")
        browser.client.follow_redirects = True
        sent_back = answer.status_code == 302 and answer.headers["location"].startswith(f"{REVIEW}{CALLBACK}?")
        assert sent_back == admitted, (person, answer.status_code, answer.headers.get("location"))
        if admitted:
            assert signed_in_at_review(hub, httpx.URL(answer.headers["location"]).params["code"]) == person


def signed_in_at_review(hub: Hub, code: str) -> str:
    """What the review pages do with a code (the verifier belongs to the challenge above, RFC 7636)."""
    form = {
        "client_id": "service-review-a", "client_secret": "r" * 40, "grant_type": "authorization_code", "code": code,
        "redirect_uri": REVIEW + CALLBACK, "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    }  # fmt: skip
    token = httpx.post(f"{hub.url}/hub/api/oauth2/token", data=form, trust_env=False).raise_for_status().json()["access_token"]
    model = httpx.get(f"{hub.url}/hub/api/user", headers={"Authorization": f"token {token}"}, trust_env=False).json()
    assert not [scope for scope in model["scopes"] if scope.startswith(("servers", "access:servers", "tokens"))]
    name: str = model["name"]
    return name


def test_nobody_is_sent_anywhere_but_to_the_registered_address(hub: Hub) -> None:
    browser = hub.sign_in("reviewer-a")
    browser.client.follow_redirects = False
    query = "client_id=service-review-a&redirect_uri=http://evil.test/&response_type=code&state=s"
    assert browser.get(f"/hub/api/oauth2/authorize?{query}").status_code == 400


def test_a_stopped_server_takes_its_ticket_along(hub: Hub, researcher: Browser, server: str) -> None:
    token = environment_of(hub.servers()[0])["JUPYTERHUB_API_TOKEN"]
    assert researcher.send("DELETE", "/hub/api/users/researcher/servers/first").status_code in (202, 204)
    until = time.monotonic() + 60
    while isinstance(pane(hub, token, "first"), Welcome):
        assert time.monotonic() < until
        time.sleep(1)
