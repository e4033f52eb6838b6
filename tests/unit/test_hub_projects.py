"""The network's document is strict, and closed by default."""

from datetime import date
from pathlib import Path

import pytest

from twinpane_hub.projects import Directory, NotAdmitted, ProjectsError, load

GOOD = """
[projects.first]
title = "First look"
purpose = "Learning"
sites = ["a"]
members = ["researcher"]
expires = 2030-01-31

[sites.a]
title = "Hospital A"
review_url = "http://127.0.0.1:8101"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "network.toml"
    path.write_text(text)
    return path


def test_a_good_file_gives_projects_and_sites(tmp_path: Path) -> None:
    directory = load(written(tmp_path, GOOD))
    assert directory.projects["first"].sites == ("a",)
    assert directory.sites["a"].review_url == "http://127.0.0.1:8101"
    assert directory.projects_of_site("a") == ("first",)


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (GOOD + "colour = 'red'\n", "unknown key `colour` in [sites.a]; known are title, review_url"),
        (GOOD.replace("expires = 2030-01-31", ""), "`expires` is missing in [projects.first]. Write it"),
        (GOOD.replace("[projects.first]", "[projects.First]"), "`First` in [projects]"),
        (GOOD.replace('members = ["researcher"]', 'members = ["re/searcher"]'), "`members.0` in [projects.first]"),
        (GOOD.replace('sites = ["a"]', 'sites = ["a", "z"]'), "site z, which has no section [sites.z]"),
        (GOOD.replace('sites = ["a"]', "sites = []"), "`sites` in [projects.first]"),
        (GOOD.replace('sites = ["a"]', 'sites = ["a", "a"]'), "it names site a twice"),
        (GOOD + "[sites.a]\n", "not TOML"),
        (GOOD.replace("http://127.0.0.1:8101", "javascript:alert(1)"), "`review_url` in [sites.a]"),
        ("[projects", "not TOML"),
    ],
)
def test_a_broken_file_is_refused_with_key_and_remedy(tmp_path: Path, broken: str, named: str) -> None:
    with pytest.raises(ProjectsError) as refused:
        load(written(tmp_path, broken))
    assert named in str(refused.value)
    assert "network.toml" in str(refused.value)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ProjectsError, match=r"nowhere\.toml"):
        load(tmp_path / "nowhere.toml")


def test_members_are_admitted_to_the_projects_last_day(tmp_path: Path) -> None:
    """Members are admitted until the project expires, its last day included."""
    directory = load(written(tmp_path, GOOD))
    assert directory.admit("researcher", "first", date(2030, 1, 31)).title == "First look"
    with pytest.raises(NotAdmitted, match="ended on 2030-01-31"):
        directory.admit("researcher", "first", date(2030, 2, 1))


@pytest.mark.parametrize(("user", "project"), [("mallory", "first"), ("researcher", "second"), ("", "first"), ("researcher", "")])
def test_others_learn_only_that_they_have_no_such_project(tmp_path: Path, user: str, project: str) -> None:
    """Others learn only that there is no such project for them."""
    with pytest.raises(NotAdmitted, match="that you are a member of"):
        load(written(tmp_path, GOOD)).admit(user, project, date(2026, 1, 1))


def test_an_empty_directory_admits_nobody() -> None:
    with pytest.raises(NotAdmitted):
        Directory().admit("researcher", "first", date(2026, 1, 1))
