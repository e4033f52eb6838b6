"""Bubblewrap's arguments are a pure function of the sandbox and the host, and an unsafe sandbox is refused."""

import dataclasses
from pathlib import Path

import pytest

from twinpane_sandbox.bubblewrap import Kind, Sandbox, arguments, check_folders, environment, mounts, views_of
from twinpane_sandbox.errors import SandboxError
from twinpane_sandbox.host import Host, bwrap_version, covered, find, python_environment, survey
from twinpane_sandbox.limits import Limits

HOST = Host(
    bwrap=Path("/usr/bin/bwrap"),
    version=(0, 8, 0),
    setuid=False,
    executable=Path("/opt/venv/bin/python"),
    environment=(Path("/opt/venv"), Path("/opt/base")),
    packages=(Path("/srv/code/kernels/twinpane"),),
    hidden=(),
    proc={"keys": False, "bus": True, "meminfo": False, "sys": True},
    processors=2,
    mounted=("/", "/srv/d/below", "/srv/data"),
    root_links=(("/bin", "usr/bin"),),
    root_folders=("/lib64",),
    etc=("/etc/ld.so.cache",),
)


def box(**changes: object) -> Sandbox:
    base = {"data": Path("/srv/d"), "project": Path("/srv/p"), "private": Path("/run/tp"), "seed": 5}
    return Sandbox(**(base | changes))


def runs(line: list[str], *words: str) -> bool:
    return any(line[i : i + len(words)] == list(words) for i in range(len(line)))


@pytest.mark.parametrize(
    "words",
    [
        ("--unshare-all",),
        ("--unshare-user",),
        ("--disable-userns",),
        ("--cap-drop", "ALL"),
        ("--new-session",),
        ("--die-with-parent",),
        ("--clearenv",),
        ("--uid", "1000"),
        ("--gid", "1000"),
        ("--hostname", "twinpane"),
        ("--bind", "/srv/p", "/project"),
        ("--ro-bind", "/run/tp", "/run/twinpane"),
        ("--remount-ro", "/"),
        ("--remount-ro", "/proc"),
        ("--remount-ro", "/dev"),
        ("--symlink", "usr/bin", "/bin"),
        ("--ro-bind", "/sys/f/empty", "/proc/keys"),
        ("--ro-bind", "/sys/none", "/proc/bus"),
        ("--ro-bind", "/sys/f/meminfo", "/proc/meminfo"),
        ("--ro-bind", "/sys/f/sys", "/proc/sys"),
        ("--add-seccomp-fd", "9"),
        ("--chdir", "/project"),
    ],
)
def test_every_argument_that_the_sandbox_stands_on_is_there(words: tuple[str, ...]) -> None:
    assert runs(arguments(box(), HOST, ["/bin/true"], seccomp=[9]), *words)


@pytest.mark.parametrize("path", ["/usr", "/lib64", "/opt/venv", "/srv/code/kernels/twinpane", "/data"])
def test_no_folder_of_the_machine_is_shown_but_through_a_view(path: str) -> None:
    """A plain bind mount would share the folder's inodes with every other sandbox."""
    source = "/srv/d" if path == "/data" else path
    line = arguments(box(), HOST, ["x"])
    assert runs(line, "--ro-bind", views_of(box(), HOST).place(source), path)
    assert source not in [line[at + 1] for at, word in enumerate(line) if word in ("--ro-bind", "--bind")]


def test_a_file_of_etc_is_copied_and_etc_is_never_seen() -> None:
    """A container has files of its engine's mounted below /etc, so an ordinary user can have no view of it there."""
    seen = views_of(box(), HOST)
    assert runs(arguments(box(), HOST, ["x"]), "--ro-bind", "/sys/f/etc/ld.so.cache", "/etc/ld.so.cache")
    assert seen.files["etc/ld.so.cache"] == Path("/etc/ld.so.cache").read_bytes()
    assert "/etc" not in seen.folders


def test_a_mount_below_a_folder_has_a_view_of_its_own(tmp_path: Path) -> None:
    """What the machine mounted below a folder has a view of its own."""
    (tmp_path / "below").mkdir()
    host = dataclasses.replace(HOST, mounted=("/", f"{tmp_path}/below", f"{tmp_path}/belowelse", str(tmp_path)))
    shown = [(mount.source, mount.target) for mount in mounts(box(data=tmp_path), host) if mount.target.startswith("/data")]
    assert shown == [(str(tmp_path), "/data"), (f"{tmp_path}/below", "/data/below")]


def test_the_network_is_never_shared() -> None:
    assert "--share-net" not in arguments(box(), HOST, ["/bin/true"])


def test_the_command_comes_after_the_end_of_the_arguments() -> None:
    assert arguments(box(), HOST, ["--share-net"])[-2:] == ["--", "--share-net"]


def test_the_same_sandbox_gives_the_same_arguments() -> None:
    assert arguments(box(), HOST, ["x"]) == arguments(box(), HOST, ["x"])


def test_only_the_project_is_bound_for_writing() -> None:
    assert [m.target for m in mounts(box(), HOST) if m.kind is Kind.writable] == ["/project"]


def test_the_root_is_sealed_last() -> None:
    assert mounts(box(), HOST)[-1].arguments(views_of(box(), HOST)) == ["--remount-ro", "/"]


def test_memory_folders_have_their_sizes() -> None:
    line = arguments(box(limits=Limits(tmp=2**21, shm=2**22)), HOST, ["x"])
    assert runs(line, "--size", str(2**21), "--tmpfs", "/tmp")
    assert runs(line, "--size", str(2**22), "--tmpfs", "/dev/shm")


def test_settings_within_the_environment_are_covered_up(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "pip.conf").write_text("index-url = https://user:password@…")
    host = dataclasses.replace(HOST, hidden=(tmp_path / "etc", tmp_path / "pip.conf"))
    line = arguments(box(), host, ["x"])
    assert runs(line, "--ro-bind", "/sys/none", str(tmp_path / "etc"))
    assert runs(line, "--ro-bind", "/sys/f/empty", str(tmp_path / "pip.conf"))


@pytest.mark.parametrize(
    ("version", "setuid", "expected"),
    [((0, 8, 0), False, True), ((0, 11, 1), False, True), ((0, 6, 1), False, False), ((0, 8, 0), True, False)],
)
def test_user_namespaces_are_disabled_by_bubblewrap_where_it_can(version: tuple[int, ...], setuid: bool, expected: bool) -> None:
    host = dataclasses.replace(HOST, version=version, setuid=setuid)
    assert ("--disable-userns" in arguments(box(), host, ["x"])) is expected


def test_the_environment_of_two_runs_differs_in_the_seed_alone() -> None:
    """The environment differs between two runs in the seed alone."""
    first, second = environment(box(seed=1), HOST), environment(box(seed=2, data=Path("/a"), project=Path("/b"), private=Path("/c")), HOST)
    assert {name for name in first if first[name] != second[name]} == {"PYTHONHASHSEED"}


def test_the_environment_names_time_zone_language_and_threads() -> None:
    found = environment(box(limits=Limits(threads=3)), HOST)
    assert (found["TZ"], found["LANG"], found["OMP_NUM_THREADS"], found["PYTHONHASHSEED"]) == ("UTC", "C.UTF-8", "3", "5")
    assert found["TWINPANE_CALLS"] == "/run/twinpane/calls.sock"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": Path("/")}, "whole file system"),
        ({"project": Path("/opt/venv/p")}, "which every kernel sees"),
        ({"data": Path("/usr/share/data")}, "which every kernel sees"),
        ({"project": Path("/opt")}, "which runs the kernel"),
        ({"project": Path("/srv/code")}, "which runs the kernel"),
        ({"data": Path("/srv/p/d")}, "keep them apart"),
        ({"private": Path("/srv/p/k")}, "keep them apart"),
        ({"private": Path("/srv/p")}, "keep them apart"),
        ({"cwd": "/data"}, "not below /project"),
        ({"cwd": "/project/../etc"}, "not below /project"),
        ({"cwd": "/projects"}, "not below /project"),
        ({"cwd": "project"}, "not below /project"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"limits": Limits(tmp=0)}, "too small"),
        ({"limits": Limits(threads=0)}, "too small"),
    ],
)
def test_a_sandbox_that_would_not_hold_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(SandboxError, match=message):
        arguments(box(**changes), HOST, ["x"])


def test_a_link_to_a_forbidden_place_is_seen_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/usr/share")
    with pytest.raises(SandboxError, match="which every kernel sees"):
        check_folders(box(data=tmp_path / "link"), HOST)


@pytest.mark.parametrize("place", ["/", "/home", "/root", "/etc"])
def test_an_environment_that_holds_more_than_python_is_refused(place: str) -> None:
    with pytest.raises(SandboxError):
        check_folders(box(), dataclasses.replace(HOST, environment=(Path(place),)))


@pytest.mark.parametrize(
    ("text", "version"), [("bubblewrap 0.8.0\n", (0, 8, 0)), ("bubblewrap 0.11.1", (0, 11, 1)), ("", ()), ("no version", ())]
)
def test_versions_of_bubblewrap_are_read(text: str, version: tuple[int, ...]) -> None:
    assert bwrap_version(text) == version


def test_a_folder_covers_itself_and_what_is_below() -> None:
    assert covered(Path("/a/b"), (Path("/a"),))
    assert covered(Path("/a"), (Path("/a"),))
    assert not covered(Path("/ab"), (Path("/a"),))


def test_every_hop_of_a_linked_interpreter_is_shown(tmp_path: Path) -> None:
    base = tmp_path / "base" / "bin"
    base.mkdir(parents=True)
    (base / "python3").touch()
    (tmp_path / "hop").symlink_to(base / "python3")
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(tmp_path / "hop")
    shown = python_environment(tmp_path / "venv" / "bin" / "python", tmp_path / "venv", tmp_path / "base")
    assert shown == (tmp_path / "venv", tmp_path / "base", tmp_path / "hop")


def test_an_environment_below_usr_needs_no_more() -> None:
    assert python_environment(Path("/usr/bin/env"), Path("/usr"), Path("/usr")) == ()


def test_a_program_in_the_working_folder_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bwrap").write_text("#!/bin/sh\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert find("bwrap", ["", "."]) is None


def test_a_survey_does_not_import_the_packages_it_shows() -> None:
    """This machine is surveyed without importing the packages it shows."""
    host = survey()
    assert {path.name for path in host.packages} <= {"twinpane", "twinpane_broker", "twinpane_ground", "twinpane_sandbox"}
    assert not any(covered(Path(__file__), (path,)) for path in (*host.packages, *host.environment))


def test_paths_do_not_lead_through_closed_folders(tmp_path: Path) -> None:
    """A kernel under its own user finds nothing by a path that this user may not walk."""
    host = dataclasses.replace(HOST, environment=(tmp_path,), packages=())
    tmp_path.chmod(0o755)
    line = arguments(box(owner=1_900_000_000), host, ["/bin/true"])
    assert runs(line, "--bind", "/sys/b/0/p", "/project")
    assert runs(line, "--ro-bind", "/sys/b/1/tp", "/run/twinpane")
    assert not [word for word in line if word.startswith("/srv")]


def test_a_closed_environment_is_named_with_the_remedy(tmp_path: Path) -> None:
    """The message names an environment that only its owner can read, and the remedy."""
    tmp_path.chmod(0o700)
    host = dataclasses.replace(HOST, environment=(tmp_path,), packages=())
    with pytest.raises(SandboxError, match="chmod -R o\\+rX"):
        check_folders(box(owner=1_900_000_000), host)
    check_folders(box(), host)
