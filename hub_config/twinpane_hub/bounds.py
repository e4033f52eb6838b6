"""What a stranger may send the hub's own web server: JupyterHub leaves tornado's bounds, which take 100 MB from anyone."""

from typing import Any

from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine

BODY = 2**20
"""Bytes of a request's body: the hub's forms and API calls have some hundreds. Researchers' servers have bounds of their own."""
BUFFER = 2 * 2**20
"""Bytes that may wait for one connection."""
BODY_S, IDLE_S = 30.0, 120.0
"""Seconds that a body may take, and that a connection may wait for its next request."""
READ_S = 1.0
"""Seconds in which a refusal can be read: what was not taken in resets the connection at its close."""
REFUSED = b"HTTP/1.1 411 Length Required\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def bound_requests() -> None:
    """Put the bounds on every web server that this process starts from now on."""
    HTTPServer.configure(WholeBodies, max_body_size=BODY, max_buffer_size=BUFFER, body_timeout=BODY_S, idle_connection_timeout=IDLE_S)


class WholeBodies(HTTPServer):
    """Takes no body in chunks: each is some work, and may be one byte. No browser sends a form so."""

    def start_request(self, server_conn: object, request_conn: Any) -> HTTPMessageDelegate:
        """Called by tornado for each request."""
        return _Whole(super().start_request(server_conn, request_conn), request_conn)


class _Whole(HTTPMessageDelegate):
    def __init__(self, inner: HTTPMessageDelegate, connection: HTTP1Connection) -> None:
        self._inner = inner
        self._connection = connection

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> Any:
        if "Transfer-Encoding" not in headers:
            return self._inner.headers_received(start_line, headers)
        stream = self._connection.detach()  # then tornado reads no body
        stream.write(REFUSED).add_done_callback(lambda _: stream.io_loop.call_later(READ_S, stream.close))
        return None

    def data_received(self, chunk: bytes) -> Any:
        return self._inner.data_received(chunk)

    def finish(self) -> None:
        self._inner.finish()

    def on_connection_close(self) -> None:
        self._inner.on_connection_close()
