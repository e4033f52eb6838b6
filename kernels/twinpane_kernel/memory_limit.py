"""Limits the pane's memory. A hostile clear kernel can send for ever, and libzmq buffers an endless message out of sight."""

import os
import resource
from pathlib import Path

from twinpane_sandbox.limits import MIB

VARIABLE = "TWINPANE_PANE_MB"
DEFAULT = 2048
"""MiB that the pane may take before it ends its session; what waits for sites that are offline is in there too."""


def most() -> int:
    """Bytes that the pane may take."""
    told = os.environ.get(VARIABLE, "")
    return (int(told) if told.isdigit() and int(told) > 0 else DEFAULT) * MIB


def limit() -> None:
    """Have the system end this process at twice the limit, in case it grows faster than anybody checks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = min(value for value in (2 * most(), soft, hard) if value != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))


def overfull() -> bool:
    """Whether the pane holds more than it may."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") > most()
