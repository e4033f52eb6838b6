"""What a stranger may send the hub's own web server: JupyterHub leaves tornado's bounds, which take 100 MB from anyone."""

from tornado.httpserver import HTTPServer

BODY = 2**20
"""Bytes of a request's body: the hub's forms and API calls have some hundreds. Researchers' servers have bounds of their own."""
BUFFER = 2 * 2**20
"""Bytes that may wait for one connection."""
BODY_S, IDLE_S = 30.0, 120.0
"""Seconds that a body may take, and that a connection may wait for its next request."""


def bound_requests() -> None:
    """Put the bounds on every web server that this process starts from now on."""
    HTTPServer.configure(None, max_body_size=BODY, max_buffer_size=BUFFER, body_timeout=BODY_S, idle_connection_timeout=IDLE_S)
