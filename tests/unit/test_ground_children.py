"""Child processes: none outlives its parent, and each is asked to end before it is killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from twinpane_ground import children
from twinpane_ground.lifeline import die_with_parent, outlive_parent, tied

PARENT = """
import subprocess, sys
from twinpane_ground.lifeline import outlive_parent, tied
process = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, preexec_fn=tied(outlive_parent if "outlive" in sys.argv else None))
print(process.pid, flush=True)
sys.stdin.readline()
"""


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("word", ["", "outlive"])
def test_a_child_ends_when_its_parent_is_killed(word: str) -> None:
    """Unless it sees to its own end."""
    parent = subprocess.Popen([sys.executable, "-I", "-c", PARENT, word], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdin is not None
    child = int(parent.stdout.readline())
    assert is_there(child)
    parent.kill()
    parent.communicate()
    if word:
        time.sleep(0.2)
        assert is_there(child)
        os.kill(child, signal.SIGKILL)
    until = time.monotonic() + 30
    while is_there(child):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_child_whose_parent_is_gone_already_ends_at_once() -> None:
    """The parent may end between the fork and the child's first step: no signal comes then."""

    def orphaned() -> None:
        die_with_parent(os.getppid() + 1, signal.SIGKILL)

    with subprocess.Popen(["sleep", "600"], preexec_fn=orphaned) as process:
        assert process.wait(30) == -signal.SIGKILL


def test_what_a_child_does_first_comes_after_the_lifeline(tmp_path: Path) -> None:
    """``then`` is called in the child, and what it raises keeps the program from starting."""
    subprocess.run(["true"], preexec_fn=tied(lambda: (tmp_path / "begun").touch()), check=True)
    assert (tmp_path / "begun").exists()

    def refuse() -> None:
        raise OSError("no")

    with pytest.raises(subprocess.SubprocessError):
        subprocess.run(["true"], preexec_fn=tied(refuse), check=True)
    outlive_parent()  # of this process itself: nothing to undo, and no error


async def started(script: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", f"import signal, sys, time\n{script}\nprint(flush=True)\ntime.sleep(600)", stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    return process


async def test_a_child_is_asked_to_end_and_killed_only_if_it_does_not() -> None:
    """All have the same time; one that has ended is passed over."""
    willing = await started("signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))")
    deaf = await started("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    deafer = await started("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    ended = await started("")
    ended.kill()
    await ended.wait()
    await children.end([deaf, willing, ended, deafer], 1.0)
    assert [process.returncode for process in (willing, deaf, deafer, ended)] == [7, -9, -9, -9]
    await children.end([], 1.0)


LEAVES = """
import os, signal, subprocess, sys
from twinpane_ground import children
children.take_in_orphans()
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
middle = "import subprocess, sys; subprocess.Popen([sys.executable, '-I', '-c', sys.argv[1]], start_new_session=True)"
subprocess.run([sys.executable, "-I", "-c", middle, deaf], check=True)
sys.stdin.readline()
found = children.descendants(os.getpid())
children.end_descendants(0.2)
print(len(found), len(children.descendants(os.getpid())), flush=True)
"""


def test_what_a_child_left_behind_is_found_and_ended() -> None:
    """A grandchild in a session of its own, whose parent is gone, and that takes no SIGTERM."""
    with subprocess.Popen([sys.executable, "-I", "-c", LEAVES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "\n"  # the grandchild's
        assert program.communicate("go\n", timeout=60)[0] == "1 0\n"
