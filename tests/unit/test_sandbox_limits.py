"""Limits are held by control groups of either version, and what cannot be held is said."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from twinpane_sandbox import cgroups, launch
from twinpane_sandbox.cgroups import Group, Kept, Use
from twinpane_sandbox.fork_exec import join
from twinpane_sandbox.limits import GIB, Limits, apply_rlimits, rlimits

LIMITS = Limits(memory=GIB, processes=99, cpus=1.5)


def files(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


VERSION_1 = {"memory": "memory.limit_in_bytes", "pids": "pids.max", "cpu": "cpu.cfs_quota_us"}


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make folders as the kernel's control group file systems do: with the files of their controllers in them."""
    make = Path.mkdir

    def mkdir(self: Path, *args: object, **kwargs: object) -> None:
        make(self, *args, **kwargs)
        if self.name.startswith("twinpane-"):
            version_2 = ["memory.max", "memory.swap.max", "pids.max", "cpu.max"] if (self.parent / "delegated").exists() else []
            for name in ("cgroup.procs", *version_2, *[VERSION_1[name] for name in [self.parent.name] if name in VERSION_1]):
                (self / name).touch()
            if self.parent.name == "cpu":
                (self / "cpu.cfs_period_us").touch()

    monkeypatch.setattr(Path, "mkdir", mkdir)


def test_version_2_limits_a_group_beside_our_own(tmp_path: Path, kernel: None) -> None:
    files(tmp_path, "cgroup.controllers")
    files(tmp_path / "user" / "us", "cgroup.procs")
    files(tmp_path / "user", "delegated")
    group = cgroups.make(LIMITS, "twinpane-1-a", own="0::/user/us\n", root=tmp_path)
    assert group.folders == (tmp_path / "user" / "twinpane-1-a",)
    assert group.notes == ()
    assert (group.folders[0] / "memory.max").read_text() == str(GIB)
    assert (group.folders[0] / "pids.max").read_text() == "99"
    assert (group.folders[0] / "cpu.max").read_text() == "150000 100000"


def test_version_2_without_delegation_limits_nothing_and_says_so(tmp_path: Path, kernel: None) -> None:
    files(tmp_path, "cgroup.controllers")
    files(tmp_path / "user" / "us", "cgroup.procs")
    group = cgroups.make(LIMITS, "twinpane-1-a", own="0::/user/us\n", root=tmp_path)
    assert group.folders == ()
    assert "memory, pids, cpu" in group.notes[0]


def test_version_1_limits_a_group_of_each_controller(tmp_path: Path, kernel: None) -> None:
    for controller in ("memory", "pids", "cpu"):
        (tmp_path / controller).mkdir()
    group = cgroups.make(LIMITS, "twinpane-1-a", own="4:memory:/\n3:pids:/\n2:cpu:/\n", root=tmp_path)
    assert {folder.parent.name for folder in group.folders} == {"memory", "pids", "cpu"}
    assert (tmp_path / "memory" / "twinpane-1-a" / "memory.limit_in_bytes").read_text() == str(GIB)


def test_version_1_counts_processor_time_in_a_group_apart(tmp_path: Path, kernel: None) -> None:
    """Mostly `cpu` and `cpuacct` are one folder; where they are two, the group is in both."""
    for controller in ("memory", "pids", "cpu", "cpuacct"):
        (tmp_path / controller).mkdir()
    group = cgroups.make(LIMITS, "twinpane-1-a", own="5:cpuacct:/\n4:memory:/\n3:pids:/\n2:cpu:/\n", root=tmp_path)
    assert {folder.parent.name for folder in group.folders} == {"memory", "pids", "cpu", "cpuacct"}
    assert group.notes == ()
    assert group.controllers == {"memory", "pids", "cpu"}


@pytest.mark.parametrize(("said", "use"), [
    ({"cpu.stat": "usage_usec 2500000\nuser_usec 1\n", "memory.current": "4096\n"}, Use(2.5, 4096)),
    ({"cpuacct.usage": "2500000000\n", "cpu.stat": "nr_periods 0\n", "memory.usage_in_bytes": "4096\n"}, Use(2.5, 4096)),
    ({"cpu.stat": "nr_periods 0\nnr_throttled 0\n"}, Use()),
    ({}, Use()),
])  # fmt: skip
def test_a_group_tells_what_is_used_in_it(tmp_path: Path, said: dict[str, str], use: Use) -> None:
    """By either version's files; None where the machine does not tell, also once the group is gone."""
    for name, text in said.items():
        (tmp_path / name).write_text(text)
    assert Group((tmp_path / "gone", tmp_path), ()).use() == use


def test_what_cannot_be_limited_is_said(tmp_path: Path) -> None:
    group = cgroups.make(LIMITS, "twinpane-1-a", own="4:memory:/none\n", root=tmp_path)
    assert group.folders == ()
    assert [note.partition(":")[0] for note in group.notes] == ["memory", "pids", "cpu"]


def test_a_machine_says_which_sandbox_limits_it_cannot_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine says which limits it cannot hold for a whole sandbox.

    Eight processes of 300 MB each ran under a limit of 256 MB, and nothing said so.
    """
    monkeypatch.setattr(cgroups, "make", lambda *_: Group((), (), frozenset({"pids"})))
    kept = cgroups.kept(LIMITS)
    assert kept == Kept(memory=False, processes=True, processors=False)
    assert "no control group for memory, processors" in kept.warning
    assert "Delegate=yes" in kept.warning


def test_a_machine_that_holds_all_limits_says_nothing() -> None:
    assert Kept(memory=True, processes=True, processors=True).warning == ""


def test_what_a_group_holds_is_known_by_its_controllers(tmp_path: Path, kernel: None) -> None:
    for controller in ("memory", "cpu"):
        (tmp_path / controller).mkdir()
    group = cgroups.make(LIMITS, "twinpane-1-a", own="4:memory:/\n2:cpu:/\n", root=tmp_path)
    assert group.controllers == {"memory", "cpu"}


def test_a_kernel_leaves_one_of_several_processors_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel leaves one processor free where there are others."""
    monkeypatch.setattr(launch.os, "sched_getaffinity", lambda _: {3, 1, 2})
    assert launch.processors(Limits(spare_processor=True)) == {2, 3}
    assert launch.processors(Limits()) == {1, 2, 3}
    monkeypatch.setattr(launch.os, "sched_getaffinity", lambda _: {1})
    assert launch.processors(Limits(spare_processor=True)) == {1}


def test_a_process_enters_its_groups(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()
    join(tmp_path)
    assert (tmp_path / "cgroup.procs").read_text() == str(os.getpid())


def test_a_process_that_cannot_enter_its_group_does_not_go_on(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        join(tmp_path / "missing")


def test_groups_are_removed(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    Group((tmp_path / "g", tmp_path / "gone"), ()).remove(patience=0)
    assert not (tmp_path / "g").exists()


def test_every_resource_limit_is_known_to_this_python() -> None:
    assert all(hasattr(resource, name) for name in rlimits(Limits()))


def test_core_files_are_never_written() -> None:
    assert rlimits(Limits())["RLIMIT_CORE"] == 0


def test_a_limit_is_never_raised_and_holds_soft_and_hard() -> None:
    code = (
        "import resource; from twinpane_sandbox.limits import apply_rlimits\n"
        "apply_rlimits({'RLIMIT_NOFILE': 100}); apply_rlimits({'RLIMIT_NOFILE': 200})\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "(100, 100)\n"


@pytest.mark.parametrize("name", ["NOFILE", "RLIMIT_NOTHING", "setrlimit"])
def test_an_unknown_limit_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="no resource limit"):
        apply_rlimits({name: 1})
