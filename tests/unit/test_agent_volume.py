"""The inside /project: no link that an inside kernel planted is followed, whatever step of the path it stands at."""

import base64
import os

import pytest

from twinpane_site.volume import Volume
from twinpane_wire.messages import WorkspaceFile


def pushed(path, text="new"):
    return WorkspaceFile(path=path, content=base64.b64encode(text.encode()).decode())


def gone(path):
    return WorkspaceFile(path=path, content=None)


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path / "volume")


@pytest.fixture
def host(tmp_path):
    """A folder of the host that the kernel would like to reach."""
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "secret").write_text("of the host")
    return folder


def test_files_are_written_with_their_folders_and_deleted(volume):
    volume.push([pushed("a/b/c.py", "1"), pushed("d.py", "2")])
    assert (volume.root / "a/b/c.py").read_text() == "1"
    volume.push([gone("a/b/c.py"), gone("absent"), pushed("d.py", "3")])
    assert not (volume.root / "a/b/c.py").exists()
    assert (volume.root / "d.py").read_text() == "3"


@pytest.mark.parametrize("planted", ["x", "a/x", "a/b/x"])
def test_a_planted_link_is_not_read_through(volume, host, planted):
    place = volume.root / planted
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(host)
    assert volume.open(f"{planted}/secret") is None
    place.unlink()
    place.symlink_to(host / "secret")
    assert volume.open(planted) is None


@pytest.mark.parametrize("planted", ["x", "a/x", "a/b/x"])
def test_a_planted_link_is_not_written_or_deleted_through(volume, host, planted):
    place = volume.root / planted
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(host)
    volume.push([pushed(f"{planted}/secret"), pushed(f"{planted}/fresh"), gone(f"{planted}/secret")])
    assert os.listdir(host) == ["secret"]
    assert (host / "secret").read_text() == "of the host"


def test_a_link_in_the_files_own_place_is_replaced_not_followed(volume, host):
    (volume.root / "x").symlink_to(host / "secret")
    volume.push([pushed("x")])
    assert (host / "secret").read_text() == "of the host"
    assert (volume.root / "x").read_text() == "new"
    assert not (volume.root / "x").is_symlink()


def test_a_hard_link_is_not_written_through(volume, host):
    """The old file is replaced, not opened: whatever else names it stays as it was."""
    os.link(host / "secret", volume.root / "x")
    volume.push([pushed("x")])
    assert (host / "secret").read_text() == "of the host"


def test_a_file_that_a_kernel_has_open_is_not_changed_under_it(volume):
    volume.push([pushed("x", "old")])
    with (volume.root / "x").open() as held:
        volume.push([pushed("x", "new")])
        assert held.read() == "old"
    assert (volume.root / "x").read_text() == "new"
    assert os.listdir(volume.root) == ["x"], "no half-written file is left"


def test_a_file_that_cannot_be_written_stops_no_other(volume):
    """One file that cannot be written does not stop the others."""
    (volume.root / "folder").mkdir()
    bad = WorkspaceFile(path="bad", content="A")  # passes the wire's pattern, and is not base64
    volume.push([pushed("folder"), bad, gone("folder"), pushed("good")])
    assert (volume.root / "good").read_text() == "new"
    assert (volume.root / "folder").is_dir()


def test_pipes_and_sockets_do_not_block_who_reads(volume):
    os.mkfifo(volume.root / "pipe")
    assert volume.open("pipe") is None


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../host/secret", "a/../../host/secret", "a//b", ".", "a\x00b"])
def test_no_path_leads_out(volume, host, path):
    assert volume.open(path) is None
    volume.make_folder(path)
    assert not os.listdir(volume.root)


def test_a_file_is_opened_for_reading_alone(volume):
    volume.push([pushed("x", "12345")])
    descriptor = volume.open("x")
    assert os.pread(descriptor, 100, 0) == b"12345"
    with pytest.raises(OSError, match="Bad file"):
        os.write(descriptor, b"x")
    os.close(descriptor)


def test_a_folder_to_start_in_is_made_and_no_link_followed(volume, host):
    """The folder to start in is made. A link in its place is not followed."""
    volume.make_folder("a/b")
    assert (volume.root / "a/b").is_dir()
    (volume.root / "x").symlink_to(host)
    volume.make_folder("x/y")
    assert os.listdir(host) == ["secret"]


def test_a_volume_that_cannot_be_made_raises_nothing(tmp_path):
    """On a full or broken disk no kernel starts in it; the agent goes on."""
    (tmp_path / "file").write_text("")
    volume = Volume(tmp_path / "file" / "volume")
    volume.push([pushed("x")])
    assert volume.open("x") is None


def test_only_the_owner_can_look_into_a_new_volume(volume):
    assert volume.root.stat().st_mode & 0o077 == 0
