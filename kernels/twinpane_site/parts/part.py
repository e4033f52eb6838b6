"""Starts a part of the site in an interpreter of its own, with one end of a port; it ends with the agent."""

import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from twinpane_ground import json_lines
from twinpane_ground.lifeline import tied

from . import port

DESCRIPTOR = "TWINPANE_PORT"
"""The environment variable that tells a part which descriptor its port is."""


@dataclass(frozen=True)
class Part:
    """A part at work: its process, and our end of its port."""

    process: "subprocess.Popen[bytes]"
    end: socket.socket

    def kill(self) -> None:
        """End it at once, and wait until it has."""
        self.process.kill()
        self.process.wait()


def start_part(
    module: str, *arguments: str, limits: Mapping[str, int] | None = None, niceness: int = 0, environment: Mapping[str, str] | None = None
) -> Part:
    """Start ``python -I -m module``. ``limits``: names of resource limits and their values; ``niceness`` is added to ours.

    Call it from the main thread: a part ends with the thread that started it. Its words go to our standard error.
    """
    ours, theirs = port.pair()
    bounds = dict(limits or {})

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the agent's to take
        os.nice(niceness)
        for name, value in bounds.items():
            resource.setrlimit(getattr(resource, name), (value, value))

    named = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", json_lines.ENVIRONMENT) if name in os.environ}
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", module, *arguments],
            stdin=subprocess.DEVNULL, stdout=sys.stderr, pass_fds=[theirs.fileno()], start_new_session=True,
            preexec_fn=tied(prepare, signal.SIGKILL),
            env=named | {"LANG": "C.UTF-8", **(environment or {}), DESCRIPTOR: str(theirs.fileno())},
        )  # fmt: skip
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return Part(process, ours)


def own_end() -> socket.socket:
    """In a part: its end of the port. Raises KeyError where nobody gave it one."""
    descriptor = int(os.environ.pop(DESCRIPTOR))
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)
