"""What a site tells those who watch it in its own network: its log, the events of its ledger, its numbers. The hub gets none of it."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import httpx
import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from twinpane_cli.command import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    duckdb.execute(f"COPY (SELECT i AS person_id, i % 2 AS sex FROM range(300) t(i)) TO '{tmp_path}/data/person.parquet'")
    words = ["site", "init", str(tmp_path / "north"), "--id", "north", "--data", str(tmp_path / "data"), "--project", "heart"]
    assert CliRunner().invoke(main, words, catch_exceptions=False).exit_code == 0
    return tmp_path / "north"


def set_keys(site: Path, *lines: str) -> None:
    """Write keys at the head of site.toml: they would belong to a section further down."""
    file = site / "site.toml"
    file.write_text("\n".join((*lines, file.read_text())))


@contextmanager
def serving(site: Path) -> Iterator["subprocess.Popen[str]"]:
    """Its agent, at a hub that nobody answers at."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-m", "twinpane_cli", "site", "serve", str(site), "--hub", "http://127.0.0.1:9"],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
        process.stderr.close()  # type: ignore[union-attr]


def test_a_site_logs_json_lines_from_all_its_parts(site: Path) -> None:
    """Each line is an object with a time, a level and where in the source it was said."""
    set_keys(site, 'log_format = "json"')
    with serving(site) as agent:
        assert agent.stderr is not None
        first = json.loads(agent.stderr.readline())
    assert {"time", "level", "part", "source", "message"} <= first.keys()


def test_events_and_numbers_of_a_running_site(site: Path, tmp_path: Path) -> None:
    """The feed has the lines of the ledger, and Prometheus reads how many there are, at a socket of this machine."""
    socket_path = tmp_path / "metrics.sock"
    set_keys(site, f'events = ["file:{tmp_path}/events"]', f'metrics = "unix:{socket_path}"')
    with serving(site) as agent:
        until = time.monotonic() + 90
        while not (socket_path.exists() and (tmp_path / "events").exists()):
            assert agent.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket_path))) as client:
            found = client.get("http://site/metrics")
            assert client.get("http://site/other").status_code == 404
        assert socket_path.stat().st_mode & 0o007 == 0
    events = [json.loads(line)["event"] for line in (tmp_path / "events").read_text().splitlines()]
    assert events[0] == "created"
    assert "started" in events
    families = {family.name: family.samples for family in text_string_to_metric_families(found.text)}
    assert {sample.labels["event"]: sample.value for sample in families["twinpane_ledger_lines"]}["started"] == 1
    assert families["twinpane_link_up"][0].value == families["twinpane_frozen"][0].value == families["twinpane_sessions_open"][0].value == 0
    assert families["twinpane_disk_left_bytes"][0].value > 0
