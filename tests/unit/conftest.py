"""A notebook at two sites, without processes, for the tests of the pane."""

import pytest
from kernel_desk import Notebook

from twinpane_kernel import strip_publisher


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("TWINPANE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(strip_publisher, "REPAINT_S", 0.0)
    (tmp_path / "workspace").mkdir()
    return tmp_path / "workspace"


@pytest.fixture
async def pad(workspace):
    made = Notebook(workspace, "a", "b")
    yield made
    made.pane.close()
