"""Files that are wholly there or not at all."""

import fcntl
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from twinpane_ground import atomic


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def age(folder: Path) -> None:
    """Make what lies in a folder old."""
    for name in names(folder):
        os.utime(folder / name, (0, 0), follow_symlinks=False)


def test_a_file_is_written_and_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    """Temporary files do not pile up."""
    for content in (b"1", b"2"):
        atomic.write(tmp_path / "x", content)
        assert (tmp_path / "x").read_bytes() == content
    assert names(tmp_path) == ["x"]


def test_a_descriptor_s_file_is_copied_whole(tmp_path: Path) -> None:
    """Without passing through the process."""
    (tmp_path / "from").write_bytes(b"abc" * 100_000)
    with (tmp_path / "from").open("rb") as file:
        atomic.write(tmp_path / "to", file.fileno())
    assert (tmp_path / "to").read_bytes() == b"abc" * 100_000


@pytest.mark.parametrize(("mode", "found"), [(0o600, 0o600), (0o644, 0o644), (None, 0o640)])
def test_the_mode_is_the_one_asked_for_or_the_umask_s(tmp_path: Path, mode: int | None, found: int) -> None:
    """Whatever the umask, a private file is private and a public one public."""
    before = os.umask(0o027)
    try:
        atomic.write(tmp_path / "x", b"", mode=mode)
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == found


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only root writes for others")
def test_a_file_that_root_replaces_stays_its_owner_s(tmp_path: Path) -> None:
    """An administrator who writes the hub's file as root does not lock the hub out."""
    (tmp_path / "x").write_bytes(b"1")
    os.chown(tmp_path / "x", 65534, 65533)
    atomic.write(tmp_path / "x", b"2")
    found = (tmp_path / "x").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (65534, 65533, 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only root writes for others")
def test_a_link_that_root_replaces_gives_its_file_to_nobody_else(tmp_path: Path) -> None:
    """The owner of what the link led to got the new file."""
    (tmp_path / "theirs").write_bytes(b"1")
    os.chown(tmp_path / "theirs", 65534, 65533)
    (tmp_path / "x").symlink_to("theirs")
    atomic.write(tmp_path / "x", b"2")
    assert (tmp_path / "x").lstat().st_uid == 0
    assert (tmp_path / "theirs").read_bytes() == b"1"


@pytest.mark.parametrize("step", ["fsync", "replace", "open"])
def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """A full disk is an error, and the file of before is whole."""
    atomic.write(tmp_path / "x", b"before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        with pytest.raises(OSError, match="No space"):
            atomic.write(tmp_path / "x", b"after")
    assert names(tmp_path) == ["x"]
    assert (tmp_path / "x").read_bytes() == b"before"


WRITES = """
import os, signal, sys
from pathlib import Path
from twinpane_ground import atomic
calls = 0
def dying(real):
    def step(*arguments):
        global calls
        calls += 1
        if calls == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)
    return step
os.replace, os.fsync = dying(os.replace), dying(os.fsync)
atomic.write(Path(sys.argv[1]), b"after")
"""


@pytest.mark.parametrize(("step", "found"), [(1, b"before"), (2, b"before"), (3, b"after"), (4, b"after")])
def test_a_writer_that_is_killed_leaves_a_whole_file(tmp_path: Path, step: int, found: bytes) -> None:
    """At each sync and rename; the next process that writes in the folder sweeps what it left beside the file, and nothing else."""
    path = tmp_path / "x"
    path.write_bytes(b"before")
    (tmp_path / ".xy.1.new").write_bytes(b"another file's")
    done = subprocess.run([sys.executable, "-P", "-c", WRITES, str(path), str(step)], timeout=60)
    assert done.returncode == (-signal.SIGKILL if step < 4 else 0)
    assert path.read_bytes() == found
    assert len(names(tmp_path)) == 2 + (step < 3)
    age(tmp_path)
    subprocess.run([sys.executable, "-P", "-c", WRITES, str(tmp_path / "other"), "0"], timeout=60, check=True)
    assert names(tmp_path) == [".xy.1.new", "other", "x"]


def test_a_sweep_leaves_what_others_are_writing(tmp_path: Path) -> None:
    """A writer holds a lock on its file until that has its name; links and pipes of such a name are nobody's leftover."""
    mine, theirs = atomic._opened(tmp_path / "x", 0o600)
    (tmp_path / ".y.0123456789ab.new").write_bytes(b"of one that was killed")
    (tmp_path / ".l.0123456789ab.new").symlink_to("nowhere")
    os.mkfifo(tmp_path / ".p.0123456789ab.new")
    age(tmp_path)
    (tmp_path / ".z.0123456789ab.new").write_bytes(b"of one in a sandbox, where locks hold nothing")
    atomic.sweep(tmp_path)
    assert names(tmp_path) == sorted([".l.0123456789ab.new", ".p.0123456789ab.new", ".z.0123456789ab.new", mine.name])
    os.close(theirs)
    atomic.sweep(tmp_path)
    assert mine.name not in names(tmp_path)


def test_a_file_that_was_swept_before_its_lock_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes start at once: nothing of either is lost."""
    swept: list[int] = []
    real = fcntl.flock

    def late(descriptor: int, how: int) -> None:
        if not swept:
            swept.append(descriptor)
            next(tmp_path.glob(".x.*.new")).unlink()
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    atomic.write(tmp_path / "x", b"1")
    assert swept
    assert (tmp_path / "x").read_bytes() == b"1"
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("durable", [True, False])
def test_content_is_synced_before_the_rename_and_the_name_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool) -> None:
    """The content is synced before the rename and the name after it. Only what can be made again goes without."""
    said: list[str] = []
    real = os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: said.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).suffix}"))
    monkeypatch.setattr(os, "replace", lambda *names: (said.append("rename"), real(*names)))
    atomic.write(tmp_path / "x", b"", durable=durable)
    assert said == (["sync .new", "rename", "sync "] if durable else ["rename"])
    (tmp_path / "made.part").write_bytes(b"")
    said.clear()
    atomic.replace(tmp_path / "made.part", tmp_path / "made")
    assert said == ["sync .part", "rename", "sync "]


SAVES = """
import signal, resource, sys
from pathlib import Path
from twinpane_hub import accounts
known = accounts.load(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    accounts.save(Path(sys.argv[1]), {f"{name}-{n}": account for n in range(9) for name, account in known.items()})
except OSError:
    sys.exit(3)
"""


def test_accounts_that_cannot_be_written_leave_those_of_before(tmp_path: Path) -> None:
    """Before, a disk that was full while an account was added left half a file: nobody could sign in any more."""
    from twinpane_hub import accounts

    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    path = tmp_path / "accounts.toml"
    before = {"ana": accounts.Account(password="$argon2id$x", groups=("admin",))}
    accounts.save(path, before)
    done = subprocess.run([sys.executable, "-I", "-c", SAVES, str(path)], timeout=60)
    assert done.returncode == 3
    assert accounts.load(path) == before
    assert names(tmp_path) == ["accounts.toml"]
    assert path.stat().st_mode & 0o777 == 0o600
