"""The host reads and writes a kernel's folder without following anything the kernel may have planted there."""

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from twinpane_sandbox.errors import UnsafePath
from twinpane_sandbox.files import safe_delete, safe_read, safe_walk, safe_write


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("the host's")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "f").write_text("the host's")
    project = tmp_path / "project"
    (project / "a" / "b").mkdir(parents=True)
    (project / "a" / "b" / "f.txt").write_text("content")
    return project


def test_a_regular_file_is_read(project: Path) -> None:
    assert safe_read(project, "a/b/f.txt", 100) == b"content"


@pytest.mark.parametrize(
    "relpath", ["", ".", "..", "/etc/passwd", "../secret", "a/../../secret", "a//b/f.txt", "a/./b/f.txt", "a/b/f.txt/", "a\0b", "a/b/.."]
)
def test_a_path_that_leaves_the_folder_is_refused(project: Path, relpath: str) -> None:
    for act in (lambda: safe_read(project, relpath, 100), lambda: safe_write(project, relpath, b""), lambda: safe_delete(project, relpath)):
        with pytest.raises(UnsafePath):
            act()


def test_a_link_in_place_of_the_file_is_not_followed(project: Path) -> None:
    (project / "link").symlink_to("../secret")
    (project / "absolute").symlink_to("/etc/passwd")
    (project / "within").symlink_to("a/b/f.txt")
    for name in ("link", "absolute", "within"):
        with pytest.raises(UnsafePath):
            safe_read(project, name, 100)


def test_a_link_in_place_of_a_folder_is_not_followed(project: Path) -> None:
    (project / "out").symlink_to("../outside")
    with pytest.raises(UnsafePath):
        safe_read(project, "out/f", 100)
    with pytest.raises(UnsafePath):
        safe_write(project, "out/g", b"x")
    with pytest.raises(UnsafePath):
        safe_delete(project, "out/f")
    assert (project.parent / "outside" / "f").exists()
    assert not (project.parent / "outside" / "g").exists()


def test_the_folder_itself_must_not_be_a_link(project: Path) -> None:
    (project.parent / "alias").symlink_to(project)
    with pytest.raises(NotADirectoryError):
        safe_read(project.parent / "alias", "a/b/f.txt", 100)


def test_pipes_sockets_and_folders_are_no_files_and_block_nobody(project: Path) -> None:
    """A pipe, a socket and a folder are no files and block nobody."""
    os.mkfifo(project / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(project / "sock"))
        for name in ("pipe", "sock", "a"):
            with pytest.raises(UnsafePath):
                safe_read(project, name, 100)


def test_a_file_larger_than_the_limit_is_refused(project: Path) -> None:
    assert safe_read(project, "a/b/f.txt", 7) == b"content"
    with pytest.raises(UnsafePath, match="larger than 6 bytes"):
        safe_read(project, "a/b/f.txt", 6)


def test_a_missing_file_is_missing(project: Path) -> None:
    for relpath in ("nothing", "no/thing"):
        with pytest.raises(FileNotFoundError):
            safe_read(project, relpath, 100)
        safe_delete(project, relpath)


def test_a_file_is_written_with_its_folders_and_replaced_whole(project: Path) -> None:
    safe_write(project, "new/deep/f", b"one")
    safe_write(project, "new/deep/f", b"two")
    assert (project / "new" / "deep" / "f").read_bytes() == b"two"
    assert [p.name for p in (project / "new" / "deep").iterdir()] == ["f"]


def test_writing_replaces_a_link_and_not_what_it_points_to(project: Path) -> None:
    (project / "link").symlink_to("../secret")
    safe_write(project, "link", b"pushed")
    assert (project.parent / "secret").read_text() == "the host's"
    assert not (project / "link").is_symlink()


def test_writing_over_a_folder_is_refused_and_leaves_nothing(project: Path) -> None:
    with pytest.raises(UnsafePath):
        safe_write(project, "a", b"x")
    assert sorted(p.name for p in project.iterdir()) == ["a"]


def test_deleting_a_link_leaves_what_it_points_to(project: Path) -> None:
    (project / "link").symlink_to("../secret")
    safe_delete(project, "link")
    assert (project.parent / "secret").exists()
    assert not (project / "link").is_symlink()


def test_a_folder_is_not_deleted(project: Path) -> None:
    with pytest.raises(UnsafePath):
        safe_delete(project, "a")


def test_the_walk_finds_regular_files_alone_in_order(project: Path) -> None:
    (project / "z").write_text("1")
    (project / "out").symlink_to("../outside")
    (project / "link").symlink_to("../secret")
    os.mkfifo(project / "pipe")
    assert [(found.path, found.size) for found in safe_walk(project, 100)] == [("a/b/f.txt", 7), ("z", 1)]
    assert sum(found.size for found in safe_walk(project, 100)) == 8


def test_the_walk_ends_at_its_number_of_entries(project: Path) -> None:
    for number in range(20):
        (project / str(number)).touch()
    with pytest.raises(UnsafePath, match="more files"):
        list(safe_walk(project, 10))


@pytest.mark.slow
def test_a_very_deep_folder_ends_neither_walk_nor_descriptors(project: Path) -> None:
    """A very deep folder ends neither the walk nor the descriptors."""
    folder = os.open(project, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    assert [found.path for found in safe_walk(project, 10_000)] == ["a/b/f.txt"]
    with pytest.raises((UnsafePath, FileNotFoundError)):
        safe_read(project, "d/" * 3000 + "f", 100)
    subprocess.run(["rm", "-rf", str(project / "d")], check=True)  # shutil, and so pytest's own cleaning, recurses too deep for it


def test_names_that_are_no_text_are_walked_over(project: Path) -> None:
    (project / os.fsdecode(b"\xff\xfe")).touch()
    assert len(list(safe_walk(project, 100))) == 2


def test_a_folder_swapped_for_a_link_during_a_read_leads_nowhere(project: Path) -> None:
    """A folder swapped for a link while it is read leads nowhere. The race that a look before the use would lose."""
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(project / "a", project / "aside")
            os.symlink("../outside", project / "a")
            os.unlink(project / "a")
            os.rename(project / "aside", project / "a")

    (project / "a" / "f").write_text("the kernel's")
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(2000):
            try:
                assert safe_read(project, "a/f", 100) == b"the kernel's"
            except (UnsafePath, FileNotFoundError):
                continue
    finally:
        stop.set()
        thread.join()
