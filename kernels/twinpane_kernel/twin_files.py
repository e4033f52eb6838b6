"""The twin's files for a clear kernel: made once for a set of catalogues, then kept in a cache.

``python -I -m twinpane_kernel.twin_files FOLDER`` makes them from catalogues on standard input, in a process of its own, so that
the pane stays small.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from twinpane_broker import Catalogue

from .state_dir import state_dir
from .twin import twin_digest, write_twin

PATIENCE_S = 120


def ready(catalogues: Sequence[Catalogue]) -> Path | None:
    """The folder in the cache that holds the twin of these catalogues, made where it is not there yet; None without catalogues.

    Raises OSError and subprocess.SubprocessError where it cannot be made.
    """
    if not catalogues:
        return None
    kept = state_dir() / "twins" / twin_digest(catalogues)[:32]
    if not kept.is_dir():
        _make(catalogues, kept)
    return kept


def _make(catalogues: Sequence[Catalogue], kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="making-", dir=kept.parent))
    try:
        described = json.dumps([catalogue.model_dump(mode="json") for catalogue in catalogues])
        command = [sys.executable, "-I", "-m", "twinpane_kernel.twin_files", str(fresh)]
        subprocess.run(command, input=described.encode(), check=True, timeout=PATIENCE_S, stdout=subprocess.DEVNULL)
        try:
            fresh.rename(kept)
        except OSError:
            if not kept.is_dir():  # else another session was quicker: its twin is the same
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def main() -> None:
    """Make a twin: see the module."""
    catalogues = [Catalogue.model_validate(described) for described in json.load(sys.stdin)]
    write_twin(catalogues, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
