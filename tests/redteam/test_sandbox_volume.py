"""A kernel cannot fill the disk that ledger and inbox lie on: /project has a size, and holds it."""

import os
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from redteam.sandbox_client import Client, client_of
from twinpane_sandbox.bubblewrap import Sandbox
from twinpane_sandbox.errors import SandboxUnavailable
from twinpane_sandbox.launch import launch
from twinpane_sandbox.limits import MIB
from twinpane_site.volume import Quota, Volume
from twinpane_wire.messages import WorkspaceFile

pytestmark = pytest.mark.slow

SIZE = 10 * MIB
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: loop devices are its own")
FILL = """
written = 0
try:
    with open('/project/big', 'wb', buffering=0) as file:
        while written < 750 * 2**20: written += file.write(bytes(2**20))
except OSError as error:
    print(error.errno, written)
"""


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "projects" / "ana", Quota("memory", SIZE))


@contextmanager
def session(base: Path, volume: Volume, holder: int, name: str = "k") -> Iterator[Client]:
    """A kernel in the volume, which it leaves at its end, as `twinpane_site.kernel_launcher` does it."""
    (base / "data").mkdir(exist_ok=True)
    kernel = launch(Sandbox(data=base / "data", project=volume.root, private=base / name, seed=1, holder=holder, owner=volume.owner))
    kernel.closed = volume.leave
    with client_of(kernel) as client:
        yield client


def wait(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def read(volume: Volume, path: str) -> bytes | None:
    """What the agent reads of a file."""
    descriptor = volume.open(path)
    if descriptor is None:
        return None
    with open(descriptor, "rb") as file:
        return file.read(100)


def on_disk(folder: Path) -> int:
    """Bytes that the folder's files take on the disk."""
    return sum(os.lstat(Path(top) / name).st_blocks * 512 for top, _, names in os.walk(folder) for name in names)


async def test_a_cell_that_fills_project_ends_at_its_size(tmp_path: Path, volume: Volume) -> None:
    """Under project_mb = 10 a cell wrote 750 MB onto the ledger's disk: 4,500 bits an hour by its free space, and the site stopped."""
    with session(tmp_path, volume, await volume.enter()) as client:
        error, written = map(int, client.run(FILL)["text"].split())
        assert error == 28
        assert SIZE - MIB <= written <= SIZE
        assert on_disk(tmp_path / "projects") == 0


async def test_many_empty_files_do_not_fill_the_disk_either(tmp_path: Path, volume: Volume) -> None:
    """Names and inodes are room, too."""
    with session(tmp_path, volume, await volume.enter()) as client:
        code = (
            "made = 0\ntry:\n  while made < 150000: open(f'/project/{made}', 'x').close(); made += 1\n"
            "except OSError as e: print(e.errno, made)"
        )
        error, made = map(int, client.run(code)["text"].split())
    assert error == 28
    assert made < 100_000


async def test_what_a_session_leaves_is_there_for_the_next(tmp_path: Path, volume: Volume) -> None:
    """Files, folders, links and times go back to the disk with the last session, and into the volume with the next."""
    with session(tmp_path, volume, await volume.enter()) as client:
        client.run("import os\nos.makedirs('/project/a/b'); os.symlink('/etc/shadow', '/project/l')")
        client.run("open('/project/a/b/x', 'w').write('kept')")
    assert wait(lambda: (volume.root / "a/b/x").exists() and read(volume, "a/b/x") == b"kept")
    assert os.readlink(volume.root / "l") == "/etc/shadow"
    with session(tmp_path, volume, await volume.enter()) as client:
        assert client.run("print(open('/project/a/b/x').read())")["text"] == "kept\n"


async def test_two_sessions_of_a_user_share_one_volume(tmp_path: Path, volume: Volume) -> None:
    """It goes with the last of them, not with the first."""
    with session(tmp_path, volume, await volume.enter()) as first:
        with session(tmp_path, volume, await volume.enter(), "k2") as second:
            first.run("open('/project/x', 'w').write('from the first')")
            assert second.run("print(open('/project/x').read())")["text"] == "from the first\n"
        assert first.run("print(open('/project/x').read())")["text"] == "from the first\n"
        assert read(volume, "x") == b"from the first"
        assert not (volume.root / "x").exists()
    assert wait((volume.root / "x").exists)


async def test_files_of_the_workspace_reach_the_volume(tmp_path: Path, volume: Volume) -> None:
    """The agent writes and reads where the kernel does."""
    holder = await volume.enter()
    volume.push([WorkspaceFile(path="lib/code.py", content=b64encode(b"x = 5").decode())])
    volume.make_folder("work")
    with session(tmp_path, volume, holder) as client:
        assert client.run("import os; print(open('/project/lib/code.py').read(), os.path.isdir('/project/work'))")["text"] == "x = 5 True\n"
        assert read(volume, "lib/code.py") == b"x = 5"


@ROOT
async def test_an_image_has_its_size_and_takes_its_room_at_once(tmp_path: Path) -> None:
    """A cell that fills it changes nothing on the disk."""
    volume = Volume(tmp_path / "projects" / "ana", Quota("image", 16 * MIB))
    try:
        holder = await volume.enter()
    except SandboxUnavailable as error:
        pytest.skip(f"needs loop devices: {error}")
    with session(tmp_path, volume, holder) as client:
        before = on_disk(tmp_path / "projects")
        error, written = map(int, client.run(FILL)["text"].split())
        client.run("import os; os.remove('/project/big'); os.mkdir('/project/kept')")
        assert client.run("os.sync(); print(os.listdir('/project'))")["text"] == "['kept']\n"
        assert error == 28
        assert written < 16 * MIB
        assert on_disk(tmp_path / "projects") == before >= 16 * MIB
    with session(tmp_path, volume, await volume.enter()) as client:
        assert client.run("import os; print(os.listdir('/project'))")["text"] == "['kept']\n"


def test_a_volume_that_cannot_be_made_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """No kernel starts in a folder without a limit unless the steward said so."""
    volume = Volume(tmp_path / "projects" / "ana", Quota("image", 4096))
    with pytest.raises(SandboxUnavailable, match="accept_unlimited_project"):
        volume.hold()


def test_a_volume_goes_with_its_host(tmp_path: Path) -> None:
    """The holder is tied to the agent as a kernel is: a killed agent leaves no mount and no process."""
    import sys

    code = (
        "import sys, time, pathlib\nfrom twinpane_sandbox.volume_holder import hold_memory\n"
        "print(hold_memory(pathlib.Path(sys.argv[1]), 2**20).pid, flush=True)\ntime.sleep(300)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as host:
        pid = int(host.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        host.kill()
    assert wait(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0])


async def test_sessions_leave_the_disk_free_for_ledger_and_inbox(tmp_path: Path) -> None:
    """What goes back to the disk leaves free what ledger and inbox need.

    Before: two closed sessions of 380 MB, on a disk with 430 MB, left nothing free; no session opened at the site any more.
    """
    disk = os.statvfs(tmp_path)
    volume = Volume(tmp_path / "projects" / "ana", Quota("memory", SIZE), lambda: disk.f_bavail * disk.f_frsize)
    holder = await volume.enter()
    with session(tmp_path, volume, holder) as client:
        client.run("open('/project/big', 'wb').write(bytes(2**20))")
    assert wait(lambda: volume._holder is None)
    assert os.listdir(volume.root) == []


@ROOT
@pytest.mark.parametrize("kind", ["memory", "image", "folder"])
async def test_a_kernel_with_its_own_user_changes_old_and_pushed_files(tmp_path: Path, kind: str) -> None:
    """Old files belonged to the agent. Pushed files would too, if the agent did not write them as the kernels' user."""
    place, owner = tmp_path / "projects" / "ana", 1_901_234_567
    place.mkdir(parents=True)
    (place / "old.txt").write_text("old")
    volume = Volume(place, Quota(kind, 16 * MIB), owner=owner)  # type: ignore[arg-type]
    try:
        holder = await volume.enter()
    except SandboxUnavailable as error:
        pytest.skip(f"needs loop devices: {error}")
    volume.push([WorkspaceFile(path="lib/code.py", content=b64encode(b"x = 5").decode())])
    volume.make_folder("work")
    old = "" if kind == "image" else "open('old.txt', 'a').write('er'); "
    with session(tmp_path, volume, holder) as client:
        done = client.run(f"{old}open('lib/code.py', 'a').write('0'); open('work/new', 'w').close(); import os; os.rename('lib', 'more')")
        assert done["error"] is None, done
        assert read(volume, "more/code.py") == b"x = 50"
    with session(tmp_path, volume, await volume.enter()) as client:
        assert client.run("import os; print(open('more/code.py').read(), os.path.exists('work/new'))")["text"] == "x = 50 True\n"
        assert read(volume, "more/code.py") == b"x = 50"
        if old:
            assert read(volume, "old.txt") == b"older"
    volume.close()
    assert place.stat().st_uid == owner
    assert (tmp_path / "projects").stat().st_uid == 0
