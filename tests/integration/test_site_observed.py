"""What a site tells those who watch it in its own network: its log, the events of its ledger, its numbers. The hub gets none of it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

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
