"""Between fork and exec a child is tied to its host and gets its views; what fails there is said in words, and nothing is started."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from twinpane_sandbox.errors import SandboxUnavailable
from twinpane_sandbox.fork_exec import ChildSetup, spawn
from twinpane_sandbox.kernel_main import orphaned
from twinpane_sandbox.overlay_views import STAGE, plan
from twinpane_sandbox.poll import readable


@dataclass(frozen=True)
class Made:
    """In place of views: fails with that error, or does nothing."""

    error: OSError | None = None

    def make(self) -> None:
        if self.error:
            raise self.error


def test_what_the_machine_refuses_is_said_with_the_remedy() -> None:
    error = OSError(1, "a view of /usr: mount: Operation not permitted")
    with pytest.raises(SandboxUnavailable, match=r"a view of /usr: mount: Operation not permitted.*AppArmor"):
        spawn(["/bin/true"], ChildSetup(Made(error)))


def test_a_folder_that_is_not_there_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="No such file"):
        spawn(["/bin/true"], ChildSetup(plan([f"{tmp_path}/nowhere/x"], {})))


def test_a_program_that_is_not_there_is_an_ordinary_error() -> None:
    with pytest.raises(FileNotFoundError):
        spawn(["/nowhere/bwrap"], ChildSetup(Made()))


def test_the_child_has_neither_our_input_nor_our_environment() -> None:
    """Not even the machine's /dev/null, which would be one file for all."""
    with spawn(["/bin/sh", "-c", "readlink /proc/self/fd/0; env; cat"], ChildSetup(Made())) as child:
        said = child.stdout.read().decode()
    assert said.startswith("pipe:")
    assert "HOME" not in said


def test_a_child_is_tied_to_its_host_before_it_runs_a_program() -> None:
    """The child is tied to its host before it is another program."""
    code = (
        "import sys, time\nfrom twinpane_sandbox.fork_exec import ChildSetup, spawn\n"
        "class Slow:\n    def make(self): time.sleep(300)\n"
        "print('begins', flush=True)\nspawn(['/bin/sleep', '300'], ChildSetup(Slow()))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as host:
        host.stdout.readline()
        end = time.monotonic() + 20
        while not (found := Path(f"/proc/{host.pid}/task/{host.pid}/children").read_text().split()) and time.monotonic() < end:
            time.sleep(0.005)
        child = os.pidfd_open(int(found[0]))
        host.send_signal(signal.SIGKILL)
    assert readable(child, 20)
    os.close(child)


def test_a_kernel_whose_host_is_gone_does_not_begin() -> None:
    ours, theirs = os.pipe()
    assert not orphaned(os.dup(ours))
    os.close(theirs)
    assert orphaned(ours)


def test_sources_share_a_view_where_they_lie_in_one_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).touch()
    seen = plan([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path)], {})
    assert seen.folders == (str(tmp_path),)
    assert seen.place(str(tmp_path / "b")) == f"{STAGE}/v/0/b"
    assert seen.place(str(tmp_path)) == f"{STAGE}/v/0"


def test_a_link_is_seen_through_to_what_it_names(tmp_path: Path) -> None:
    """A link within a view would lead out of it again."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert plan([str(tmp_path / "link")], {}).folders == (str(tmp_path / "real"),)
