"""The server's side of its sandbox: the sockets that the gate gave it, and those that it makes for the gate. See `twinpane_kernel.gate`."""

import json
import os
import socket
from dataclasses import dataclass

from twinpane_sandbox.limits import apply_rlimits

ENVIRONMENT = "TWINPANE_ROOM"


@dataclass(frozen=True)
class GivenSockets:
    """``http`` listens for requests; on ``line`` the gate says nothing, and its end is the wish that the server ends."""

    http: socket.socket
    line: socket.socket


def enter() -> GivenSockets:
    """Limit this process, and hand the gate a listening socket of each port that it carries to the hub's machine.

    Raises SystemExit where no gate started us: a researcher's server does not run outside its sandbox.
    """
    told = os.environ.pop(ENVIRONMENT, None)
    if told is None:
        raise SystemExit("a researcher's server is started by its gate, in a sandbox: python -I -m twinpane_kernel.gate")
    given = json.loads(told)
    apply_rlimits(given["rlimits"])
    http, line = (_taken(given[name]) for name in ("http", "line"))
    listeners = [socket.create_server(("127.0.0.1", port), backlog=64) for port in given["reach"]]
    socket.send_fds(line, [b"\0"], [listener.fileno() for listener in listeners])
    for listener in listeners:
        listener.close()
    return GivenSockets(http, line)


def _taken(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    taken = socket.socket(fileno=descriptor)
    taken.setblocking(False)
    return taken
