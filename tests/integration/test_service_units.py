"""The units for systemd, run by systemd itself as they are shipped: under all that they take away, sandboxes hold."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import httpx
import pytest
from click.testing import CliRunner
from hub_factories import PASSWORDS, Browser, write_settings

from harness import systemd
from twinpane_cli.command import main
from twinpane_site import ledger_verification

UNITS = Path(__file__).parents[2] / "hub_config" / "service"
HUB, SITE = UNITS / "twinpane-hub.service", UNITS / "twinpane-site@.service"
LACKS = systemd.lacks()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(LACKS), reason=LACKS)]


def wait(until: Callable[[], object], seconds: float, what: Callable[[], str]) -> None:
    """Wait for something; say ``what`` where it does not come."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, what()
        time.sleep(0.2)


def give(folder: Path, uid: int) -> None:
    for place, _, files in os.walk(folder):
        for path in (place, *(os.path.join(place, name) for name in files)):
            os.chown(path, uid, uid, follow_symlinks=False)


@pytest.mark.parametrize("unit", [HUB, SITE], ids=lambda unit: unit.name)
def test_systemd_finds_no_fault_with_a_unit(unit: Path, tmp_path: Path) -> None:
    """Every line of it is known; its program exists where it says, here the environment of the tests."""
    name = unit.name.replace("@", "@north")
    text = unit.read_text().replace("/opt/twinpane", sys.prefix).replace("/srv/", f"{tmp_path}/")
    (tmp_path / name).write_text(re.sub("(?m)^User=.*$", "User=daemon", text).replace("%i", "north"))
    done = subprocess.run(["systemd-analyze", "verify", tmp_path / name], capture_output=True, text=True, check=False, timeout=60)
    ours = [line for line in done.stderr.splitlines() if name in line or "twinpane" in line]
    assert (done.returncode, ours) == (0, [])


def test_what_needs_namespaces_is_not_taken_away() -> None:
    """And both units take away the same."""
    lines = [set(re.findall(r"(?m)^([A-Za-z]+)=", unit.read_text())) for unit in (HUB, SITE)]
    assert lines[0] == lines[1]
    named = {"RestrictNamespaces", "SystemCallFilter", "ProtectProc", "ProtectKernelTunables", "ProtectKernelLogs", "ProtectHostname"}
    assert not lines[0] & (named | {"ProtectControlGroups", "MemoryDenyWriteExecute"})
    assert all(name in unit.read_text() for name in named for unit in (HUB, SITE))


def test_a_site_runs_as_a_service_and_stops_in_order(tmp_path: Path) -> None:
    """Its self-test holds in there, its ledger's last line says that it was asked to stop, and the rest of the machine was read-only."""
    site, data = tmp_path / "north", tmp_path / "north" / "data"
    data.mkdir(parents=True)
    duckdb.execute(f"COPY (SELECT i AS person_id, i % 2 AS sex FROM range(300) t(i)) TO '{data}/person.parquet' (FORMAT parquet)")
    made = CliRunner().invoke(
        main,
        [
            "site",
            "init",
            str(site),
            "--id",
            "north",
            "--data",
            str(data),
            "--hub",
            "https://hub.invalid",
            "--project",
            "heart",
            "--member",
            "ana",
        ],
    )
    assert made.exit_code == 0, made.output
    give(site, systemd.USER.pw_uid)
    name = "twinpane-site@north.service"
    with systemd.booted(tmp_path, {name: SITE}, {**systemd.environment(tmp_path), "/srv/site/north": site}) as running:
        wait(lambda: '"version"' in ledger(site), 60, lambda: f"{running.state(name)} {running.log(name)}")
        state = running.state(name)
        assert (state["ActiveState"], state["NRestarts"]) == ("active", "0"), running.log(name)
        running.systemctl("stop", name)
        assert running.state(name)["Result"] == "success", running.log(name)
        assert "asked to stop" in ledger(site)
    assert ledger_verification.verify(site).ok


def ledger(site: Path) -> str:
    """The ledger's lines as text."""
    return CliRunner().invoke(main, ["site", "ledger", "show", str(site), "--format", "jsonl"]).output


def test_a_hub_runs_as_a_service_and_starts_servers(tmp_path: Path) -> None:
    """A researcher's server and its sandbox come up in there; the stop leaves nothing behind."""
    hub = tmp_path / "hub"
    hub.mkdir()
    project = {"title": "Hearts", "sites": ["north"], "members": ["researcher"], "expires": "2099-12-31"}
    url, _ = write_settings(hub, projects={"hearts": project}, sites={"north": {"title": "North"}}, review={}, die_with_parent=False)
    (hub / "hub.toml").chmod(0o600)
    give(hub, systemd.USER.pw_uid)
    name = HUB.name
    with systemd.booted(tmp_path, {name: HUB}, {**systemd.environment(tmp_path), "/srv/hub": hub}) as running:

        def answers() -> bool:
            try:
                return httpx.get(url + "/hub/health", trust_env=False).status_code == 200
            except httpx.HTTPError:
                return False

        wait(answers, 60, lambda: f"{running.state(name)} {running.log(name)}")
        browser = Browser(url)
        try:
            assert browser.fill_in("researcher", PASSWORDS["researcher"]).status_code == 200
            browser.open_project("researcher", "hearts")
        finally:
            browser.client.close()
        running.systemctl("stop", name)
        state = running.state(name)
        assert (state["ActiveState"], state["Result"]) == ("inactive", "success"), running.log(name)
        assert not answers()
