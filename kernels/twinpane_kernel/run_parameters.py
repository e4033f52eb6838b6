"""Parameters of a run: ``-p name value`` becomes a cell after the one tagged ``parameters``, as papermill does it."""

import ast
import keyword
from collections.abc import Sequence

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

INJECTED = "injected-parameters"


class ParameterError(ValueError):
    """A parameter whose name is not one."""


def value_of(text: str) -> object:
    """A number, True, False or None where the text is one, otherwise the text itself."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if value is None or isinstance(value, bool | int | float) else text


def inject(notebook: NotebookNode, parameters: Sequence[tuple[str, str]]) -> None:
    """Put one cell that assigns the parameters behind the cell tagged ``parameters`` (at the head where none is); an older one goes."""
    notebook.cells = [cell for cell in notebook.cells if INJECTED not in cell.metadata.get("tags", [])]
    if not parameters:
        return
    for name, _ in parameters:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise ParameterError(f"{name!r} is no name for a parameter: -p NAME VALUE needs a Python name")
    source = "\n".join(["# Parameters of this run", *(f"{name} = {value_of(text)!r}" for name, text in parameters)])
    tagged = [i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])]
    notebook.cells.insert(tagged[0] + 1 if tagged else 0, new_code_cell(source, metadata={"tags": [INJECTED]}))
