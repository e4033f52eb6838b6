"""What administrators can do is done once for pages and API, and described as it is."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from twinpane_hub import disabled
from twinpane_hub.admin_forms import new_project, tables_of, words_of
from twinpane_hub.network import life
from twinpane_hub.network.administration import Administration, PersonRow
from twinpane_hub.network.api_routes import ROOT, ROUTES, openapi
from twinpane_hub.network.requests import Invitation, NewProject, ProjectChange
from twinpane_hub.network.store import NetworkStore
from twinpane_hub.projects import Directory, NoSuch, Project, ProjectsError, Site
from twinpane_hub.settings import HubSettings, LocalSignIn

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
FIRST = Project(title="First look", sites=("a",), members=("ana",), expires=date(2100, 1, 1))
SEEN = PersonRow(name="ben", roles=("researcher",), shut_out=False, last_active=NOW, servers=("first",), projects=())


class Users:
    """One person signed in before."""

    def known(self) -> list[PersonRow]:
        return [SEEN]


@pytest.fixture
def acts(tmp_path: Path) -> Administration:
    settings = HubSettings(folder=tmp_path, sign_in=LocalSignIn(kind="local"))
    settings.state_folder.mkdir()
    store = NetworkStore(settings.store_url)
    store.change("tests", life.declared(Directory(projects={"first": FIRST}, sites={"a": Site()})))
    return Administration("ada", store, settings, Users(), lambda: NOW)


def test_every_person_is_listed_wherever_the_name_comes_from(acts: Administration) -> None:
    """Who signed in, who is named in a project and never came, and who is shut out."""
    disabled.change(acts._settings.state_folder, lambda names: names | {"eve"})
    people = {row.name: row for row in acts.people().people}
    assert people["ben"] == SEEN
    assert people["ana"].projects == ("first",)
    assert people["eve"].shut_out
    assert list(people) == ["ana", "ben", "eve"]


def test_a_last_day_that_is_over_is_refused_in_a_sentence(acts: Administration) -> None:
    """In the form, the API and the file, for a new project and another last day. Before, the project was over as it was proposed."""
    over, today = date(2029, 12, 31), NOW.date()
    refused = "the last day of project (first|second), 2029-12-31, is over: choose today or a later day"
    second = NewProject.model_validate({**FIRST.model_dump(), "id": "second", "expires": over})
    shorter = acts.network().model_copy(update={"projects": {"first": FIRST.model_copy(update={"expires": over})}})
    for act in (
        lambda: acts.rehearse(second), lambda: acts.propose(second), lambda: acts.change_project("first", ProjectChange(expires=over)),
        lambda: acts.plan(shorter), lambda: acts.apply(shorter),
    ):  # fmt: skip
        with pytest.raises(ProjectsError, match=refused):
            act()
    assert acts.network().projects == {"first": FIRST}
    assert acts.change_project("first", ProjectChange(expires=today)).done


def test_a_project_that_was_over_before_hinders_no_change(acts: Administration) -> None:
    """A document of an old network is taken in, its people change, and it ends."""
    old = FIRST.model_copy(update={"expires": date(2029, 12, 31)})
    assert acts.apply(acts.network().model_copy(update={"projects": {"first": FIRST, "old": old}})).done
    assert acts.change_people("old", "member", add=("ben",)).done
    assert acts.change_project("old", ProjectChange(state="ended")).done


def test_who_is_shut_out_is_on_the_hubs_list_and_in_the_record(acts: Administration) -> None:
    """A second time does nothing; a name that nobody has is an error, and so is one's own."""
    assert acts.shut_out("ana").done == ("shut ana out",)
    assert acts.shut_out("ana").done == ()
    assert disabled.load(acts._settings.state_folder) == {"ana"}
    assert acts.let_in("ana").done
    assert [(change.who, change.what) for change in acts.changes().changes][:2] == [
        ("ada", "let ana sign in again"),
        ("ada", "shut ana out"),
    ]
    with pytest.raises(NoSuch, match="nobody here"):
        acts.shut_out("anna")
    with pytest.raises(ProjectsError, match="yourself"):
        acts.shut_out("ada")


def test_only_given_fields_change(acts: Administration) -> None:
    """A null that is given takes a budget back; one that is not given leaves it."""
    acts.change_project("first", ProjectChange.model_validate({"day_bits": 10, "members": ["ana", "ben"]}))
    assert acts.change_project("first", ProjectChange.model_validate({})).done == ()
    assert acts.project("first").document.day_bits == 10
    assert acts.change_project("first", ProjectChange.model_validate({"day_bits": None})).done == ("project first: no bits a day any more",)
    assert acts.change_project("first", ProjectChange.model_validate({"state": "suspended", "title": "Other"})).done == (
        "suspend project first", "project first: title Other",
    )  # fmt: skip


def test_a_rehearsal_changes_nothing(acts: Administration) -> None:
    wanted = NewProject.model_validate({**FIRST.model_dump(), "id": "second"})
    assert acts.rehearse(wanted).plan == ("propose project second (First look) to a, with ana",)
    assert "second" not in acts.network().projects
    with pytest.raises(ProjectsError, match="already"):
        acts.rehearse(NewProject.model_validate({**FIRST.model_dump(), "id": "first"}))


def test_a_token_is_given_once_and_ends_after_its_days(acts: Administration) -> None:
    token = acts.invite("a", Invitation(days=2))
    assert token.ends == datetime(2030, 1, 3, 12, tzinfo=UTC)
    assert token.token not in acts.network().model_dump_json()
    assert acts.site("a").joins == "with its one-time token, until 2030-01-03 12:00 UTC"


def test_the_description_has_each_route_and_each_of_its_types() -> None:
    """Every reference in it leads to a type that it has."""
    described = openapi("1")
    assert {(path, method.upper()) for path, each in described["paths"].items() for method in each} == {
        (ROOT + route.path, route.method) for route in ROUTES
    }
    text = str(described)
    named = {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= described["components"]["schemas"].keys()


def test_a_form_is_read_as_the_api_takes_it() -> None:
    """Names between commas and lines; tables with and without columns; an empty number is none."""
    fields = {"id": "x", "title": "X", "members": "ana, ben\nana2", "tables": "lab: value, unit\n\nperson\n", "expires": "2100-01-01"}
    wanted = new_project(lambda name: fields.get(name, ""), ["a"])
    assert wanted.members == ("ana", "ben", "ana2")
    assert wanted.tables == {"lab": ("value", "unit"), "person": ()}
    assert wanted.day_bits is None
    assert words_of(" ,;\n") == ()
    with pytest.raises(ProjectsError, match="named twice"):
        tables_of("lab\nlab: value")
    with pytest.raises(ProjectsError, match="at least one site"):
        new_project(lambda name: fields.get(name, ""), [])
