"""Adds strict headers to every answer of the pages. Every request must name the right host, and posts must come from our own pages."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: dict[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), clipboard-write=()",
    # Nothing goes to other sites; with `no-referrer` browsers would not name the origin of our own forms either.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
"""On every answer, whatever made it."""

BODY_BYTES = 64 * 1024
"""Bytes of a form."""


class SecurityMiddleware:
    """ASGI middleware around the whole application; ``address`` is the pages' own, as browsers know it."""

    def __init__(self, app: ASGIApp, address: str) -> None:
        parts = urlsplit(address)
        self._app, self._host, self._origin = app, parts.netloc.lower(), f"{parts.scheme}://{parts.netloc}".lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse requests that do not belong here, and put the headers on the answer."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self.why_refused(scope["method"], Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, with_headers)
        else:
            await PlainTextResponse(refusal, 400)(scope, receive, with_headers)

    def why_refused(self, method: str, headers: Headers) -> str | None:
        """Why a request is refused before anything looks at it; None when it is not."""
        if headers.get("host", "").lower() != self._host:
            return f"These pages are served at {self._origin} only."
        if method in ("GET", "HEAD"):
            return None
        if method != "POST":
            return "These pages are read and posted to, nothing else."
        origin = headers.get("origin")
        same = origin.lower() == self._origin if origin not in (None, "null") else headers.get("sec-fetch-site") == "same-origin"
        if not same:
            return "This form was not sent from this site's own pages, so nothing was done."
        length = headers.get("content-length", "")
        if not length.isdigit() or int(length) > BODY_BYTES:
            return "This form is larger than any of this site's forms."
        return None
