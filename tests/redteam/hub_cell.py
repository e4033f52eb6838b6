"""Runs code in a kernel of a researcher's server as a browser does: over the server's WebSocket, through the hub's proxy."""

import json
import time
import uuid

from websockets.sync.client import connect

from twinpane_sandbox import protocol


def run_cell(url: str, server: str, token: str, kernel: str, code: str, timeout: float = 60) -> str:
    """What a cell printed, or its error's class and text; ``server`` is the path of the server at the hub's ``url``."""
    address = f"{url.replace('http', 'ws')}{server}/api/kernels/{kernel}/channels?session_id={uuid.uuid4().hex}"
    head = protocol.header("execute_request", uuid.uuid4().hex)
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True}
    message = {"header": head, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []}
    said, end = "", time.monotonic() + timeout
    with connect(address, additional_headers={"Authorization": f"token {token}"}, proxy=None, origin=url, max_size=2**26) as socket:  # type: ignore[arg-type]
        socket.send(json.dumps(message))
        while True:
            heard = json.loads(socket.recv(timeout=max(0.1, end - time.monotonic())))
            if heard["parent_header"].get("msg_id") != head["msg_id"]:
                continue
            match heard["msg_type"], heard["content"]:
                case "stream", {"text": text}:
                    said += text
                case "error", {"ename": name, "evalue": value}:
                    said += f"{name}: {value}"
                case "status", {"execution_state": "idle"}:
                    return said
