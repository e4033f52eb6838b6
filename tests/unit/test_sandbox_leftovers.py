"""What a killed host left is ended and removed by the next, and nothing else is touched."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from twinpane_sandbox import leftovers
from twinpane_sandbox.leftovers import OWNER, UNKNOWN_S, identity, remove_leftovers, sign
from twinpane_sandbox.namespaces import BIND, NEWNS, PRIVATE, RECURSIVE, mount, unshare
from twinpane_sandbox.overlay_views import STAGE


@pytest.fixture
def private(tmp_path: Path) -> Path:
    (tmp_path / "tpi-a").mkdir(mode=0o700)
    (tmp_path / "tpi-a" / "kernel.json").write_text("{}")
    return tmp_path / "tpi-a"


def orphaned(private: Path, sandbox: list[int] | None = None, groups: tuple[str, ...] = ()) -> None:
    """As a host wrote it that is gone: a process of our number that started at another time."""
    told = {"host": [os.getpid(), 1], "sandbox": sandbox or [], "groups": list(groups)}
    (private / OWNER).write_text(json.dumps(told))


@contextmanager
def waiting(place: str, before: Callable[[], None] | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """A process whose command line names the place as bubblewrap's does, once it is there to be read: it is not at the moment of exec."""
    line = ["/bin/sh", "-c", "echo; read x", "--bind", place, "/run/twinpane"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=before) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child


def test_a_folder_whose_host_lives_stays(private: Path) -> None:
    sign(private, os.getpid(), [])
    assert remove_leftovers("tpi-", private.parent) == 0
    assert private.exists()


def test_a_folder_whose_host_is_gone_goes_with_its_groups(private: Path, tmp_path: Path) -> None:
    for name in ("twinpane-7-x", "other"):
        (tmp_path / "groups" / name).mkdir(parents=True)
    orphaned(private, groups=(f"{tmp_path}/groups/twinpane-7-x", f"{tmp_path}/groups/other"))
    assert remove_leftovers("tpi-", tmp_path) == 1
    assert not private.exists()
    assert os.listdir(tmp_path / "groups") == ["other"]


def test_a_sandbox_that_lives_on_is_ended(private: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "300"]) as child:
        orphaned(private, identity(child.pid))
        remove_leftovers("tpi-", private.parent)
        assert child.wait(20) == -9


def test_a_process_that_only_has_the_number_is_let_live(private: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "300"]) as child:
        orphaned(private, [child.pid, identity(child.pid)[1] - 1])
        remove_leftovers("tpi-", private.parent)
        assert child.poll() is None
        child.kill()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"host": 1, "sandbox": [], "groups": []}'])
def test_a_folder_that_says_nothing_goes_after_a_day(private: Path, content: str) -> None:
    (private / OWNER).write_text(content)
    assert remove_leftovers("tpi-", private.parent) == 0
    past = time.time() - UNKNOWN_S - 60
    os.utime(private, (past, past))
    assert remove_leftovers("tpi-", private.parent) == 1


def test_what_is_not_ours_alone_is_not_touched(private: Path, tmp_path: Path) -> None:
    """Folders that others can write, links, and folders of another name."""
    orphaned(private)
    private.chmod(0o755)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    orphaned(tmp_path / "elsewhere")
    (tmp_path / "tpi-link").symlink_to(tmp_path / "elsewhere")
    assert remove_leftovers("tpi-", tmp_path) == 0
    assert private.exists()
    assert (tmp_path / "elsewhere" / OWNER).exists()


def test_the_private_folder_may_lie_within_the_one_that_goes(tmp_path: Path) -> None:
    (tmp_path / "tp-x" / "k").mkdir(parents=True)
    (tmp_path / "tp-x").chmod(0o700)
    orphaned(tmp_path / "tp-x" / "k")
    assert remove_leftovers("tp-", tmp_path, "k") == 1


def test_a_folder_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert remove_leftovers("tpi-", tmp_path / "nowhere") == 0


def test_a_process_that_is_gone_has_no_identity() -> None:
    with subprocess.Popen(["/bin/true"]) as child:
        child.wait()
    assert identity(child.pid) == []
    assert leftovers.identity(os.getpid())[0] == os.getpid()


def test_a_process_whose_host_is_gone_is_ended(private: Path) -> None:
    """Bubblewrap's child, should it be cut off from bubblewrap before it was let go on: nobody noted its number."""
    with waiting(str(private)) as child:
        orphaned(private)
        remove_leftovers("tpi-", private.parent)
        assert child.wait(20) == -9


def test_a_sandbox_of_another_with_the_same_folder_name_lives_on(private: Path, tmp_path: Path) -> None:
    """A sandbox of another, whose folder has the same name, lives on.

    All kernels' folders are called k: by their name in a view, one that is left behind ended all others of that user.
    """
    other = tmp_path / "elsewhere" / private.name
    other.mkdir(parents=True)
    with waiting(f"{STAGE}/b/0/{private.name}") as child:
        orphaned(private)
        assert remove_leftovers("tpi-", private.parent) == 1
        assert child.poll() is None
        child.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it mounts without a namespace of users")
def test_a_process_in_views_is_known_by_the_folder_it_sees(private: Path, tmp_path: Path) -> None:
    """A process in views is known by the folder that it sees there."""
    place = tmp_path / "seen"
    place.mkdir()

    def views() -> None:
        unshare(NEWNS)
        mount("none", "/", flags=RECURSIVE | PRIVATE)
        mount("view", STAGE, "tmpfs")
        os.makedirs(f"{STAGE}/b/0/{private.name}")
        mount(str(private), f"{STAGE}/b/0/{private.name}", flags=BIND)

    with waiting(f"{STAGE}/b/0/{private.name}", views) as child:
        orphaned(private)
        remove_leftovers("tpi-", private.parent)
        assert child.wait(20) == -9
