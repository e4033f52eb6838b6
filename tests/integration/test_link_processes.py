"""No kernel outlives whoever ends it, at whatever moment of its start that is."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from twinpane_sandbox.bubblewrap import Sandbox
from twinpane_sandbox.launch import launch

pytestmark = pytest.mark.slow


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder whose name stands in the command line of every process of the test."""
    with tempfile.TemporaryDirectory(prefix="tpt-", dir="/tmp") as folder:
        (Path(folder) / "data").mkdir()
        (Path(folder) / "project").mkdir()
        yield Path(folder)


def about(folder: Path) -> list[psutil.Process]:
    """Processes that name the folder, and still run."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(str(folder) in part for part in process.info["cmdline"] or []):
            found.append(process)
    return found


def test_a_kernel_ended_while_it_begins_leaves_no_process(base: Path) -> None:
    """A kernel that is ended while it begins leaves no process.

    A session that is closed at once: bubblewrap's own end is not yet its sandbox's then.
    """
    for n in range(24):
        kernel = launch(Sandbox(data=base / "data", project=base / "project", private=base / f"k{n}", seed=0))
        time.sleep(n * 0.0015)
        kernel.close()
    end = time.monotonic() + 5
    while (left := about(base)) and time.monotonic() < end:
        time.sleep(0.05)
    for process in left:
        process.kill()
    assert not left
