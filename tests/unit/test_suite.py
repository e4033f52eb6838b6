"""What holds the tests themselves: skips are named, nothing is left behind, and the data that they use is as it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from floors import files
from harness.gibleed import GIBLEED
from harness.needs import is_named

ROOT = Path(__file__).parents[2]
MB = 1_000_000


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """One file of tests under the suite's own rules."""
    (folder / "test_it.py").write_text(text)
    line = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider", "-q", "--rootdir", str(folder)]
    return subprocess.run([*line, "-p", "harness.strict", str(folder)], cwd=folder, env={"PYTHONPATH": str(ROOT / "tests")},
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("text", [
    "import pytest\n\ndef test_it():\n    pytest.skip('not today')\n",
    "import pytest\n\n@pytest.mark.skip\ndef test_it():\n    pass\n",
    "import pytest\n\npytest.importorskip('no_such_module')\n",
    "import pytest\n\n@pytest.mark.skipif(True, reason='needs luck')\ndef test_it():\n    pass\n",
], ids=["inside", "a mark", "a whole file", "a need that is not in the list"])  # fmt: skip
def test_a_skip_without_a_named_reason_fails(tmp_path: Path, text: str) -> None:
    done = run(tmp_path, text)
    assert done.returncode != 0, done.stdout
    assert "no reason to skip" in done.stdout


@pytest.mark.slow
def test_a_skip_with_a_named_reason_passes(tmp_path: Path) -> None:
    done = run(tmp_path, "import pytest\n\ndef test_it():\n    pytest.skip('needs root: it mounts')\n")
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_a_process_left_behind_fails_the_run(tmp_path: Path) -> None:
    """A child of ours, and one whose parent is gone."""
    done = run(tmp_path, "import subprocess\n\ndef test_it():\n    subprocess.Popen(['setsid', '-f', 'sleep', '61.5'])\n"
                         "    subprocess.Popen(['sleep', '62.5'])\n")  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert "behind (now ended): sleep 61.5" in done.stdout
    assert "behind (now ended): sleep 62.5" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("text", [
    "def test_it():\n    import warnings\n    warnings.warn('old')\n",
    "class Bad:\n    def __del__(self):\n        raise ValueError('lost')\n\ndef test_it():\n    Bad()\n",
    "import threading\n\ndef test_it():\n    t = threading.Thread(target=lambda: 1 / 0)\n    t.start()\n    t.join()\n",
    "import asyncio\n\nasync def fail():\n    raise ValueError\n\nasync def test_it():\n    asyncio.create_task(fail())\n"
    "    await asyncio.sleep(0.01)\n",
], ids=["a warning", "an error while something goes", "an error in a thread", "a task that nobody waits for"])  # fmt: skip
def test_what_is_only_said_aside_fails_a_test(tmp_path: Path, text: str) -> None:
    done = run(tmp_path, text)
    assert done.returncode == 1, done.stdout


def test_every_skip_in_the_suite_is_named() -> None:
    """Also those that this machine does not take."""
    said = {}
    for path in (ROOT / "tests").rglob("*.py"):
        if path != Path(__file__):
            text = path.read_text("utf-8")
            assert "importorskip" not in text, f"{path}: what the tests need is in the lock file"
            for reason in re.findall(r"pytest\.skip\(f?\"(.*?)\"\)|skipif\(.*?reason=f?\"(.*?)\"", text):
                said["".join(reason)] = path
    assert said
    assert {reason: path for reason, path in said.items() if not is_named(reason)} == {}


def test_gibleed_is_small_and_its_tables_are_listed() -> None:
    """At most 5 MB, each table with its rows in the README, source and licence beside them."""
    import pyarrow.parquet

    files = sorted(GIBLEED.glob("*.parquet"))
    assert sum(file.stat().st_size for file in GIBLEED.iterdir()) <= 5 * MB
    said = dict(re.findall(r"\| `(\w+)` \| ([\d,]+) ", (GIBLEED / "README.md").read_text("utf-8")))
    assert {name: int(rows.replace(",", "")) for name, rows in said.items()} == {
        file.stem: pyarrow.parquet.read_metadata(file).num_rows for file in files
    }
    assert "Apache License" in (GIBLEED / "LICENSE").read_text("utf-8")


@pytest.mark.no_cover
def test_a_bound_on_processor_time_is_measured_untraced() -> None:
    """Also side by side: two bounds were passed by coverage's own work, 15 s where the code takes 4."""
    assert sys.gettrace() is None


def test_a_floor_of_coverage_cannot_lose_its_file() -> None:
    """A file that is renamed takes its floor along, or the run stops."""
    with pytest.raises(LookupError, match=r"there is none"):
        files(["kernels/twinpane_site/{glass,gone}.py"])
    assert [path.name for path in files(["kernels/twinpane_site/{glass,meter}.py"])] == ["glass.py", "meter.py"]
