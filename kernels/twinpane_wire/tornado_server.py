"""A tornado server that refuses requests which are costly before sign-in. JupyterHub and the Jupyter server are built on tornado."""

from collections.abc import Awaitable

from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine

from .request_head import FIRST, plain_cookies

READ_S = 1.0
"""Seconds in which the client can read a refusal: closing a socket with unread bytes resets the connection."""


class BoundedServer(HTTPServer):
    """Refuses chunked bodies and addresses long enough to fill a log, and keeps only plain cookies.

    Each chunk costs some work and may be one byte; no browser sends a form that way.
    """

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Called by tornado for each request."""
        assert isinstance(request_conn, HTTP1Connection)  # the only kind that tornado's server makes
        return _Whole(super().start_request(server_conn, request_conn), request_conn)


class _Whole(HTTPMessageDelegate):
    def __init__(self, inner: HTTPMessageDelegate, connection: HTTP1Connection) -> None:
        self._inner = inner
        self._connection = connection

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> Awaitable[None] | None:
        if "Transfer-Encoding" in headers:
            self._refuse("411 Length Required")
            return None
        if isinstance(start_line, RequestStartLine) and len(start_line.path) > FIRST:
            self._refuse("414 URI Too Long")
            return None
        if cookies := headers.get_list("Cookie"):
            headers["Cookie"] = plain_cookies("; ".join(cookies))
        return self._inner.headers_received(start_line, headers)

    def _refuse(self, status: str) -> None:
        stream = self._connection.detach()  # so that tornado reads no body
        answer = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
        stream.write(answer).add_done_callback(lambda _: stream.io_loop.call_later(READ_S, stream.close))

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._inner.data_received(chunk)

    def finish(self) -> None:
        self._inner.finish()

    def on_connection_close(self) -> None:
        self._inner.on_connection_close()
