"""The pane's memory has an end, and an administrator may move it."""

import resource
import subprocess
import sys

import pytest

from twinpane_kernel import memory_limit
from twinpane_sandbox.limits import MIB


@pytest.mark.parametrize(("told", "most"), [("", 2048), ("64", 64), ("0", 2048), ("-5", 2048), ("much", 2048)])
def test_what_is_no_number_of_megabytes_is_the_default(monkeypatch, told, most):
    monkeypatch.setenv("TWINPANE_PANE_MB", told)
    assert memory_limit.most() == most * MIB


def test_a_pane_that_holds_more_than_it_may_is_overfull(monkeypatch):
    monkeypatch.setenv("TWINPANE_PANE_MB", "1")
    assert memory_limit.overfull()
    monkeypatch.setenv("TWINPANE_PANE_MB", "100000")
    assert not memory_limit.overfull()


def test_the_system_ends_what_grows_faster_than_anybody_looks(monkeypatch):
    code = "from twinpane_kernel import memory_limit; import resource; memory_limit.limit()\n"
    code += "print(resource.getrlimit(resource.RLIMIT_DATA)[0]); bytearray(2**30)"
    done = subprocess.run([sys.executable, "-c", code], env={"TWINPANE_PANE_MB": "300"}, capture_output=True, text=True)
    assert int(done.stdout) == 600 * MIB
    assert "MemoryError" in done.stderr


def test_a_limit_that_is_lower_already_stays(monkeypatch):
    code = "import resource; from twinpane_kernel import memory_limit\nresource.setrlimit(resource.RLIMIT_DATA, (2**29, 2**29))\n"
    code += "memory_limit.limit(); print(resource.getrlimit(resource.RLIMIT_DATA))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str((2**29, 2**29))
    assert resource.getrlimit(resource.RLIMIT_DATA)[1] == resource.RLIM_INFINITY
