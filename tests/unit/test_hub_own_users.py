"""A user for each server, where the hub is root: given once, kept, nobody else's, and never through a link."""

import os
from pathlib import Path

import pytest

from twinpane_hub.folders import Folders, folders, lay_out_notebooks
from twinpane_hub.own_users import owner
from twinpane_sandbox import own_users
from twinpane_sandbox.own_users import NoUser, is_one

FIRST = 1_900_000_000
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it gives a folder away")


def made(state: Path, user: str, project: str = "first") -> Folders:
    found = folders(state, user, project)
    found.make()
    return found


def of(found: Folders, first: int = FIRST) -> int:
    return owner(found, found.workspace.parents[2], first)


@root_only
def test_each_server_has_a_user_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    ana, ben, other = made(tmp_path, "ana"), made(tmp_path, "ben"), made(tmp_path, "ana", "second")
    numbers = [of(ana), of(ben), of(other)]
    assert len(set(numbers)) == 3
    assert all(is_one(FIRST, number) for number in numbers)
    assert [of(ana), of(ben), of(other)] == numbers
    for found, number in zip((ana, ben, other), numbers, strict=True):
        assert {found.workspace.stat().st_uid, found.server.stat().st_uid, (found.server / "cache").stat().st_uid} == {number}
        assert found.workspace.parent.stat().st_uid == 0, "the hub's own notes stay the hub's"
        assert found.workspace.parent.stat().st_mode & 0o077 == 0


@root_only
def test_old_files_are_given_too_but_no_links(tmp_path: Path) -> None:
    """Old files get the new owner too, except for links and files with a second name."""
    found = made(tmp_path, "ana")
    kept = tmp_path / "kept"
    kept.write_text("the hub's")
    (found.workspace / "deep").mkdir()
    (found.workspace / "deep" / "mine.txt").write_text("mine")
    (found.workspace / "link").symlink_to(kept)
    (found.workspace / "folder").symlink_to(tmp_path, target_is_directory=True)
    os.link(kept, found.workspace / "second")
    number = of(found)
    assert (found.workspace / "deep" / "mine.txt").stat().st_uid == number
    assert kept.stat().st_uid == 0
    assert tmp_path.stat().st_uid == 0


@root_only
def test_laid_out_notebooks_belong_to_the_user(tmp_path: Path) -> None:
    """The notebooks that the hub lays out belong to the user, who may have planted links."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "first_look.ipynb").write_text("{}")
    found = made(tmp_path, "ana")
    number = of(found)
    assert lay_out_notebooks(tmp_path / "source", found, number) == "notebooks/first_look.ipynb"
    assert (found.workspace / "notebooks" / "first_look.ipynb").stat().st_uid == number
    other = made(tmp_path, "ben")
    (tmp_path / "elsewhere").mkdir()
    (other.workspace / "notebooks").symlink_to(tmp_path / "elsewhere")
    assert lay_out_notebooks(tmp_path / "source", other, of(other)) is None
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (tmp_path / "elsewhere").stat().st_uid == 0


@root_only
def test_when_no_number_is_left_no_server_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_users, "MANY", 1)
    of(made(tmp_path, "ana"))
    with pytest.raises(NoUser, match="users_from"):
        of(made(tmp_path, "ben"))


def test_when_servers_run_under_the_hubs_own_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers run under the hub's own user if it is not root, or if the administrator says so."""
    found = made(tmp_path, "ana")
    assert of(found, first=0) == 0
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert of(found) == 0
