"""Parts that tests start: one echoes what it is sent, as a program of its own and as a fork."""

import os
import resource
import socket
from collections.abc import Mapping
from typing import Any

from twinpane_site.parts import part
from twinpane_site.parts.port import BlockingPort, sealed


def main(end: socket.socket, settings: Mapping[str, Any]) -> None:
    """Echo until the other end closes; ``die`` ends at once, ``limits`` tells a limit."""
    port = BlockingPort(end)
    while (frame := port.receive()) is not None:
        match frame.head:
            case {"say": "die"}:
                os._exit(3)
            case {"say": "limits"}:
                port.send({"files": resource.getrlimit(resource.RLIMIT_FSIZE)[0], "given": settings.get("given"), "parent": os.getppid()})
            case head:
                content = frame.bulk(10_000) if frame.descriptors else b""
                port.send({**head, "bytes": len(content)}, [sealed(content)] if content else [])


if __name__ == "__main__":
    main(part.own_end(), {})
