"""The kernel's entry, inside the sandbox: ``python -P -s -m twinpane_sandbox.kernel_main SETTINGS``.

Why not ``python -I``, which the pane uses: ``-I`` implies ``-E``, and ``-E`` makes Python ignore PYTHONHASHSEED, so that sets would
come in another order in each run. What ``-I`` keeps out is kept out all the same: ``-P`` leaves the working folder off the path until
the kernel has started (cells import the modules beside their notebook, as in any Jupyter kernel), ``-s`` leaves the user's
site-packages off, and the sandbox hands over an environment of its own making (``--clearenv``), in which PYTHONHASHSEED and
PYTHONDONTWRITEBYTECODE are the only variables that Python reads.

SETTINGS is a JSON object: ``connection`` (path of the connection file), ``sockets`` (port name -> descriptor of its listening socket),
``seed``, ``session`` (of its messages; empty: a new one), ``rlimits``, ``memory`` (bytes of the whole session),
``life`` (descriptor of a pipe whose other end the host holds).
"""

import gc
import importlib.util
import json
import os
import sys
from typing import Any

from . import duckdb_memory, seeds
from .limits import apply_rlimits
from .poll import readable

EXTENSION = "twinpane.ipython"
"""Registers ``%%twin`` and the display of releases; loaded if it is installed."""


def main(argv: list[str]) -> None:
    """Limit this process, start the kernel and give both runs the same seeds. Returns when the kernel has been shut down."""
    settings = json.loads(argv[0])
    if orphaned(settings["life"]):
        sys.exit("the host has ended meanwhile")
    apply_rlimits(settings["rlimits"])
    descriptors = {name: int(descriptor) for name, descriptor in settings["sockets"].items()}
    for descriptor in descriptors.values():
        os.set_inheritable(descriptor, False)
    os.umask(0o022)
    os.setsid()  # a group of its own, so that an interrupt reaches what the kernel has started, too
    seeds.after_import("duckdb", lambda module: duckdb_memory.tell(module, settings["memory"]))
    start(settings["connection"], descriptors, settings["seed"], settings["session"])


def orphaned(life: int) -> bool:
    """Whether the host is gone. Bubblewrap's child ties itself to its parent a moment after it starts, so it can miss the host's end."""
    gone = readable(life, 0)
    os.close(life)
    return gone


def place_of_own(path: list[str]) -> int:
    """Where the working folder goes on the import path: after the standard library and before installed packages, as in IPython."""
    return next((place for place, folder in enumerate(path) if os.path.basename(folder) in ("site-packages", "dist-packages")), len(path))


def start(connection: str, descriptors: dict[str, int], seed: int, session: str) -> None:
    """Run ipykernel on sockets that are already listening."""
    gc.disable()  # what is imported stays: looking through it for garbage takes a third of a start's time
    from .kernel_app import SandboxedApp

    app: Any = SandboxedApp.instance(connection_file=connection, descriptors=descriptors, session_id=session)
    if importlib.util.find_spec(EXTENSION.partition(".")[0]) and importlib.util.find_spec(EXTENSION):
        app.extensions = [EXTENSION]
    app.initialize([])
    sys.path.insert(place_of_own(sys.path), "")
    # Last, so that what ipykernel drew while it started is forgotten.
    app.kernel.source = seeds.plant(seed)
    gc.enable()
    app.start()


if __name__ == "__main__":
    main(sys.argv[1:])
