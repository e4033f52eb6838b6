"""Names below ``localhost`` are this machine, as RFC 6761 says and browsers do; the C library of Debian asks a name server for them."""

import socket
from typing import Any

_known = socket.getaddrinfo


def _found(host: Any, *args: Any, **kwargs: Any) -> Any:
    return _known("127.0.0.1" if isinstance(host, str) and host.endswith(".localhost") else host, *args, **kwargs)


def resolve_here() -> None:
    """Let this process find them."""
    socket.getaddrinfo = _found
