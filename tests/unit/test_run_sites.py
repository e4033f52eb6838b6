"""`twinpane run --sites`: real sites, real sandboxes, no hub; and nothing of it is left when it ends."""

import asyncio
import datetime
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from twinpane_hub.switchboard.standalone import SITE
from twinpane_kernel.run_local import alone

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Runs of different tests do not wait for each other."""
    monkeypatch.setenv("TWINPANE_CACHE", str(tmp_path / "cache"))


SLEEPS = "import time\ntime.sleep(600)"
COMMAND = [sys.executable, "-m", "twinpane_cli"]


def processes_about(text):
    """Command lines that name a folder of this test."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace") if entry.name.isdigit() else ""
        except OSError:
            continue
        if text in line and "pytest" not in line.split(" ")[0:4]:
            found.append(line)
    return found


def gone(text, seconds=10):
    """Whether all of them ended, the last ones a moment after their parent."""
    end = time.monotonic() + seconds
    while processes_about(text):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture
def sites(tmp_path):
    """Two freshly drafted site folders, as `twinpane site init` leaves them."""
    folders = []
    for site, women in (("site-a", 40), ("site-b", 25)):
        data = tmp_path / f"data-{site}"
        data.mkdir()
        people = {"person_id": list(range(100)), "sex": ["F"] * women + ["M"] * (100 - women), "age": [20 + i % 60 for i in range(100)]}
        people["seen"] = [datetime.date(2020, 1 + i % 12, 1) for i in range(100)]
        pq.write_table(pa.table(people), data / "person.parquet")
        folder = tmp_path / site
        subprocess.run([*COMMAND, "site", "init", str(folder), "--id", site, "--data", str(data)], check=True, capture_output=True)
        folders.append(folder)
    return folders


def notebook(folder, *sources):
    """A notebook in a folder of its own."""
    (folder / "work").mkdir()
    path = folder / "work" / "n.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
    return path


def test_a_notebook_runs_at_sites_that_were_drafted_a_minute_ago(tmp_path, sites):
    """Verdicts, releases and reveals of both, status 0, and every process ended."""
    path = notebook(
        tmp_path,
        "import pandas as pd, twinpane as tp\ndf = pd.read_parquet('/data/person.parquet')",
        "df.head()",
        "tp.sql('select sex, count(*) n from person group by sex')",
        "tp.reveal((df.sex == 'F').sum(), 'women', digits=2)",
        "%%twin\ndf.shape",
    )
    out = tmp_path / "out.ipynb"
    arguments = ["run", str(path), "--out", str(out), "--sites", ",".join(map(str, sites)), "--timeout", "120"]
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    cells = nbformat.read(out, 4).cells
    verdicts = [{site: told.verdict for site, told in cell.metadata.twinpane.sites.items()} for cell in cells]
    assert verdicts[1] == {"site-a": "differs", "site-b": "differs"}
    assert verdicts[2] == {"site-a": "same", "site-b": "same"}
    assert verdicts[4] == {}
    assert cells[2].outputs[0].metadata.twinpane.mark == "real"
    assert cells[2].outputs[0].data["text/plain"].splitlines()[2].split() == ["F", "40", "25", "65"]
    assert len(cells[2].metadata.twinpane.releases) == 2
    assert cells[3].metadata.twinpane.reveals[0]["values"] == {"site-a": 40.0, "site-b": 25.0}
    assert cells[0].outputs == []
    assert gone(str(tmp_path))


def test_an_ended_kernel_ends_the_run_before_any_site_began(tmp_path, sites):
    """A cell that ends the kernel ends the run before any site began.

    Then it is known that nothing ran on real rows, and said; what ran on the twin is written.
    """
    path = notebook(tmp_path, "print(1)", "import os; os._exit(3)")
    out = tmp_path / "out.ipynb"
    done = subprocess.run([*COMMAND, "run", str(path), "--out", str(out), "--sites", str(sites[0])], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "nothing of this notebook ran on real rows" in done.stderr
    assert nbformat.read(out, 4).cells[0].outputs[0].text == "1\n"
    ledger = subprocess.run([*COMMAND, "site", "status", str(sites[0])], capture_output=True, text=True)
    assert ledger.returncode == 0
    assert gone(str(tmp_path))


def test_an_interrupted_run_keeps_what_was_recorded_so_far(tmp_path, sites):
    """An interrupted run keeps what was recorded before the sites began.

    The clear run is over, the sites still run: its outputs stay, and no verdict is claimed.
    """
    path = notebook(tmp_path, "print(1)", SLEEPS)
    out = tmp_path / "out.ipynb"
    command = [*COMMAND, "run", str(path), "--out", str(out), "--sites", str(sites[0]), "--cell-timeout", "3"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert any("now the sites run it" in line for line in process.stderr)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()
    made = nbformat.read(out, 4)
    assert made.cells[0].outputs[0].text == "1\n"
    assert made.cells[0].metadata.twinpane["mark"] == "synthetic"
    assert made.metadata.twinpane["settled"] is False
    assert gone(str(tmp_path))


async def test_runs_with_sites_on_one_machine_wait_for_each_other(tmp_path):
    """The clear kernel of one may not live beside the inside kernels of another; whoever holds on to the lock is waited for."""
    said = []
    async with alone(said.append) as held:
        kept = os.dup(held)
        second = asyncio.create_task(enter(said))
        while not said:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    assert said == ["another run with sites goes on; this one waits until it has ended"]
    os.close(kept)
    await asyncio.wait_for(second, 10)
    assert said[-1] == "entered"


async def enter(said):
    async with alone(said.append):
        said.append("entered")


def test_an_interrupted_run_ends_its_sites_and_switchboard(tmp_path, sites):
    """Ctrl-C in the middle of a cell."""
    path = notebook(tmp_path, SLEEPS)
    command = [*COMMAND, "run", str(path), "--out", str(tmp_path / "o.ipynb"), "--sites", ",".join(map(str, sites))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert any(line.startswith("[1/1]") for line in process.stderr)
            time.sleep(1)  # until the sites run it too
            assert processes_about(str(tmp_path / "site-a"))
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()
    assert gone(str(tmp_path))


def test_a_run_that_is_killed_leaves_nothing_behind(tmp_path, sites):
    """Not even SIGKILL: sites, switchboard and kernel die with it."""
    path = notebook(tmp_path, SLEEPS)
    command = [*COMMAND, "run", str(path), "--out", str(tmp_path / "o.ipynb"), "--sites", str(sites[0])]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert any(line.startswith("[1/1]") for line in process.stderr)
        time.sleep(1)  # until the site runs it too
        assert processes_about(str(tmp_path / "work"))
        process.kill()
    assert gone(str(tmp_path))


def test_a_site_that_cannot_start_is_named_with_its_own_words(tmp_path, sites):
    """A policy without a threshold: that site says so, nothing runs, the other one is ended."""
    (sites[1] / "policy.toml").write_text("[rules]\nbase = 5\n")
    path = notebook(tmp_path, "1")
    arguments = ["run", str(path), "--out", str(tmp_path / "o.ipynb"), "--sites", ",".join(map(str, sites))]
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert "site-b did not start" in done.stderr
    assert "threshold" in done.stderr
    assert gone(str(tmp_path))


def test_a_site_of_the_switchboard_is_written_with_its_key():
    """The one line that tells the switchboard whom to expect."""
    assert SITE.fullmatch(f"site-a={'ab' * 32}=A title = with signs")["title"] == "A title = with signs"
    assert SITE.fullmatch(f"site-a={'ab' * 31}=x") is None


def test_a_project_of_the_hub_named_local_stops_no_run_here():
    """The run's user was none of its members, so every site refused; the project keeps its tables, and its members."""
    from twinpane_cli.site_agent import local_project
    from twinpane_site.config import Project, SiteConfig

    first, named = Project(id="first", members=("rosa",)), Project(id="local", members=("sten",), tables=("person",))
    assert local_project(SiteConfig(id="north", source="/data", projects=(named, first))) == Project(
        id="local", members=("sten", "local"), tables=("person",)
    )
    assert local_project(SiteConfig(id="north", source="/data")) == Project(id="local", members=("local",))
