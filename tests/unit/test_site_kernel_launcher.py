"""Before a site starts it proves its sandbox, its volumes and its limits, and says what it cannot hold."""

import json
import os
from pathlib import Path

import pytest

from twinpane_sandbox import cgroups
from twinpane_sandbox.cgroups import Group
from twinpane_sandbox.errors import SandboxUnavailable
from twinpane_site import kernel_launcher, volume
from twinpane_site.config import Project, SessionPolicy
from twinpane_site.errors import ConfigError
from twinpane_site.snapshot import Snapshot, SnapshotData
from twinpane_wire import messages as wire

pytestmark = pytest.mark.slow


def rooms_of(tmp_path: Path, **session: object) -> kernel_launcher.KernelLauncher:
    (tmp_path / "data").mkdir(exist_ok=True)
    data = SnapshotData(Snapshot("s", tmp_path / "data", {}), lambda: (Project(id="heart", members=("ana",)),))
    return kernel_launcher.KernelLauncher(tmp_path, data, SessionPolicy(**session))


def test_a_machine_without_control_groups_is_told_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cgroups, "make", lambda *_: Group((), ()))
    rooms_of(tmp_path).prove()
    assert "limits hold for each process of a kernel alone" in caplog.text


def test_a_volume_that_cannot_be_made_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume that cannot be made stops the start, with the remedy."""

    def refused(*_: object) -> None:
        raise SandboxUnavailable("no file system in memory here", "accept_unlimited_project = true")

    monkeypatch.setattr(volume, "hold_memory", refused)
    with pytest.raises(ConfigError, match=r"no file system in memory here.*accept_unlimited_project"):
        rooms_of(tmp_path).prove()


def test_an_accepted_plain_folder_is_proved_too(tmp_path: Path) -> None:
    """A plain folder is proved, too, where the steward accepted it."""
    rooms_of(tmp_path, volume="folder", accept_unlimited_project=True).prove()


def test_what_a_past_life_left_is_gone_after_the_start(tmp_path: Path) -> None:
    left = Path("/tmp") / f"tpi-left-{os.getpid()}"
    left.mkdir(mode=0o700)
    (left / "owner.json").write_text(json.dumps({"host": [os.getpid(), 1], "sandbox": [], "groups": []}))
    rooms_of(tmp_path).prove()
    assert not left.exists()


def test_one_users_sessions_in_one_project_share_a_volume(tmp_path: Path) -> None:
    """Sessions of one user in one project share a volume. Other sessions do not."""
    site = rooms_of(tmp_path)
    ana, ben = (wire.Principal(user=name, project="heart") for name in ("ana", "ben"))
    assert site.volume(ana) is site.volume(wire.Principal(user="ana", project="heart"))
    assert site.volume(ana).root != site.volume(ben).root
