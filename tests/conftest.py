"""What the integration tests share: the kernelspec in a folder of its own."""

from pathlib import Path

import pytest

from twinpane_kernel import install


@pytest.fixture(scope="session")
def kernelspec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Jupyter data folder that holds the Twinpane kernelspec; put it on JUPYTER_PATH."""
    folder = tmp_path_factory.mktemp("jupyter")
    install.install(folder)
    return folder / "share" / "jupyter"
