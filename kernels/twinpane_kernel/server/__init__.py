"""The locked-down Jupyter server: its only kernel is Twinpane's, and it serves nothing that a cell planted.

``python -I -m twinpane_kernel.server`` is what the hub's spawner starts; it takes everything from the environment that the spawner made.
"""

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Called by Jupyter's extension manager: the hub's sign-in and JupyterLab, on top of the locked server."""
    from .app import LockedSingleUser
    from .lab import LockedLab

    return [{"module": "twinpane_kernel.server", "app": LockedLab}, {"module": "twinpane_kernel.server", "app": LockedSingleUser}]
