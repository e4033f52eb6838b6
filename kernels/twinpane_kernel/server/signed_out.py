"""Closes a page's sockets when whoever opened them is signed out, or may not be here any more.

Jupyter asks who it is when a socket opens, and never again: a page on somebody's screen would go on running cells after the sign-out. Here
each ping of a socket asks the hub too, which remembers its answer for ``CACHE_S``.
"""

import asyncio
from typing import Any

from jupyter_server.base.websocket import WebSocketMixin

CACHE_S = 20
"""Seconds for which the hub's answer about a token holds. Pings are half a minute apart."""


def install() -> None:
    """Put the question before every ping of this process's sockets."""
    ping = WebSocketMixin.send_ping
    asking: set[asyncio.Task[None]] = set()

    async def close_if_out(handler: Any) -> None:
        auth = handler.identity_provider.hub_auth
        token = auth.get_token(handler)
        user = await auth.user_for_token(token, sync=False) if token else None
        if user is None or not auth.check_scopes(auth.access_scopes, user):
            handler.close(1008, "signed out")

    def send_ping(handler: Any) -> None:
        task = asyncio.ensure_future(close_if_out(handler))
        asking.add(task)
        task.add_done_callback(asking.discard)
        task.add_done_callback(_said)
        ping(handler)

    WebSocketMixin.send_ping = send_ping  # type: ignore[method-assign]


def _said(task: "asyncio.Task[None]") -> None:
    """A hub that does not answer closes nothing: it is asked again at the next ping."""
    if not task.cancelled():
        task.exception()
