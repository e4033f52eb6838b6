"""A kernel's folder is copied without following anything in it, and never beyond its bounds."""

import os
from pathlib import Path

import pytest

from twinpane_sandbox.copying import DiskFull, copy_into, replace, restore
from twinpane_sandbox.files import FOLDER


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def copied(source: Path, target: Path, size: int = 2**20, entries: int = 100) -> int:
    one, other = os.open(source, FOLDER), os.open(target, FOLDER)
    try:
        return copy_into(one, other, size, entries)
    finally:
        os.close(one)
        os.close(other)


def test_files_folders_modes_and_times_are_copied(source: Path, target: Path) -> None:
    (source / "a").mkdir()
    (source / "a" / "x.sh").write_text("text")
    (source / "a" / "x.sh").chmod(0o750)
    os.utime(source / "a" / "x.sh", ns=(10**18, 10**18))
    assert copied(source, target) == 0
    assert (target / "a/x.sh").read_text() == "text"
    assert (target / "a/x.sh").stat().st_mode & 0o7777 == 0o750
    assert (target / "a/x.sh").stat().st_mtime_ns == 10**18


def test_links_stay_links_and_are_not_followed(source: Path, target: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the host")
    (source / "file").symlink_to(tmp_path / "secret")
    (source / "folder").symlink_to(tmp_path)
    assert copied(source, target) == 0
    assert os.readlink(target / "file") == str(tmp_path / "secret")
    assert os.readlink(target / "folder") == str(tmp_path)


def test_copies_lose_set_id_bits_and_leave_out_pipes_and_sockets(source: Path, target: Path) -> None:
    """Set-id bits are not copied, and pipes and sockets are left out."""
    (source / "x").write_text("x")
    (source / "x").chmod(0o4755)
    os.mkfifo(source / "pipe")
    assert copied(source, target) == 1
    assert (target / "x").stat().st_mode & 0o7777 == 0o755
    assert os.listdir(target) == ["x"]


def test_one_file_under_many_names_does_not_grow_beyond_the_size(source: Path, target: Path) -> None:
    (source / "0").write_bytes(b"x" * 1000)
    for number in range(1, 50):
        os.link(source / "0", source / str(number))
    assert copied(source, target, size=5000) == 45
    assert sum(path.stat().st_size for path in target.iterdir()) == 5000


def test_a_file_that_is_nearly_all_hole_does_not_fill_the_disk(source: Path, target: Path) -> None:
    with open(source / "hole", "wb") as file:
        file.truncate(2**40)
    (source / "small").write_text("x")
    assert copied(source, target, size=5000) == 1
    assert os.listdir(target) == ["small"]


def test_no_more_entries_are_copied_than_there_may_be(source: Path, target: Path) -> None:
    for number in range(20):
        (source / str(number)).touch()
    assert copied(source, target, entries=5) > 0
    assert len(os.listdir(target)) == 5


def test_a_place_is_replaced_whole(source: Path, target: Path) -> None:
    (source / "new").write_text("x")
    (target / "old").write_text("y")
    descriptor = os.open(source, FOLDER)
    assert replace(descriptor, target, 100, 10) == 0
    os.close(descriptor)
    assert os.listdir(target) == ["new"]
    assert sorted(os.listdir(target.parent)) == ["source", "target"]


def test_a_replacement_cut_off_between_two_renames_is_undone(target: Path) -> None:
    """A replacing that was cut off between its two renames is undone."""
    (target / "kept").write_text("y")
    os.rename(target, target.with_name(".target.old"))
    target.with_name(".target.new").mkdir()
    restore(target)
    assert os.listdir(target) == ["kept"]
    assert os.listdir(target.parent) == ["target"]


def test_a_copy_for_which_the_disk_has_no_room_changes_nothing(source: Path, target: Path) -> None:
    (source / "new").write_text("x")
    (target / "kept").write_text("y")
    descriptor = os.open(source, FOLDER)
    with pytest.raises(DiskFull):
        replace(descriptor, target, 100, 10, floor=2**60)
    os.close(descriptor)
    assert os.listdir(target) == ["kept"]
    assert sorted(os.listdir(target.parent)) == ["source", "target"]
