"""Checks what a notebook asks if the sites run it later: once in its source before anything runs, and again at each call.

In ``twinpane run --sites`` the clear run of the whole notebook is over before any inside run begins. A call that waits for an inside
run would wait for ever there.
"""

import ast
from collections.abc import Iterator

from nbformat import NotebookNode

import twinpane
from twinpane.rehearsal import uncover

from .run_children import RunError

ANSWERED = frozenset({
    "Refused", "TwinpaneError", "account", "catalogue", "cohort", "correlation", "cost", "crosstab", "describe", "event", "exports",
    "histogram", "load_cohort", "profile", "quantiles", "request_export", "reveal", "sql", "table",
})  # fmt: skip
"""The public names of ``twinpane`` that the clear run needs no inside run for: brokers or the pane answer, or nothing is waited for. Any
other one is refused."""


def check(notebook: NotebookNode) -> None:
    """Raise RunError, which names every call that waits for inside runs. A call that shows only at run time is refused then."""
    found = [
        f"tp.{name} in cell {index + 1}, line {line}"
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "code"
        for name, line in waiting(cell.source)
    ]
    if found:
        raise RunError(
            f"{'; '.join(found)}: waits for the sites' runs of the notebook, and with --sites these begin when it has run on the twin, so "
            "that nothing can be passed from one side to the other on this machine. Run it against a hub, with the sites elsewhere"
        )


def waiting(source: str) -> Iterator[tuple[str, int]]:
    """The names of ``twinpane`` that a cell uses and that wait for inside runs, each with its line; none of what is no Python."""
    try:
        tree = ast.parse("".join(uncover(source.splitlines(keepends=True))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    waits = set(twinpane.__all__) - ANSWERED
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("tp", "twinpane"):
            if node.attr in waits:
                yield node.attr, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "twinpane":
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name in waits)
