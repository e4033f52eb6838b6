"""The Jupyter protocol's own conformance suite, against the kernelspec, without sites."""

from collections.abc import Iterator
from pathlib import Path

import jupyter_kernel_test as jkt
import pytest

from harness.conformance import Samples, environment

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def _environment(kernelspec: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        environment(patch, kernelspec, tmp_path_factory.mktemp("without"))
        yield


class WithoutSites(Samples, jkt.KernelTests):
    """The pane is faithful to the protocol."""


class Welcome(jkt.IopubWelcomeTests):
    """A client that subscribes is welcomed (JEP 65)."""

    kernel_name = "twinpane"
    support_iopub_welcome = True
