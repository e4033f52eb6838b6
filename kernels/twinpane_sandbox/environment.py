"""The packages of the environment that a sandboxed kernel runs in: both runs should have the same, and the link compares them."""

import platform
from functools import cache
from importlib import metadata

COMPARED = (
    "ipykernel", "ipython", "ipywidgets", "pandas", "numpy", "pyarrow", "duckdb", "scikit-learn", "scipy", "matplotlib", "lifelines",
)  # fmt: skip
"""The packages whose versions decide whether both runs give the same."""


@cache
def environment() -> dict[str, str]:
    """Versions of Python and of the compared packages, as this side has them."""
    found = {"python": platform.python_version()}
    for name in COMPARED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
