"""A project's whole life over a real hub, four real sites, their pages and a notebook: proposed, answered, worked in, ended, gone."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.network_world import Hospital, ServersNotebook, StewardsBrowser, network_token, twinpane, until
from integration.hub_factories import Hub, running, store_of
from twinpane_hub.network.api_routes import ROOT
from twinpane_hub.network.life import amend_site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TITLES = {"north": "North Hospital", "south": "South Hospital", "west": "West Clinic", "east": "East Clinic"}
HEART: dict[str, Any] = {
    "id": "heart", "title": "Heart failure", "purpose": "To see who returns within a month", "legal_basis": "Article 9 (2) j",
    "sites": ["north", "south", "west"], "members": ["researcher", "researcher2"], "reviewers": ["reviewer-a"],
    "tables": {"person": ["sex", "age"], "visit_occurrence": []}, "expires": "2100-01-01",
}  # fmt: skip

REFUSED = "The hub does not take this site: first visit of site stray: the one-time token "


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    sites = {name: {"title": TITLES[name]} for name in ("north", "south", "west")}
    with running(tmp_path_factory.mktemp("hub"), projects={}, sites=sites, review={}) as found:
        yield found


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Hospital]]:
    base = tmp_path_factory.mktemp("sites")
    found = {name: Hospital.make(base, name, title, seed) for seed, (name, title) in enumerate(TITLES.items())}
    yield found
    for hospital in found.values():
        hospital.stop()


def invited(hub: Hub, name: str) -> str:
    """A one-time token, as the command line prints it."""
    return twinpane("hub", "site", "invite", str(hub.folder / "hub.toml"), name).rpartition("TWINPANE_SITE_TOKEN=")[2].strip()


def test_a_project_lives_from_proposal_to_proof_that_it_is_gone(hub: Hub, hospitals: dict[str, Hospital]) -> None:
    """Three sites are asked, one accepts, one in part, one declines; a fourth joins; one suspends; it ends, and leaves nothing inside."""
    north, south, west, east = hospitals.values()
    admin, researcher = hub.sign_in("admin"), hub.sign_in("researcher")
    token = network_token(hub, admin)

    def api(method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.request(method, f"{hub.url}{ROOT}{path}", json=body, headers=headers, trust_env=False, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def said() -> dict[str, str]:
        return {site["id"]: site["words"] for site in api("GET", "/projects/heart")["sites"]}

    for hospital in (north, south, west):
        hospital.start(hub, invited(hub, hospital.name))
    until(lambda: all(site["online"] for site in api("GET", "/sites")["sites"]), told=lambda: hub.log)

    # Proposed on links that stand, to sites that know nothing of it.
    api("POST", "/projects", HEART)
    stewards = {hospital.name: StewardsBrowser(hospital) for hospital in (north, south, west)}
    for name, steward in stewards.items():
        assert "To see who returns" in until(lambda steward=steward: steward.page("heart"), told=lambda name=name: hospitals[name].log)
    assert said() == dict.fromkeys(stewards, "no answer yet")

    # Each answers for itself.
    all_of_it = {"members": HEART["members"], "tables": [*HEART["tables"]]}
    stewards["north"].press("heart", "accept", **all_of_it, until="2099-01-01")
    version = south.run("project", "show", "heart").split("version ")[1][:64]
    south.run("project", "accept", "heart", "--version", version, "--member", "researcher", "--table", "person")
    stewards["west"].press("heart", "decline", reason="legal_basis")
    declined = "declined: the legal basis is missing, or does not hold there"
    shorter, fewer = "accepted in part: until 2099-01-01", "accepted in part: without researcher2; 1 of 2 tables"
    until(lambda: said() == {"north": shorter, "south": fewer, "west": declined}, told=said)
    page = admin.get("/hub/admin/projects/heart").text
    assert "accepted in part" in page
    assert "2099-01-01" in page
    assert api("GET", "/projects/heart")["words"] == "active"

    # A researcher works: two sites answer, and the third is named with why it does not.
    researcher.open_project("researcher", "heart")
    notebook = ServersNotebook(researcher, "researcher", "heart")
    assert notebook.run("print(1 + 1)") == "2\n"
    until(lambda: notebook.states() == {"north": "same", "south": "same", "west": "refused"}, told=notebook.states)
    table = notebook.run("import twinpane as tp; tp.sql('select count(*) n from person')")
    assert "600" in table
    assert "Not in this table: West Clinic (has not accepted this project, or not you as its member, or has suspended it)" in table
    assert "South Hospital (There is no table visit_occurrence" in notebook.run("tp.sql('select count(*) n from visit_occurrence')")

    # A fourth site joins while all runs; the open notebook is told, and has it once it is restarted.
    twinpane("hub", "site", "add", str(hub.folder / "hub.toml"), "east", "--title", TITLES["east"])
    east.start(hub, invited(hub, "east"))
    api("PATCH", "/projects/heart", {"sites": ["north", "south", "west", "east"]})
    fourth = StewardsBrowser(east)
    until(lambda: fourth.page("heart"), told=lambda: east.log)
    fourth.press("heart", "accept", **all_of_it, until="2100-01-01")
    until(lambda: said()["east"] == "accepted", told=said)
    told = "East Clinic has accepted this project since. Restart the kernel to have it."
    until(lambda: notebook.run("print('still three')") and told in notebook.cells()[-1]["notes"], told=notebook.cells)
    notebook.restart()
    notebook.run("print('four')")
    until(lambda: notebook.states() == {"north": "same", "south": "same", "west": "refused", "east": "same"}, told=notebook.states)

    # A site suspends: what stands below the next cell says so within seconds.
    stewards["south"].press("heart", "suspend")
    until(lambda: notebook.run("print('on')") and notebook.states()["south"] == "refused", 20, told=notebook.states)
    until(lambda: said()["south"] == "suspended", told=said)
    assert "South Hospital (has not accepted" in notebook.run("import twinpane as tp; tp.sql('select count(*) n from person')")

    # The administrator ends it; each steward then does, and after the policy's days nothing of it is inside.
    api("PATCH", "/projects/heart", {"state": "ended"})
    until(lambda: researcher.get("/user/researcher/heart/api").status_code != 200, 90)
    for hospital, steward in ((north, stewards["north"]), (south, stewards["south"]), (east, fourth)):
        until(lambda steward=steward: "the hub says ended" in steward.page(), told=lambda steward=steward: steward.page())
        assert (hospital.folder / "projects" / "heart").exists()
        steward.press("heart", "end", typed="heart")
    until(lambda: set(said().values()) == {"ended", declined}, told=said)
    for hospital in (north, south, east):
        hospital.stop()
        hospital.start(hub, days_ahead=31)
        until(lambda hospital=hospital: not (hospital.folder / "projects" / "heart").exists(), told=lambda hospital=hospital: hospital.log)
        assert "volumes" in hospital.run("ledger", "show", "--kind", "purged")
    for steward in (*stewards.values(), fourth):
        steward.close()
    for hospital in hospitals.values():
        hospital.stop()
        assert "holds" in hospital.run("ledger", "verify")
        assert not re.search("Traceback|ERROR", hospital.log), hospital.log


def test_who_may_not_join_is_told_why_at_the_site(hub: Hub, hospitals: dict[str, Hospital], tmp_path: Path) -> None:
    """An expired token, one that was used, and one that was replaced: a sentence for the steward, who is let in with a good one."""
    stray = Hospital.make(tmp_path, "stray", "Stray Clinic", persons=200)
    settings = str(hub.folder / "hub.toml")
    twinpane("hub", "site", "add", settings, "stray")
    good = invited(hub, "stray")
    store_of(hub.folder).change("tests", amend_site("stray", token_ends=datetime(2020, 1, 1, tzinfo=UTC)))
    try:
        stray.start(hub, good)
        until(lambda: f"{REFUSED}expired on 2020-01-01" in stray.log, told=lambda: stray.log)
        stray.stop()
        again = invited(hub, "stray")
        stray.start(hub, again)
        until(lambda: "joins with the key of its first visit" in listed(settings, "stray"), told=lambda: stray.log)
        stray.stop()
        twinpane("hub", "site", "forget-key", settings, "stray")
        for token, why in ((again, "was used before"), (good, "is wrong")):
            stray.start(hub, token)
            until(lambda why=why: f"{REFUSED}{why}" in stray.log, told=lambda: stray.log)
            stray.stop()
    finally:
        stray.stop()
    assert "Traceback" not in stray.log


def listed(settings: str, name: str) -> str:
    """What the list of sites says of one."""
    return twinpane("hub", "site", "list", settings).partition(f"\n{name} ")[2].splitlines()[1]


def test_a_network_file_with_a_mistake_changes_nothing(hub: Hub, hospitals: dict[str, Hospital], tmp_path: Path) -> None:
    """One sentence says where it is wrong; the network is as it was. (What a kill does is in the tests of the store.)"""
    settings, file = str(hub.folder / "hub.toml"), tmp_path / "network.toml"
    before = twinpane("hub", "show", settings)
    file.write_text(before + '\n[projects.lung]\ntitle = "Lungs"\nsites = ["nowhere"]\nmembers = []\nexpires = 2100-01-01\n')
    assert "names site nowhere" in twinpane("hub", "apply", settings, str(file), "--yes", fails=True)
    file.write_text(before + "\n[projects.lung]\ntitle = ")
    twinpane("hub", "apply", settings, str(file), "--yes", fails=True)
    assert twinpane("hub", "show", settings) == before
