"""The pane's own folder on the researcher's side: outside everything that a cell can write."""

import os
from pathlib import Path


def state_dir() -> Path:
    """``$TWINPANE_CACHE``, else ``twinpane`` in the user's cache folder."""
    named = os.environ.get("TWINPANE_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "twinpane"
