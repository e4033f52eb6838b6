"""A small blocking client for sandboxed kernels, for tests."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zmq

from twinpane_sandbox import protocol
from twinpane_sandbox.bubblewrap import Sandbox
from twinpane_sandbox.frames import KernelMessage, parse
from twinpane_sandbox.launch import KernelProcess, launch
from twinpane_sandbox.limits import Limits

KINDS = {"shell": zmq.DEALER, "control": zmq.DEALER, "stdin": zmq.DEALER, "iopub": zmq.SUB}


class Client:
    """Runs code in a kernel and gives what it printed, the last value's repr and the error's class."""

    def __init__(self, kernel: KernelProcess) -> None:
        self.kernel = kernel
        self.key = kernel.connection["key"].encode()
        self.context = zmq.Context()
        self.sockets = {}
        for channel, kind in KINDS.items():
            socket = self.sockets[channel] = self.context.socket(kind)
            socket.linger = 0
            if kind == zmq.SUB:
                socket.subscribe(b"")
            else:
                socket.setsockopt(zmq.IDENTITY, b"client")
            socket.connect(f"ipc://{kernel.connection['ip']}-{kernel.connection[f'{channel}_port']}")
        # The first message on iopub shows that the subscription stands.
        end = time.monotonic() + 20
        while not self.sockets["iopub"].poll(50):
            self.send("shell", "kernel_info_request", {})
            assert time.monotonic() < end, self.kernel.said().decode(errors="replace")

    def send(self, channel: str, msg_type: str, content: dict[str, Any]) -> str:
        header = protocol.header(msg_type, "client")
        self.sockets[channel].send_multipart(protocol.frames(self.key, header, content))
        return header["msg_id"]

    def receive(self, channel: str, timeout: float = 20) -> KernelMessage | None:
        assert self.sockets[channel].poll(timeout * 1000), f"nothing on {channel}: {self.kernel.said().decode(errors='replace')}"
        message = parse(self.sockets[channel].recv_multipart(), self.key, channel)
        return message if isinstance(message, KernelMessage) else None

    def ask(self, channel: str, msg_type: str, content: dict[str, Any], timeout: float = 20) -> KernelMessage:
        msg_id = self.send(channel, msg_type, content)
        while True:
            reply = self.receive(channel, timeout)
            if reply is not None and reply.parent_msg_id == msg_id:
                return reply

    def request(self, code: str, **content: Any) -> str:
        base = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True}
        return self.send("shell", "execute_request", base | content)

    def run(self, code: str, timeout: float = 60, **content: Any) -> dict[str, Any]:
        """Outputs of a cell: ``text``, ``result``, ``error`` (class name) and ``messages`` (all)."""
        msg_id = self.request(code, **content)
        found: dict[str, Any] = {"text": "", "result": None, "error": None, "messages": []}
        while True:
            message = self.receive("iopub", timeout)
            if message is None or message.parent_msg_id != msg_id:
                continue
            found["messages"].append(message)
            match message.msg_type:
                case "stream":
                    found["text"] += message.content["text"]
                case "execute_result":
                    found["result"] = message.content["data"].get("text/plain")
                case "error":
                    found["error"] = message.content["ename"]
                case "status" if message.content["execution_state"] == "idle":
                    return found

    def close(self) -> None:
        self.context.destroy(linger=0)


@contextmanager
def running(
    base: Path, seed: int = 7, limits: Limits | None = None, name: str = "k", loopback: bool = False, owner: int = 0
) -> Iterator[Client]:
    """A client of a new kernel whose folders are below ``base``; ``owner``: the user that it runs under."""
    for folder in ("data", "project"):
        (base / folder).mkdir(exist_ok=True)
    if owner:
        os.chown(base / "project", owner, owner)
    sandbox = Sandbox(
        data=base / "data", project=base / "project", private=base / name, seed=seed, limits=limits or Limits(), loopback=loopback,
        owner=owner,
    )  # fmt: skip
    with client_of(launch(sandbox)) as client:
        yield client


@contextmanager
def client_of(kernel: KernelProcess) -> Iterator[Client]:
    """A client of a kernel; both are closed at the end."""
    client = None
    try:
        client = Client(kernel)
        yield client
    finally:
        if client:
            client.close()
        kernel.close()
