"""Folders that a kernel can write, changed from outside: by descriptor, within bounds, no link followed."""

import os
from pathlib import Path

import pytest

from twinpane_sandbox import folders
from twinpane_sandbox.errors import UnsafePath


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    (tmp_path / "root" / "a" / "file").write_text("text")
    (tmp_path / "root" / "link").symlink_to("../outside")
    (tmp_path / "root" / "a" / "link").symlink_to("../../outside/secret")
    os.mkfifo(tmp_path / "root" / "a" / "pipe")
    return tmp_path / "root"


def test_files_and_folders_are_listed_and_nothing_else(root: Path) -> None:
    assert [(entry.name, entry.is_folder, entry.size) for entry in folders.listed(root, "a", 10)][1:] == [("file", False, 4)]
    assert [entry.name for entry in folders.listed(root, "", 10)] == ["a"]


def test_a_folder_with_too_many_entries_is_not_listed(root: Path) -> None:
    with pytest.raises(UnsafePath):
        folders.listed(root, "a", 2)


@pytest.mark.parametrize("path", ["link", "link/secret", "a/link", "a/pipe", "../outside", "a/../../outside", "/etc", "a//b", "."])
def test_no_function_goes_through_a_link_or_out_of_the_root(root: Path, path: str) -> None:
    for call in (
        lambda: folders.look(root, path), lambda: folders.listed(root, path, 10), lambda: folders.append(root, path, b"x"),
        lambda: folders.move(root, path, "new"), lambda: folders.copy_file(root, path, root, "new", 100),
        lambda: folders.copy_folder(root, path, "new", 100, 100), lambda: folders.make_folder(root, f"{path}/new"),
        lambda: folders.put(root, f"{path}/new", b"x"), lambda: folders.remove(root, f"{path}/secret"),
    ):  # fmt: skip
        with pytest.raises((UnsafePath, FileNotFoundError, NotADirectoryError)):
            call()
    assert (root.parent / "outside" / "secret").read_text() == "secret"
    assert not (root / "new").exists()


def test_a_folder_is_removed_without_what_its_links_point_to(root: Path) -> None:
    """A folder is removed with its links, and not what they point to."""
    folders.remove(root, "a")
    folders.remove(root, "link")
    assert list(root.iterdir()) == []
    assert (root.parent / "outside" / "secret").read_text() == "secret"


def test_a_folder_is_not_copied_into_itself_or_beyond_bounds(root: Path) -> None:
    """A folder is not copied into itself, nor beyond the bounds."""
    for new, limit, most in (("a/c", 100, 100), ("c", 3, 100), ("c", 100, 2)):
        with pytest.raises(UnsafePath):
            folders.copy_folder(root, "a", new, limit, most)
    folders.copy_folder(root, "a", "c", 100, 100)
    assert sorted(path.name for path in (root / "c").iterdir()) == ["b", "file"]
    assert sorted(path.name for path in root.iterdir()) == ["a", "c", "link"]


def test_a_move_overwrites_nothing(root: Path) -> None:
    (root / "other").write_text("kept")
    with pytest.raises(FileExistsError):
        folders.move(root, "a/file", "other")
    folders.move(root, "a/file", "deep/er/file", make=True)
    assert (root / "deep" / "er" / "file").read_text() == "text"
    assert (root / "other").read_text() == "kept"


def test_an_end_is_added_to_a_file_that_is_there(root: Path) -> None:
    folders.append(root, "a/file", b" more")
    assert (root / "a" / "file").read_text() == "text more"
    with pytest.raises(FileNotFoundError):
        folders.append(root, "a/new", b"x")
