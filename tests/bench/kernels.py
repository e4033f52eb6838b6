"""Kernels to measure: a plain ipykernel and a pane, each started from a connection file over TCP, and one client for both."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
from ipykernel.kernelspec import make_ipkernel_cmd
from jupyter_client.connect import write_connection_file
from jupyter_client.session import Session

PATIENCE_S = 120


class BenchError(Exception):
    """A measurement that cannot be made."""


@dataclass(frozen=True)
class Ran:
    """One cell: seconds from its request to its reply, to its idle and to both; what it printed, in characters."""

    reply: float
    idle: float
    printed: int
    msg_id: str

    @property
    def done(self) -> float:
        """Seconds until the client has the reply and knows that no more output comes."""
        return max(self.reply, self.idle)


class Kernel:
    """A running kernel and a client of it. The client does no more than it must, so that the kernel's own time is what shows."""

    def __init__(self, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        """Start it; returns at once. ``began`` is when, in monotonic seconds."""
        file, info = write_connection_file(str(folder / f"connection-{time.monotonic_ns()}.json"), key=os.urandom(16).hex().encode())
        self.log = Path(file).with_suffix(".log")
        self._context = zmq.Context()
        self.session = Session(key=str(info["key"]).encode())
        command = [file if word == "{connection_file}" else word for word in command]
        self.began = time.monotonic()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=dict(environment), cwd=folder, stdout=log, stderr=log)
        self._sockets = {}
        for name, kind in (("shell", zmq.DEALER), ("control", zmq.DEALER), ("iopub", zmq.SUB)):
            socket = self._sockets[name] = self._context.socket(kind)
            socket.linger = 0
            socket.rcvhwm = 0
            # Else a whole tick of libzmq's 100 ms would be counted where a port is bound just after it was tried.
            socket.reconnect_ivl = 5
            if kind == zmq.SUB:
                socket.subscribe(b"")
            socket.connect(f"tcp://{info['ip']}:{info[f'{name}_port']}")
        self._poller = zmq.Poller()
        self._poller.register(self._sockets["shell"], zmq.POLLIN)
        self._poller.register(self._sockets["iopub"], zmq.POLLIN)
        self.heard: list[tuple[float, dict[str, Any]]] = []
        """Late iopub messages with the monotonic second they came at: strips that are painted anew."""

    def first_cell(self) -> float:
        """Seconds from the process's start until a first cell has run."""
        self._request("shell", "execute_request", self._cell("pass"))
        self._reply("shell")
        return time.monotonic() - self.began

    def ready(self) -> "Kernel":
        """Run cells until their idle comes through: then nothing that a cell says is missed."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            msg_id = self._request("shell", "execute_request", self._cell("pass"))
            self._reply("shell")
            until = time.monotonic() + 0.5
            while (left := until - time.monotonic()) > 0:
                message = self._receive("iopub", left)
                if message and _idle(message, msg_id):
                    return self
        raise BenchError(f"a kernel does not come up: {self.said()}")

    def run(self, code: str) -> Ran:
        """Execute a cell and wait for its end."""
        content = self._cell(code)
        began = time.monotonic()
        msg_id = self._request("shell", "execute_request", content)
        reply = idle = 0.0
        printed = 0
        while not (reply and idle):
            ready = dict(self._poller.poll(PATIENCE_S * 1000))
            if not ready:
                raise BenchError(f"a cell did not end: {code[:80]!r}; {self.said()}")
            if self._sockets["iopub"] in ready:
                message = self._take("iopub")
                now = time.monotonic()
                if message["parent_header"].get("msg_id") != msg_id:
                    self.heard.append((now, message))
                elif message["msg_type"] == "stream":
                    printed += len(message["content"]["text"])
                elif _idle(message, msg_id):
                    idle = now - began
            if self._sockets["shell"] in ready:
                message = self._take("shell")
                if message["parent_header"].get("msg_id") == msg_id:
                    reply = time.monotonic() - began
                    if message["content"]["status"] != "ok":
                        raise BenchError(f"a cell failed: {message['content'].get('evalue')}")
        return Ran(reply, idle, printed, msg_id)

    def cells(self) -> dict[str, Any]:
        """The pane's reports of all cells."""
        self._request("control", "twinpane_cells_request", {})
        return self._reply("control")["content"]

    def settle(self) -> None:
        """Wait until no site owes anything. Seldom asked: each report of all cells costs the pane time, and processors their caches."""
        end = time.monotonic() + PATIENCE_S
        time.sleep(0.15)
        while not self.cells()["settled"]:
            if time.monotonic() > end:
                raise BenchError("the sites do not settle")
            time.sleep(0.1)
        self.drain()

    def drain(self, seconds: float = 0.0) -> None:
        """Take in what still comes on iopub."""
        while (message := self._receive("iopub", seconds)) is not None:
            self.heard.append((time.monotonic(), message))

    def said(self) -> str:
        """The end of the kernel's own log."""
        return self.log.read_text(errors="replace")[-2000:]

    def close(self) -> None:
        """Shut it down, and wait until it is gone."""
        if self.process.poll() is None:
            self._request("control", "shutdown_request", {"restart": False})
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._context.destroy(linger=0)

    @staticmethod
    def _cell(code: str) -> dict[str, Any]:
        return {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True}

    def _request(self, channel: str, msg_type: str, content: dict[str, Any]) -> str:
        message = self.session.msg(msg_type, content)
        self.session.send(self._sockets[channel], message)
        return str(message["header"]["msg_id"])

    def _take(self, channel: str) -> dict[str, Any]:
        _, parts = self.session.feed_identities(self._sockets[channel].recv_multipart())
        return self.session.deserialize(parts)

    def _receive(self, channel: str, seconds: float) -> dict[str, Any] | None:
        return self._take(channel) if self._sockets[channel].poll(max(0, int(seconds * 1000))) else None

    def _reply(self, channel: str) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if message := self._receive(channel, 1):
                return message
            if self.process.poll() is not None:
                raise BenchError(f"a kernel ended: {self.said()}")
        raise BenchError(f"a kernel does not answer: {self.said()}")


def _idle(message: dict[str, Any], msg_id: str) -> bool:
    return (
        message["msg_type"] == "status"
        and message["content"]["execution_state"] == "idle"
        and message["parent_header"].get("msg_id") == msg_id
    )


@dataclass(frozen=True)
class Starter:
    """Starts kernels in a folder of the bench's own. ``sites`` is the environment that leads a pane to the sites."""

    root: Path

    def plain(self) -> Kernel:
        """ipykernel as its own kernelspec starts it, with nobody's settings."""
        folder = self._folder("plain")
        home = {"IPYTHONDIR": str(folder / "ipython"), "JUPYTER_CONFIG_DIR": str(folder / "jupyter")}
        return Kernel(make_ipkernel_cmd(), self._environment() | home, folder)

    def pane(self, sites: Mapping[str, str] | None = None) -> Kernel:
        """Twinpane as its kernelspec starts it, without sites unless their environment is given."""
        folder = self._folder("pane")
        own = {"TWINPANE_WORKSPACE": str(folder), "TWINPANE_CACHE": str(self.root / "cache")}
        return Kernel(pane_command(), self._environment() | own | dict(sites or {}), folder)

    def _folder(self, name: str) -> Path:
        folder = self.root / f"{name}-{time.monotonic_ns()}"
        folder.mkdir(parents=True)
        return folder

    @staticmethod
    def _environment() -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith("TWINPANE_")}


def pane_command() -> list[str]:
    """The argv of the kernelspec as it ships."""
    import twinpane_kernel

    folder = Path(next(iter(twinpane_kernel.__path__)))
    argv = json.loads((folder / "kernelspec" / "kernel.json").read_text())["argv"]
    return [sys.executable if word == "{python}" else word for word in argv]
