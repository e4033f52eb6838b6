"""Closes a page's sockets when whoever opened them is signed out, or may not be here any more.

Jupyter asks who it is when a socket opens, and never again: a page on somebody's screen would go on running cells after the sign-out. Here
the hub is asked about every open socket, again and again.
"""

import asyncio
import contextlib
from typing import Any

from tornado.websocket import WebSocketHandler

CACHE_S = 20
"""Seconds for which the hub's answer about a token holds."""
EVERY_S = 15.0
"""Seconds between two questions about a socket."""
SIGNED_OUT = 1008
"""The close code of a policy's violation (RFC 6455)."""


def install() -> None:
    """Watch every socket that this process opens from now on."""
    opened = WebSocketHandler.get

    async def get(handler: Any, *args: Any, **kwargs: Any) -> None:
        watching = asyncio.create_task(_watch(handler))
        try:
            await opened(handler, *args, **kwargs)  # for as long as the socket is open
        finally:
            watching.cancel()

    WebSocketHandler.get = get  # type: ignore[assignment]


async def _watch(handler: Any) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        # A hub that does not answer closes nothing: it is asked again.
        with contextlib.suppress(Exception):
            if await _is_out(handler):
                handler.close(SIGNED_OUT, "signed out")
                return


async def _is_out(handler: Any) -> bool:
    auth = handler.identity_provider.hub_auth
    token = auth.get_token(handler)
    user = await auth.user_for_token(token, sync=False) if token else None
    return user is None or not auth.check_scopes(auth.access_scopes, user)
