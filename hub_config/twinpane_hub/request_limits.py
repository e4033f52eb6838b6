"""Bound what a stranger may send to the hub's own web server. JupyterHub keeps tornado's defaults, which accept 100 MB from anyone."""

import logging
import resource

from tornado.httpserver import HTTPServer

from twinpane_wire.log_limiter import LogLimiter
from twinpane_wire.tornado_server import BoundedServer

BODY = 2**20
"""Bytes of a request's body, at most. The hub's forms and API calls have a few hundred. Researchers' servers have their own bounds."""
BUFFER = 2 * 2**20
"""Bytes that may wait for one connection, at most."""
HEAD = 2**20
"""Bytes of a request's head, at most, here and in the proxy. A browser sends up to 180 cookies of 4 KiB, and any server's page may set them
for the hub's name too: what is longer than it should be is to reach the page that clears them."""
BODY_S, IDLE_S = 10.0, 120.0
"""Seconds that a body may take, and that a connection may wait for its next request."""
DESCRIPTORS = 16_384
"""File descriptors of the hub, where the system allows as many. With a thousand, as many unfinished requests would block it."""
LINES, LETTERS = 300, 500
"""Lines a minute from one place in the source, and characters of a line, in the hub's log, at most: strangers' requests write to it."""
LOGGERS = ("TwinpaneHub", "JupyterHub", "tornado.access", "tornado.application", "tornado.general", "asyncio")


def bound_requests() -> None:
    """Put the bounds on every web server that this process starts from now on, and on its log."""
    HTTPServer.configure(
        BoundedServer, max_header_size=HEAD, max_body_size=BODY, max_buffer_size=BUFFER, body_timeout=BODY_S,
        idle_connection_timeout=IDLE_S,
    )  # fmt: skip
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    for name in LOGGERS:
        logging.getLogger(name).addFilter(LogLimiter(LINES, letters=LETTERS))
