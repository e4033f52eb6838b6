"""The home page shows a person's own projects, and says "unknown" rather than guess."""

import os
from datetime import date
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader

import twinpane_hub.pages as pages
from twinpane_hub.projects import Directory, Project, Site

DIRECTORY = Directory(
    projects={
        "ended": Project(title="Ended", sites=("a",), members=("ana",), expires=date(2026, 1, 1)),
        "first": Project(title="<b>First</b>", purpose="Why & how", sites=("a", "b"), members=("ana",), expires=date(2030, 1, 1)),
        "other": Project(title="Other", sites=("b",), members=("ben",), expires=date(2030, 1, 1)),
    },
    sites={"a": Site(title="Hospital A"), "b": Site()},
)


def listed(present: frozenset[str] | None = frozenset({"a"})) -> list[pages.ProjectView]:
    return pages.projects_of("ana", DIRECTORY, present, date(2026, 6, 1))


def test_own_projects_are_listed_running_ones_first() -> None:
    assert [(view.name, bool(view.closed)) for view in listed()] == [("first", False), ("ended", True)]


def test_sites_are_online_offline_or_unknown() -> None:
    assert [site.online for site in listed()[0].sites] == [True, False]
    assert [site.online for site in listed(None)[0].sites] == [None, None]


def test_titles_are_text_and_ended_projects_cannot_be_opened() -> None:
    """Titles are shown as text, and an ended project cannot be opened."""
    environment = Environment(loader=FileSystemLoader(Path(pages.__file__).parent / "templates"), autoescape=True)
    html = environment.get_template("projects.html").render(projects=listed(), user_name="ana", base_url="/hub/")
    assert "<b>First" not in html
    assert 'href="/hub/spawn/ana/first"' in html
    assert "/hub/spawn/ana/ended" not in html
    assert "This project ended on 2026-01-01" in html


@pytest.mark.parametrize("text", ["", "{", "{}", '{"online": 1}', "[]"])
def test_a_damaged_note_of_the_switchboard_is_unknown(tmp_path: Path, text: str) -> None:
    file = tmp_path / "online.json"
    file.write_text(text)
    assert pages.online(file, file.stat().st_mtime) is None


def test_an_old_note_is_unknown(tmp_path: Path) -> None:
    file = tmp_path / "online.json"
    assert pages.online(file, 0) is None
    file.write_text('{"online": ["a"]}')
    os.utime(file, (1000, 1000))
    assert pages.online(file, 1010) == {"a"}
    assert pages.online(file, 1000 + pages.STALE + 1) is None
