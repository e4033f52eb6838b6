"""Moving a user's files between disk and volume: the agent only waits, and what is cut off leaves the folder as it was."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from twinpane_sandbox.files import FOLDER
from twinpane_site import project_copier
from twinpane_site.parts.fork_server import ForkServer
from twinpane_site.project_copier import MODULE, TRIES, ForkedCopier

MIB = 2**20


@pytest.fixture(scope="module")
def fork_server() -> Iterator[ForkServer]:
    with contextlib.closing(ForkServer(MODULE)) as found:
        yield found


@pytest.fixture
def moves(fork_server: ForkServer) -> ForkedCopier:
    return ForkedCopier(fork_server)


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "volume").mkdir()
    (tmp_path / "root").mkdir()
    descriptor = os.open(tmp_path / "volume", FOLDER)
    yield descriptor
    os.close(descriptor)


def test_there_and_back_again_by_a_process_of_its_own(
    moves: ForkedCopier, volume: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project_copier, "LocalCopier", None)  # in this process nothing is copied
    (tmp_path / "root" / "deep").mkdir()
    (tmp_path / "root" / "deep" / "a.txt").write_text("mine")
    assert moves.fill(tmp_path / "root", volume, MIB) == 0
    assert (tmp_path / "volume" / "deep" / "a.txt").read_text() == "mine"
    (tmp_path / "volume" / "b.txt").write_text("new")
    assert moves.keep(volume, tmp_path / "root", MIB, 0) == 0
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == ["b.txt", "deep"]


def test_what_does_not_fit_is_counted(moves: ForkedCopier, volume: int, tmp_path: Path) -> None:
    """Entries that do not fit are counted. If the copy would use space to be kept free, the disk stays as it was."""
    (tmp_path / "root" / "old.txt").write_text("old")
    (tmp_path / "volume" / "large").write_bytes(b"x" * 1000)
    (tmp_path / "volume" / "small").write_bytes(b"x")
    assert moves.keep(volume, tmp_path / "root", 500, 0) == 1
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["small"]
    with pytest.raises(OSError, match="bytes free"):
        moves.keep(volume, tmp_path / "root", MIB, 2**62)
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["small"]
    with pytest.raises(OSError, match="No such file"):
        moves.fill(tmp_path / "nowhere", volume, MIB)


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "kept"), [(1, True), (TRIES, False)])
def test_a_killed_copy_is_begun_again(moves: ForkedCopier, volume: int, tmp_path: Path, kills: int, kept: bool) -> None:
    """A killed copy is tried again. If it still fails, the folder stays as it was."""
    (tmp_path / "root" / "old.txt").write_text("old")
    for number in range(3000):
        (tmp_path / "volume" / f"{number}").write_bytes(b"")
    told: list[OSError] = []

    def keep() -> None:
        try:
            moves.keep(volume, tmp_path / "root", MIB, 0)
        except OSError as error:
            told.append(error)

    thread = threading.Thread(target=keep)
    thread.start()
    killed = set[int]()
    while thread.is_alive() and len(killed) < kills:
        for pid in _children(moves._fork_server.pid):
            if pid not in killed:
                killed.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    thread.join(30)
    assert len(killed) == kills
    if kept:
        assert not told
    else:
        assert "before it was done" in str(told[0])
        assert (tmp_path / "root" / "old.txt").read_text() == "old"
        assert moves.keep(volume, tmp_path / "root", MIB, 0) == 0, "the next one puts the folder right"
    assert len(list((tmp_path / "root").iterdir())) == 3000


def test_a_killed_filling_is_never_begun_again(moves: ForkedCopier, volume: int, tmp_path: Path) -> None:
    """A second try once left out the folders that already existed; ``keep`` then left 720 of the member's 3,000 files."""
    (tmp_path / "root" / "deep").mkdir()
    for number in range(3000):
        (tmp_path / "root" / "deep" / f"{number}").write_bytes(b"x")
    told: list[OSError] = []

    def fill() -> None:
        try:
            moves.fill(tmp_path / "root", volume, MIB)
        except OSError as error:
            told.append(error)

    thread = threading.Thread(target=fill)
    thread.start()
    killed = set[int]()
    while thread.is_alive() and not killed:
        for pid in _children(moves._fork_server.pid):
            killed.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    thread.join(30)
    assert killed
    assert "before it was done" in str(told[0])
    assert len(list((tmp_path / "root" / "deep").iterdir())) == 3000


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
