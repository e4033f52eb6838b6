"""Client of the host's call socket: one JSON line out, one JSON line back. Both runs of a cell use the same code.

In the clear kernel the host is the pane, which asks the sites. In an inside kernel it is the agent, which hands over what the
clear run's call of the same number got.
"""

import json
import os
import socket
import sys
import threading
from typing import Any, BinaryIO

from .errors import TwinpaneError

VARIABLE = "TWINPANE_CALLS"
"""Names the AF_UNIX stream socket of the host."""

_NO_HOST = (
    "this notebook does not run in a Twinpane kernel, so there is no site to ask. "
    "Choose the kernel “Twinpane” (Kernel → Change Kernel), or run the notebook with `twinpane run`."
)


class Host:
    """A connection to the host. It opens when first needed, and opens again after a failure.

    A reply belongs to the request before it, so a call that was interrupted while it waited closes the connection: the next call
    starts on a fresh one and cannot be given the late reply.
    """

    def __init__(self, path: str) -> None:
        """Remember the socket's path; nothing is opened yet."""
        self.path = path
        self.pid = os.getpid()
        self._lock = threading.Lock()
        self._link: socket.socket | None = None
        self._lines: BinaryIO | None = None

    def call(self, kind: str, args: dict[str, Any]) -> Any:
        """The value of the host's reply; raises TwinpaneError with the host's message, or when the host is gone."""
        request = json.dumps({"call": kind, "args": args}, allow_nan=False).encode() + b"\n"
        with self._lock:
            try:
                line = self._exchange(request)
            except OSError as error:
                self.close()
                raise TwinpaneError(f"the kernel's host is gone ({error.strerror or error}); restart the kernel", "host_gone") from None
            except BaseException:  # KeyboardInterrupt above all
                self.close()
                raise
            if not line.endswith(b"\n"):
                self.close()
                raise TwinpaneError("the kernel's host broke off the call; run the cell again, or restart the kernel", "broken_off")
        reply = json.loads(line)
        if reply.get("ok") is True:
            return reply.get("value")
        raise TwinpaneError(str(reply.get("message") or "the call was refused"), str(reply.get("error") or "refused"))

    def _exchange(self, request: bytes) -> bytes:
        if self._link is None or self._lines is None:
            self._link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._link.connect(self.path)
            self._lines = self._link.makefile("rb")
        self._link.sendall(request)
        return self._lines.readline()

    def close(self) -> None:
        """End the connection, if there is one."""
        for end in (self._lines, self._link):
            if end is not None:
                end.close()
        self._link = self._lines = None


_host: Host | None = None


def running() -> str:
    """The message id of the running request. A call takes another way to the host than the start of its cell, and may arrive first."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    kernel = getattr(shell, "kernel", None)
    parent = kernel.get_parent("shell") if kernel is not None else {}
    return str((parent or {}).get("header", {}).get("msg_id", ""))


def call(kind: str, **args: Any) -> Any:
    """One call to this process's host; raises TwinpaneError where there is none."""
    global _host
    path = os.environ.get(VARIABLE, "")
    if not path:
        raise TwinpaneError(_NO_HOST, "no_host")
    if _host is None or _host.path != path or _host.pid != os.getpid():
        _host = Host(path)  # a forked child must not share its parent's connection
    return _host.call(kind, {**args, "parent": running()})
