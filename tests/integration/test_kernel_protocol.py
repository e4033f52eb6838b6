"""The Jupyter protocol's own conformance suite, against the kernelspec."""

import os
from pathlib import Path

import jupyter_kernel_test as jkt
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def _environment(kernelspec: Path, tmp_path_factory: pytest.TempPathFactory):
    """The suite finds the kernel by name; a workspace of its own; no sites."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(kernelspec))
        patch.setenv("TWINPANE_WORKSPACE", str(tmp_path_factory.mktemp("workspace")))
        patch.setenv("TWINPANE_CACHE", str(tmp_path_factory.mktemp("cache")))
        for name in [name for name in os.environ if name.startswith("TWINPANE_S")]:
            patch.delenv(name)
        yield


class WithoutSites(jkt.KernelTests):
    """The pane is faithful to the protocol."""

    kernel_name = "twinpane"
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [{"text": "zi", "matches": {"zip"}}]
    complete_code_samples = ["1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n"]
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x*2"]
    invalid_code_samples = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise RuntimeError('a failing cell')"
    code_execute_result = [{"code": "1+2+3", "result": "6"}, {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"}]
    code_display_data = [{"code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))", "mime": "text/html"}]
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"
    support_iopub_welcome = True


class WithoutSitesWelcome(jkt.IopubWelcomeTests):
    """A client that subscribes is welcomed (JEP 65)."""

    kernel_name = "twinpane"
    support_iopub_welcome = True


