"""``twinpane doctor`` looks at a machine, says in a sentence what helps, and changes nothing."""

import http.server
import json
import os
import socket
import threading
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from test_hub_cli import hub_folder

from twinpane_cli.command import main
from twinpane_cli.doctor import disk, machine, network, packages
from twinpane_cli.doctor.diagnosis import Grade
from twinpane_ground.ports import holder
from twinpane_hub.settings import load
from twinpane_sandbox.errors import SandboxUnavailable
from twinpane_site.instance_lock import only_one


def told(*arguments: str | Path) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit status, and what was found by name."""
    done = CliRunner().invoke(main, ["doctor", *map(str, arguments), "--json"], catch_exceptions=False)
    found = json.loads(done.output)
    assert found["fit"] == (done.exit_code == 0)
    return done.exit_code, {each["name"]: each for each in found["checks"]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    duckdb.execute(f"COPY (SELECT i AS person_id, i % 2 AS sex FROM range(300) t(i)) TO '{data}/person.parquet' (FORMAT parquet)")
    folder = tmp_path_factory.mktemp("site") / "north"
    made = ["site", "init", folder, "--id", "north", "--data", data, "--reviewer", "a", "--reviewer", "b", "--hub", "https://hub.invalid"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        made += ["--review-port", str(free.getsockname()[1])]
    assert CliRunner().invoke(main, [str(word) for word in made]).exit_code == 0
    return folder


@pytest.fixture
def machine_is_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.machine_check, "check", lambda: type("Host", (), {"version": (0, 8, 0)}))


@pytest.mark.usefixtures("machine_is_fit")
def test_a_site_that_can_run_is_fit(model: Path) -> None:
    """What cannot be asked, as a hub that does not answer, is a warning."""
    before = sorted(model.rglob("*"))
    status, found = told("site", model)
    assert [name for name, each in found.items() if each["grade"] == "wrong"] == []
    assert status == 0
    assert {found[name]["grade"] for name in ("linux", "sandbox", "site's files", "key", "secret files", "free space")} == {"fine"}
    assert found["clock"]["grade"] == "warning"
    assert all(each["remedy"] for each in found.values() if each["grade"] != "fine")
    assert sorted(model.rglob("*")) == before


@pytest.mark.usefixtures("machine_is_fit")
def test_what_stops_a_site_is_named_with_its_remedy(model: Path, tmp_path: Path) -> None:
    """A policy without a threshold, a key that others can read."""
    for name in ("site.toml", "catalogue.toml"):
        (tmp_path / name).write_bytes((model / name).read_bytes())
    (tmp_path / "policy.toml").write_text("[rules]\n")
    (tmp_path / "keys").mkdir(mode=0o755)
    (tmp_path / "keys" / "site.key").write_bytes((model / "keys" / "site.key").read_bytes())
    status, found = told("site", tmp_path)
    assert status == 1
    assert "threshold" in found["site's files"]["found"]
    assert "chmod" in found["secret files"]["remedy"]
    assert found["key"]["grade"] == "wrong"


def test_a_taken_port_is_named_with_who_has_it() -> None:
    """Where the program that it is for has it, that is as it should be."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        found = holder(number)
        assert found is not None
        assert found.process == os.getpid()
        port = network.port("port", number, "127.0.0.1", lambda _: False)
        assert (port.grade, f"process {os.getpid()}" in port.found) == (Grade.wrong, True)
        assert network.port("port", number, "127.0.0.1", lambda by: by.process == os.getpid()).grade is Grade.fine
    assert holder(number) is None
    assert network.port("port", number, "127.0.0.1", lambda _: False).grade is Grade.fine
    assert network.port("port", number, "192.0.2.1", lambda _: False).grade is Grade.wrong


def test_the_folder_of_a_running_site_is_looked_at_too(model: Path) -> None:
    with only_one(model):
        assert told("site", model)[1]["key"]["grade"] == "fine"


def test_a_hub_is_looked_at_by_what_its_start_looks_at(tmp_path: Path) -> None:
    """All of it at once, where a start stops at the first; and no folder is made."""
    file = hub_folder(tmp_path, **{"accounts.toml": "", "projects.toml": "[projects.x]\n"})
    file.chmod(0o644)
    with socket.create_server(("127.0.0.1", load(file).switchboard_port)):
        status, found = told("hub", file)
    assert status == 1
    wrong = {name for name, each in found.items() if each["grade"] == "wrong"}
    assert wrong >= {"hub.toml", "network", "sign-in", f"port {load(file).switchboard_port} (switchboard_port)"}
    assert found["hub.toml"]["remedy"] == f"chmod 600 {file}"
    assert not (tmp_path / "hub").exists()


def test_a_hub_without_settings_is_one_sentence(tmp_path: Path) -> None:
    status, found = told("hub", tmp_path / "hub.toml")
    assert (status, found["hub.toml"]["grade"]) == (1, "wrong")


@pytest.mark.parametrize(("release", "grade"), [("5.10.0-28-amd64", "wrong"), ("5.11.0", "fine"), ("6.1.0-44", "fine"), ("odd", "wrong")])
def test_an_old_linux_is_wrong(release: str, grade: str) -> None:
    assert machine.linux(release).grade == grade


def test_the_sandbox_says_its_own_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The very sentences of a start: AppArmor, namespaces switched off, a container."""

    def refused() -> None:
        raise SandboxUnavailable("user namespaces are switched off", "as root: sysctl …")

    monkeypatch.setattr(machine.machine_check, "check", refused)
    found = machine.sandbox()
    assert (found.grade, found.found, found.remedy) == (Grade.wrong, "user namespaces are switched off", "as root: sysctl …")


MOUNTS = """\
21 1 254:0 / / rw - ext4 /dev/vda rw
30 21 253:1 / /srv rw - xfs /dev/mapper/data rw
31 30 0:40 / /srv/with\\040space rw shared:1 - tmpfs tmpfs rw
32 21 0:50 / /home rw - zfs tank/home rw
"""


def test_the_disk_below_a_folder_is_found() -> None:
    """The mount that lies nearest above it; the last at a place hides the others."""
    assert disk.mount_of(Path("/srv/site"), MOUNTS) == disk.Mount("xfs", "/dev/mapper/data")
    assert disk.mount_of(Path("/srv/with space/x"), MOUNTS) == disk.Mount("tmpfs", "tmpfs")
    assert disk.mount_of(Path("/srvx"), MOUNTS) == disk.Mount("ext4", "/dev/vda")


def block(folder: Path, uuid: str = "", *below: Path) -> Path:
    """A device as /sys shows it."""
    (folder / "dm").mkdir(parents=True)
    (folder / "dm" / "uuid").write_text(f"{uuid}\n")
    (folder / "slaves").mkdir()
    for each in below:
        (folder / "slaves" / each.name).symlink_to(each)
    return folder


def test_encryption_is_seen_through_lvm_and_raid(tmp_path: Path) -> None:
    """A volume on encrypted disks is encrypted; one that is striped over an encrypted and a plain one is not."""
    crypt, plain = block(tmp_path / "crypt", "CRYPT-LUKS2-x"), block(tmp_path / "plain")
    lvm = block(tmp_path / "lvm", "LVM-x", crypt)
    assert disk.is_encrypted(crypt)
    assert disk.is_encrypted(lvm)
    assert not disk.is_encrypted(plain)
    assert not disk.is_encrypted(block(tmp_path / "raid", "", crypt, plain))
    for device, grade in ((lvm, Grade.fine), (plain, Grade.warning), (None, Grade.warning)):
        assert disk.encryption(Path("/srv"), MOUNTS.replace("/srv ", "/ "), lambda _, it=device: it).grade is grade


def test_too_little_space_is_wrong(tmp_path: Path) -> None:
    assert disk.free_space(tmp_path / "later", 2**62, "x").grade is Grade.wrong


class Clock(http.server.BaseHTTPRequestHandler):
    """A hub whose clock stands in 2001."""

    def do_HEAD(self) -> None:
        self.send_response_only(200)
        self.send_header("Date", "Sat, 01 Sep 2001 00:00:00 GMT")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_clock_far_from_the_hubs_is_wrong() -> None:
    """By the Date of the hub's answer; half a second of it is rounding."""
    with http.server.HTTPServer(("127.0.0.1", 0), Clock) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        found = network.clock(f"http://127.0.0.1:{server.server_port}")
        thread.join()
    assert found.grade is Grade.wrong
    assert "NTP" in found.remedy
    assert [network.clock("", lambda _, apart=apart: (100.0, 100.0 + apart)).grade for apart in (0.9, 4.0, 7.0, -59.0, -62.0)] == [
        Grade.fine, Grade.fine, Grade.warning, Grade.warning, Grade.wrong,
    ]  # fmt: skip


def test_packages_are_held_to_the_lock(tmp_path: Path) -> None:
    """Another version is named; what is not installed belongs to a part that is not used."""
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        'a==1.0 \\\n    --hash=sha256:0\nb==2.0 ; sys_platform == "win32" \\\n    --hash=x\nc-d==3 ; python_version >= "3" \\\ne==4\n'
    )
    assert list(packages.pins(lock.read_text())) == [("a", "1.0"), ("c-d", "3"), ("e", "4")]
    assert packages.versions(lock, {"a": "1.0", "c-d": "3"}.get).grade is Grade.fine
    found = packages.versions(lock, {"a": "1.1"}.get)
    assert (found.grade, found.found) == (Grade.warning, "not as locked: a 1.1 instead of 1.0")
    assert packages.versions(tmp_path / "none").grade is Grade.warning
