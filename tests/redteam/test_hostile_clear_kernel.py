"""A clear kernel that attacks the pane: it ends its own session at most, and takes no more memory than the pane may have."""

import asyncio
import time
from pathlib import Path

import psutil
import pytest

from harness.notebook import Notebook, notebook
from twinpane_sandbox.limits import MIB

pytestmark = pytest.mark.slow
ROOM = 300

ENDLESS = """\
import os, socket, stat, time
def links():
    "The connections of this kernel's iopub socket: what is written there is not libzmq's any more."
    for name in os.listdir("/proc/self/fd"):
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                link = socket.socket(fileno=os.dup(int(name)))
                if link.family == socket.AF_UNIX and str(link.getsockname()).endswith("kernel-2"):
                    link.getpeername()
                    yield link
        except OSError:
            pass
part = b"\\x03" + (2**20).to_bytes(8, "big") + bytes(2**20)  # ZMTP: a long frame, and more to come
time.sleep({wait})  # what the kernel has to say itself would come between
while True:
    for link in links():
        try:
            link.setblocking(True)
            while True:
                link.sendall(part)
        except OSError:
            pass
    time.sleep(0.1)
"""


async def flooded(pad: Notebook, code: str, seconds: float) -> tuple[float, bool]:
    """MiB that the pane grew by at most, and whether its session ended, after a cell that floods it."""
    pane = psutil.Process(pad.manager.provisioner.pid)
    before = most = pane.memory_info().rss
    pad.client.execute(code)
    end = time.monotonic() + seconds
    while time.monotonic() < end and await pad.manager.is_alive():
        try:
            most = max(most, pane.memory_info().rss)
        except psutil.Error:
            break
        await asyncio.sleep(0.02)
    return (most - before) / MIB, not await pad.manager.is_alive()


async def test_an_endless_message_ends_its_own_session(tmp_path: Path, kernelspec: Path) -> None:
    """Frames that each say that more will come, written past libzmq. Before, the pane grew to 2.8 GB in 12 s, and on."""
    (tmp_path / "work").mkdir()
    environment = {
        "TWINPANE_WORKSPACE": str(tmp_path / "work"), "TWINPANE_CACHE": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin",
        "TWINPANE_PANE_MB": str(ROOM),
    }  # fmt: skip
    # Where a frame of libzmq's own comes between, the stream is broken, and nothing has been attacked: it is tried again.
    for wait in range(1, 4):
        async with notebook(environment, tmp_path / "work", kernelspec) as pad:
            grown, ended = await flooded(pad, ENDLESS.replace("{wait}", str(wait)), 30)
        if ended:
            break
    assert ended
    assert grown < 2 * ROOM
