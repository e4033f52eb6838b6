"""Workspaces: names from requests stay inside, notebooks are copied once, links are not followed."""

from pathlib import Path

import pytest

from twinpane_hub.folders import folders, lay_out_notebooks


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    source = tmp_path / "notebooks"
    source.mkdir()
    for name in ("actg175.ipynb", "first_look.ipynb", "notes.txt"):
        (source / name).write_text(f"original {name}")
    return source


@pytest.mark.parametrize(
    ("user", "project"), [("..", "first"), ("a/b", "first"), ("", "first"), ("ana", ".."), ("ana", "a/b"), ("ana", ""), (".x", "p")]
)
def test_a_name_that_is_none_has_no_folder(tmp_path: Path, user: str, project: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        folders(tmp_path, user, project)


def test_what_the_server_writes_lies_beside_the_workspace(tmp_path: Path) -> None:
    """What the server writes lies beside the workspace, not in it."""
    found = folders(tmp_path, "ana", "first")
    found.make()
    assert not found.server.is_relative_to(found.workspace)
    assert found.workspace.stat().st_mode & 0o077 == 0


def test_a_new_workspace_gets_the_notebooks_and_opens_the_first(tmp_path: Path, notebooks: Path) -> None:
    found = folders(tmp_path, "ana", "first")
    found.make()
    assert lay_out_notebooks(notebooks, found) == "notebooks/first_look.ipynb"
    assert sorted(p.name for p in (found.workspace / "notebooks").iterdir()) == ["actg175.ipynb", "first_look.ipynb"]


def test_a_new_start_keeps_edits_and_adds_new_notebooks(tmp_path: Path, notebooks: Path) -> None:
    """Edits and removals stay at the next start, and new notebooks come."""
    found = folders(tmp_path, "ana", "first")
    found.make()
    lay_out_notebooks(notebooks, found)
    (found.workspace / "notebooks" / "first_look.ipynb").write_text("edited")
    (found.workspace / "notebooks" / "actg175.ipynb").unlink()
    (notebooks / "new.ipynb").write_text("new")
    lay_out_notebooks(notebooks, found)
    assert {p.name: p.read_text() for p in (found.workspace / "notebooks").iterdir()} == {"first_look.ipynb": "edited", "new.ipynb": "new"}


def test_a_planted_link_is_not_written_through(tmp_path: Path, notebooks: Path) -> None:
    """The hub does not write through a link that a cell put in place of the folder or a notebook."""
    target = tmp_path / "elsewhere"
    target.mkdir()
    found = folders(tmp_path, "ana", "first")
    found.make()
    (found.workspace / "notebooks").symlink_to(target)
    assert lay_out_notebooks(notebooks, found) is None
    (found.workspace / "notebooks").unlink()
    (found.workspace / "notebooks").mkdir()
    (found.workspace / "notebooks" / "first_look.ipynb").symlink_to(target / "planted")
    lay_out_notebooks(notebooks, found)
    assert not list(target.iterdir())


def test_what_a_server_plants_is_not_written_through(tmp_path: Path, notebooks: Path) -> None:
    """Before, the hub's note of copied notebooks lay in there, and a link in its place was followed with the hub's rights."""
    target = tmp_path / "elsewhere"
    target.mkdir()
    found = folders(tmp_path, "ana", "first")
    found.make()
    (found.server / "cache").rmdir()
    (found.server / "cache").symlink_to(target)
    (found.server / "notebooks.copied").symlink_to(target / "note")
    found.make()
    lay_out_notebooks(notebooks, found)
    assert not list(target.iterdir())
    assert not found.noted.is_relative_to(found.server)
    assert not found.noted.is_relative_to(found.workspace)


def test_without_notebooks_there_is_nothing_to_open(tmp_path: Path) -> None:
    found = folders(tmp_path, "ana", "first")
    found.make()
    assert lay_out_notebooks(None, found) is None
    assert lay_out_notebooks(tmp_path / "nowhere", found) is None
