"""The IPython extension that both kernels load: the ``%%twin`` magic."""

from typing import Any

from .rehearsal import uncover


def load_ipython_extension(shell: Any) -> None:
    """Make ``%%twin`` cells run as ordinary cells: same last-expression display, same tracebacks, same line numbers.

    The magic is registered too, so that ``%lsmagic`` and completion know its name.
    """
    if uncover not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.append(uncover)

    def twin(line: str, cell: str = "") -> None:
        """Run this cell on the twin only; no site gets it."""
        shell.run_cell(cell)

    shell.register_magic_function(twin, magic_kind="cell", magic_name="twin")
