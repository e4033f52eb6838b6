"""The broker: from a question to a signed release or a refusal. A library of its own; knows nothing of notebooks or links.

A question passes through the folders in this order::

    catalogue    what the steward published
    question     the plan: what can be asked (sql reads a SELECT into one)
    check        the plan against the catalogue: a ResolvedPlan
    engine       measures its evidence (evidence, cells)
    disclosure   judges the evidence by the rules (rules, aggregates), beside the memory
    memory       the person sets behind everything released
    release      what leaves: released tables, pooled over sites

``__init__.pyi`` lists every name that other packages may use, and where it is made. Each is loaded when it is first used.
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

# No library does this (lazy_loader would): theirs load every name at once where an environment variable says so, and with the names every
# engine, into the process that holds a site's key.
_MADE_IN = {
    alias.name: node.module
    for node in ast.parse(Path(__file__).with_suffix(".pyi").read_text("utf-8")).body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}
__all__ = sorted(_MADE_IN)


def __getattr__(name: str) -> Any:
    """A public name, loaded when it is first used."""
    if name not in _MADE_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MADE_IN[name]}"), name)
    return value
