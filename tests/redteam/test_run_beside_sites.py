"""A run on one machine, with the sites' folders and raw data lying beside the notebook: the clear kernel may not see either."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from harness.federation import make_site
from twinpane_hub.data.make import make_data

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _own_folder(tmp_path_factory, monkeypatch):
    """Runs of different tests do not wait for each other; the twin lies where no cell looks."""
    monkeypatch.setenv("TWINPANE_CACHE", str(tmp_path_factory.mktemp("cache")))


LOOK = """\
import os
found = []
for folder, _, names in os.walk("/project"):
    found += [os.path.join(folder, name) for name in names if not name.startswith(".")]
print(sorted(found))
try:
    print(open("/project/data/person.parquet", "rb").read(4))
except OSError as error:
    print(type(error).__name__)
"""


def test_the_clear_kernel_sees_neither_site_folder_nor_data(tmp_path: Path) -> None:
    """The clear kernel sees neither a site's folder nor its data.

    They are covered at /project, and nothing of them is pushed to another site.
    """
    make_data(tmp_path / "data", 200, seed=1)
    make_site(tmp_path / "site", "a", tmp_path / "data")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LOOK)])
    nbformat.write(book, tmp_path / "look.ipynb")
    (tmp_path / "helper.py").write_text("x = 1\n")
    command = [sys.executable, "-I", "-m", "twinpane_cli", "run", "look.ipynb", "--out", "out.ipynb", "--sites", "site"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    shown = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[0].outputs[0].text
    assert "helper.py" in shown
    assert "person.parquet" not in shown
    assert "site.toml" not in shown
    assert "FileNotFoundError" in shown
    pushed = [path.name for path in (tmp_path / "site" / "projects").rglob("*") if path.is_file()]
    assert pushed == ["helper.py"]


def test_a_notebook_within_a_sites_folder_is_refused(tmp_path: Path) -> None:
    """The folder that the notebook lies in cannot be covered."""
    make_data(tmp_path / "data", 200, seed=1)
    make_site(tmp_path / "site", "a", tmp_path / "data")
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "data" / "look.ipynb")
    command = [sys.executable, "-I", "-m", "twinpane_cli", "run", "look.ipynb", "--out", "../out.ipynb", "--sites", "../site"]
    done = subprocess.run(command, cwd=tmp_path / "data", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "put the notebook elsewhere" in done.stderr
