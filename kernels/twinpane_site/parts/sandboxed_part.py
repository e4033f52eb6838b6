"""A part in a sandbox with nothing in it: the fork server's fork becomes bubblewrap, and in it ``python -I -m module`` with the same port.

For what takes hostile bytes apart. It is sent descriptors of what it reads, and answers in frames; it can open nothing.
"""

import os
import socket
from collections.abc import Mapping
from typing import Any

from twinpane_sandbox import empty_sandbox
from twinpane_sandbox.host import survey

from .part import DESCRIPTOR

MODULE = __name__
PACKAGES = ("twinpane_broker", "twinpane_ground", "twinpane_review", "twinpane_sandbox", "twinpane_site", "twinpane_wire")
"""What of this distribution a program in a box may import."""
NICENESS = 5


def main(end: socket.socket, settings: Mapping[str, Any]) -> None:
    """In the fork server's fork: never comes back. ``settings["program"]`` is the module that runs inside."""
    host = survey(PACKAGES)
    os.nice(NICENESS)
    command = [str(host.executable), "-I", "-B", "-m", settings["program"]]
    empty_sandbox.become(host, command, {"LANG": "C.UTF-8", DESCRIPTOR: str(end.fileno())}, end)
