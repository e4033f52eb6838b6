"""A clear kernel that the gate started for this pane, which is in the server's sandbox. See `twinpane_kernel.gate.kernel_launcher`."""

import contextlib
import json
import re
import socket
import threading
from pathlib import Path
from typing import Any

from twinpane_sandbox.errors import SandboxError
from twinpane_sandbox.launch import connection_info

from .message import as_object

FRAME = 64 * 1024
"""Bytes of the gate's answers, at most."""
PATIENCE = 30.0
"""Seconds that the gate has to answer."""
ENDED = 1
"""The exit status of a kernel that ended: the gate tells no other."""


class GateKernel:
    """A clear kernel beyond the gate; the connection to the gate is its life."""

    outlived = False
    """The gate waits for its end; runs on one machine, which ask, have no gate."""

    def __init__(self, gate: socket.socket, folder: Path, key: str, listener: socket.socket) -> None:
        gate.settimeout(None)
        self._gate = gate
        self._hearing = threading.Lock()
        self._last_words: bytes | None = None
        self.connection = connection_info(f"{folder}/kernel", key)
        self.calls = folder / "calls.sock"
        self.listener: socket.socket | None = listener
        self.outlived = False
        self._closed = False

    @classmethod
    def start(cls, launcher: Path, cwd: str, seed: int, key: str, session: str) -> "GateKernel":
        """Have it started; raises SandboxError with the gate's reason where it cannot be."""
        gate = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        gate.settimeout(PATIENCE)
        try:
            gate.connect(str(launcher))
            gate.send(json.dumps({"start": {"cwd": cwd, "seed": seed, "key": key, "session": session}}).encode())
            frame, descriptors, _, _ = socket.recv_fds(gate, FRAME, 1)
            match json.loads(frame or b"{}"):
                case {"started": str(number)} if re.fullmatch(r"\d{1,9}", number) and len(descriptors) == 1:
                    return cls(gate, launcher.parent / number, key, socket.socket(fileno=descriptors[0]))
                case {"refused": str(why)}:
                    raise SandboxError(why)
            raise SandboxError("the gate of this server did not start a kernel; its log says more")
        except (OSError, ValueError) as error:
            gate.close()
            raise SandboxError(f"the gate of this server does not answer ({error})") from None
        except SandboxError:
            gate.close()
            raise

    def poll(self) -> int | None:
        """See `clear_kernel.ClearKernel`."""
        # If somebody awaits an answer, that task hears it as well.
        if self._last_words is None and not self._closed and self._hearing.acquire(blocking=False):
            try:
                with contextlib.suppress(BlockingIOError):
                    self._take(self._gate.recv(FRAME, socket.MSG_DONTWAIT))
            finally:
                self._hearing.release()
        return None if self._last_words is None and not self._closed else ENDED

    def said(self) -> bytes:
        """See `clear_kernel.ClearKernel`: known once it has ended."""
        return self._last_words or b""

    def lay(self, twin: Path) -> None:
        """See `clear_kernel.ClearKernel`: the gate copies the twin from the server's cache."""
        with self._hearing:
            self._gate.settimeout(PATIENCE)
            try:
                self._gate.send(json.dumps({"lay": twin.name}).encode())
                answer = self._take(self._gate.recv(FRAME))
            finally:
                self._gate.settimeout(None)
        if answer.get("laid") is not True:
            raise OSError("the gate could not lay it out")

    def _take(self, frame: bytes) -> dict[str, Any]:
        """Read the gate's message; remember if the kernel has ended or the gate is gone."""
        message = as_object(frame)
        if not frame or "ended" in message:
            self._last_words = str(message.get("ended", "the gate is gone")).encode()
        return message

    def close(self) -> None:
        """See `clear_kernel.ClearKernel`: the gate ends it when we say no more, and says whether it is gone."""
        if self._closed:
            return
        self._closed = True
        with self._hearing, contextlib.suppress(OSError):
            self._gate.settimeout(PATIENCE)
            self._gate.shutdown(socket.SHUT_WR)
            self.outlived = True  # until it is told otherwise
            while frame := self._gate.recv(FRAME):
                self.outlived = self._take(frame).get("outlived", self.outlived) is not False
        self._gate.close()
