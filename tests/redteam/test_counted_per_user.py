"""What Linux counts per user, over all sandboxes: a kernel can use up its own user's share only, and nobody else notices.

Before, kernels, readers, broker and agent were one user. With 500 descriptors under way in sockets a kernel made another member's cells
fail (20 of 20 bits through them in 24 s, on the other's meter), and an agent that was not root could not ask the broker any more: a
channel past the meter.
"""

import os
from pathlib import Path

import pytest

from harness.federation import make_site
from twinpane_hub.data.make import make_data
from twinpane_sandbox.own_users import is_one

from .hostile_session import at_work, ready

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
FIRST = 1_901_000_000

UNDER_WAY = """\
import os, socket, time
pairs, reading = [], os.pipe()[0]
left, sent = 4000, 0
try:
    while left > 0:
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        a.setblocking(False)
        pairs.append((a, b))
        for _ in range(8):
            count = min(250, left)
            socket.send_fds(a, [b'x'], [reading] * count)
            left, sent = left - count, sent + count
except OSError:
    pass
open('under_way.txt', 'w').write(str(sent))
time.sleep(60)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("counted")
    make_data(base / "data", 300, seed=1)
    return make_site(base / "site", "a", base / "data")


def test_descriptors_under_way_in_one_kernel_harm_no_other(folder: Path) -> None:
    """Descriptors under way in one kernel make no other cell fail, and every session still opens."""
    with at_work(folder) as site:
        filling, other = ready(site), ready(site)
        filling.run(UNDER_WAY, twin=False, silent=True)
        looking = other.run(
            "import os, time\nwhile not (os.path.exists('under_way.txt') and open('under_way.txt').read()): time.sleep(0.1)\n"
            "assert int(open('under_way.txt').read()) > 500"
        )
        assert other.verdict(looking, 90)["outcome"] == "same", "more are under way than stopped everybody before"
        for number in range(5):
            held = other.run(f"print('a line that is held', {number})")
            assert other.verdict(held, 90)["outcome"] == "differs", "what it says is read and held, as ever"
        assert ready(site).n, "a new session opens, with a kernel that works"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it gives kernels users of their own")
def test_kernels_run_under_a_user_of_their_member(folder: Path) -> None:
    """Kernels run under their member's own user, which owns their files and nothing else."""
    with at_work(folder) as site:
        first, second = ready(site), ready(site)
        users = {os.stat(f"/proc/{kernel.pid}").st_uid for kernel in site.kernels()}
        assert len(users) == 1, "both sessions are the same member's"
        (user,) = users
        assert is_one(FIRST, user)
        assert {os.stat(f"/proc/{reader.pid}").st_uid for reader in site.readers()} == {0}
        wrote = first.run("open('mine.txt', 'w').write('x')\nassert open('/data/person.parquet', 'rb').read(4)")
        assert first.verdict(wrote)["outcome"] == "same"
        read = second.run("assert open('mine.txt').read() == 'x'\nopen('mine.txt', 'a').write('y')\nimport os\nos.remove('mine.txt')")
        assert second.verdict(read)["outcome"] == "same"
    (place,) = (folder / "projects" / "local").iterdir()
    assert place.stat().st_uid == user
    assert (folder / "projects").stat().st_uid == 0
    for snapshot in (folder / "snapshots").iterdir():
        assert snapshot.stat().st_uid == 0
    assert (folder / "snapshots").stat().st_mode & 0o077 == 0, "nobody but the agent's user walks to the rows"
