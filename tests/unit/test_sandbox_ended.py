"""A sandbox is over when its first process is gone, which ends after all others in it."""

import os
import subprocess

import pytest

from twinpane_sandbox.ended import all_gone, hold
from twinpane_sandbox.launch import children


def test_a_process_that_lives_is_not_gone_and_one_that_was_killed_is() -> None:
    with subprocess.Popen(["sleep", "100"]) as process:
        held = hold(process.pid)
        assert held is not None
        assert not all_gone([held], 0.01)
        process.kill()
        assert all_gone([held], 10)
        os.close(held)
    assert hold(process.pid) is None


@pytest.mark.slow
def test_what_a_first_process_started_is_gone_before_it() -> None:
    """As in a sandbox: a namespace of processes, killed through the first of them."""
    command = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "sh", "-c", "setsid sleep 77.7 & echo up; wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        [first] = children(process.pid)
        held = hold(first)
        assert held is not None
        os.kill(first, 9)
        assert all_gone([held], 10)
        assert subprocess.run(["pgrep", "-f", "^sleep 77.7"], capture_output=True).returncode == 1
        os.close(held)
