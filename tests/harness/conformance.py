"""What the protocol's conformance suite asks a Python kernel, and the environment that it finds ours in."""

import os
from pathlib import Path

import pytest


def environment(patch: pytest.MonkeyPatch, kernelspec: Path, base: Path) -> None:
    """Let the suite find the kernel by its name, and give the kernel a workspace of its own and no settings of ours."""
    for name in [name for name in os.environ if name.startswith("TWINPANE_")]:
        patch.delenv(name)
    (base / "workspace").mkdir(exist_ok=True)
    patch.setenv("JUPYTER_PATH", str(kernelspec))
    patch.setenv("TWINPANE_WORKSPACE", str(base / "workspace"))
    patch.setenv("TWINPANE_CACHE", str(base / "cache"))


class Samples:
    """What the suite asks a Python kernel."""

    kernel_name = "twinpane"
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = ({"text": "zi", "matches": {"zip"}},)
    complete_code_samples = ("1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n")
    incomplete_code_samples = ("print('''hello", "def f(x):\n  x*2")
    invalid_code_samples = ("import = 7q",)
    code_page_something = "zip?"
    code_generate_error = "raise RuntimeError('a failing cell')"
    code_execute_result = ({"code": "1+2+3", "result": "6"}, {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"})
    code_display_data = ({"code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))", "mime": "text/html"},)
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"
