"""What a stranger may send the hub's own web server: JupyterHub leaves tornado's bounds, which take 100 MB from anyone."""

import logging
import resource

from tornado.httpserver import HTTPServer

from twinpane_wire.log_limiter import LogLimiter
from twinpane_wire.tornado_server import BoundedServer

BODY = 2**20
"""Bytes of a request's body: the hub's forms and API calls have some hundreds. Researchers' servers have bounds of their own."""
BUFFER = 2 * 2**20
"""Bytes that may wait for one connection."""
BODY_S, IDLE_S = 10.0, 120.0
"""Seconds that a body may take, and that a connection may wait for its next request."""
DESCRIPTORS = 16_384
"""Files and connections that the hub may have open, where the system lets it: with a thousand, as many unfinished forms shut it."""
LINES, LETTERS = 300, 500
"""Lines of one place of the program in a minute, and letters of one, that the hub's log takes: strangers write in it by asking."""
LOGGERS = ("JupyterHub", "tornado.access", "tornado.application", "tornado.general", "asyncio")


def bound_requests() -> None:
    """Put the bounds on every web server that this process starts from now on, and on its log."""
    HTTPServer.configure(BoundedServer, max_body_size=BODY, max_buffer_size=BUFFER, body_timeout=BODY_S, idle_connection_timeout=IDLE_S)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    for name in LOGGERS:
        logging.getLogger(name).addFilter(LogLimiter(LINES, letters=LETTERS))
