"""What a run's sites leave in caches goes when the run ends, where the machine counts it for them."""

import os
import random
import subprocess
import sys
import time

import pytest

from twinpane_kernel.run_traces import Traces

CHILD = """\
import os, sys
for name in sys.stdin.read().splitlines():
    os.access(name, os.F_OK)
"""


def test_without_a_memory_group_there_is_nothing_and_it_is_known(tmp_path):
    traces = Traces.make("0::/\n", tmp_path)
    assert not traces.kept
    traces.enter()
    traces.forget()


def test_version_1_has_one_group_below_ones_own(tmp_path):
    (tmp_path / "memory" / "user").mkdir(parents=True)
    traces = Traces.make("4:cpu:/x\n3:memory:/user\n", tmp_path)
    group = tmp_path / "memory" / "user" / f"twinpane-{os.getpid()}-run"
    assert traces.kept
    traces.enter()
    assert (group / "cgroup.procs").read_text() == str(os.getpid())


def test_version_2_keeps_processes_in_a_leaf(tmp_path):
    """In version 2, processes stay in a leaf, so that the kernels' groups can lie beside it."""
    (tmp_path / "cgroup.controllers").write_text("memory")
    (tmp_path / "user").mkdir()
    traces = Traces.make("0::/user\n", tmp_path)
    group = tmp_path / "user" / f"twinpane-{os.getpid()}-run"
    assert (group / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"
    traces.enter()
    assert (group / "sites" / "cgroup.procs").read_text() == str(os.getpid())


def test_what_a_killed_run_left_is_emptied_and_removed(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    stale = tmp_path / "memory" / f"twinpane-{ended.pid}-run"
    (stale / "twinpane-1-kernel").mkdir(parents=True)
    Traces.make("3:memory:/\n", tmp_path)
    assert not stale.exists()


@pytest.mark.no_cover
@pytest.mark.slow
def test_the_clock_does_not_tell_later_what_names_were_tried():
    """Names that were looked for cannot be told by the clock afterwards.

    A later process reads no more of 512 bits than chance gives. Before: 508 right, and all 256 where pages of files were read.
    """
    traces = Traces.make()
    if not traces.kept:
        pytest.skip("needs control groups: one for memory")
    assert right(traces) < 320  # the best threshold after the fact gets about 280 of 512 by chance
    assert right(None) > 400


def right(traces: Traces | None) -> int:
    """Bits of 512 that the best threshold reads from the times of as many lookups, every other name looked for by a process before."""
    names = [f"/usr/share/zoneinfo/{random.getrandbits(64):x}" for _ in range(512)]
    bits = [random.getrandbits(1) for _ in names]
    told = "\n".join(name for name, bit in zip(names, bits, strict=True) if bit)
    enter = traces.enter if traces is not None else None
    subprocess.run([sys.executable, "-I", "-c", CHILD], input=told, text=True, check=True, preexec_fn=enter)
    if traces is not None:
        traces.forget()
    times = []
    for name in names:
        began = time.perf_counter()
        os.access(name, os.F_OK)
        times.append(time.perf_counter() - began)
    return max(sum((took < threshold) == bool(bit) for took, bit in zip(times, bits, strict=True)) for threshold in sorted(times))
