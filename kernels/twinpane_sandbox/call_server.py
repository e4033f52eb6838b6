"""The host's side of the calls socket: ``tp`` calls of a kernel, one JSON line each, answered by a handler of the host.

Request: ``{"call": KIND, "args": {...}}``. Reply: ``{"ok": true, "value": ...}`` or ``{"ok": false, "error": "code", "message": "text"}``.
"""

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from .strict_json import Unfit, loads

log = logging.getLogger(__name__)

LINE = 2**20
"""Bytes of one request, at most."""
CONNECTIONS = 64
"""Open connections of one kernel, at most."""
KIND = 40
"""Characters of a call's kind."""

Handler = Callable[[str, dict[str, Any]], Awaitable[Any]]


class CallError(Exception):
    """A call that fails: ``code`` for programs, ``message`` fit to show to the researcher."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class CallServer:
    """Answers the calls of one kernel. ``handler(call, args)`` gives the value or raises CallError; it runs for one call of a connection
    at a time. Anything that is not a request closes its connection and has no other effect."""

    def __init__(self, path: Path | None, handler: Handler) -> None:
        """``path`` is where to listen, in a folder that belongs to this user alone; None if ``start`` gets a listening socket."""
        self.path = path
        self.handler = handler
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    async def start(self, listener: socket.socket | None = None) -> None:
        """Listen at the path, whose folder must belong to this user alone, or on ``listener``, a socket that somebody else made there."""
        if self.path is not None and listener is None:
            self.path.unlink(missing_ok=True)
        path = self.path if listener is None else None
        self._server = await asyncio.start_unix_server(self._serve, path, sock=listener, limit=LINE)

    async def close(self) -> None:
        """Stop listening and end the open connections."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._open)
        for task, writer in self._open.items():
            # Abort, because an orderly close would wait for ever for a kernel that never reads its answer.
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(OSError):  # if somebody else made it, they remove it
            if self.path is not None:
                self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= CONNECTIONS:
            writer.close()
            return
        self._open[task] = writer
        try:
            while (request := await self._request(reader)) is not None:
                writer.write(json.dumps(await self._answer(*request), ensure_ascii=True).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            return
        finally:
            del self._open[task]
            writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> tuple[str, dict[str, Any]] | None:
        try:
            line = await reader.readline()
        except ValueError:  # longer than the limit
            return None
        if not line.endswith(b"\n"):
            return None
        try:
            request = loads(line, LINE)
        except Unfit:
            return None
        if not isinstance(request, dict) or set(request) != {"call", "args"}:
            return None
        call, args = request["call"], request["args"]
        if not isinstance(call, str) or not 0 < len(call) <= KIND or not isinstance(args, dict):
            return None
        return call, args

    async def _answer(self, call: str, args: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"ok": True, "value": await self.handler(call, args)}
        except CallError as error:
            return {"ok": False, "error": error.code, "message": error.message}
        except Exception as error:
            # Its text may repeat the arguments or hold the host's own state: the kernel gets none of it.
            log.warning("a tp call of a kernel failed on the host: %s", type(error).__name__)
            return {"ok": False, "error": "internal", "message": "the call failed on the host; its log says more"}
