"""A site's numbers for Prometheus, at a port of this machine's own or a unix socket: how much, never what.

They stay in the site's network: at the hub they would be a crossing that no rule bounds. So only addresses of this machine can be named.

Written by hand: the format is a line a number, and ``prometheus_client`` would bring a server with a thread and state of the whole process.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .db import Database
from .errors import SiteError
from .ledger import Ledger

log = logging.getLogger(__name__)

HEAD = 8192
"""Bytes of a request, at most."""
WAIT_S, AGAIN_S = 5.0, 30.0
AT_ONCE = 8
"""Requests that are answered at the same time; further ones are closed."""


@dataclass(frozen=True)
class Number:
    """A number. ``labels`` come from fixed lists of the program, so nothing in them needs quoting."""

    name: str
    kind: str
    meaning: str
    value: int
    labels: str = ""


def numbers(db: Database, ledger: Ledger, sessions: int, joined: bool) -> Iterable[Number]:
    """The site's numbers as of now. Raises SiteError."""
    for row in db.rows("SELECT kind, count(*) AS n FROM ledger GROUP BY kind ORDER BY kind"):
        yield Number("twinpane_ledger_lines_total", "counter", "Lines of the ledger.", row["n"], f'{{event="{row["kind"]}"}}')
    yield Number("twinpane_frozen", "gauge", "1 while the site is frozen.", ledger.frozen())
    yield Number("twinpane_link_up", "gauge", "1 while the site is joined to its hub.", joined)
    yield Number("twinpane_sessions_open", "gauge", "Open sessions.", sessions)
    yield Number("twinpane_disk_left_bytes", "gauge", "Bytes of the disk that are free and not promised.", db.space.left())


def written(found: Iterable[Number]) -> str:
    """The numbers as Prometheus reads them (text format 0.0.4)."""
    lines, last = [], ""
    for each in found:
        if each.name != last:
            lines += [f"# HELP {each.name} {each.meaning}", f"# TYPE {each.name} {each.kind}"]
            last = each.name
        lines.append(f"{each.name}{each.labels} {int(each.value)}")
    return "\n".join(lines) + "\n"


class MetricsServer:
    """Answers ``GET /metrics`` at ``address``: ``unix:`` and a path, or ``127.0.0.1:PORT``, ``[::1]:PORT``. ``page`` makes the answer."""

    def __init__(self, address: str, page: Callable[[], str]) -> None:
        self._address = address
        self._page = page
        self._open = 0

    async def run(self) -> None:
        """Until cancelled. Where the address cannot be had, the site goes on without, and it is tried again."""
        while True:
            try:
                async with await self._server() as server:
                    await server.serve_forever()
            except OSError as error:
                log.error("there are no numbers for Prometheus at %s: %s", self._address, error)
            await asyncio.sleep(AGAIN_S)

    async def _server(self) -> asyncio.Server:
        if self._address.startswith("unix:"):
            path = self._address.removeprefix("unix:")
            server = await asyncio.start_unix_server(self._answer, path, limit=HEAD)
            os.chmod(path, 0o660)
            return server
        host, _, port = self._address.rpartition(":")
        return await asyncio.start_server(self._answer, host.strip("[]"), int(port), limit=HEAD)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= AT_ONCE:
                async with asyncio.timeout(WAIT_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._reply(head.split(b"\r\n", 1)[0]))
                    await writer.drain()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass  # whoever asks so gets no answer
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _reply(self, asked: bytes) -> bytes:
        status, text = "404 Not Found", "Ask for /metrics.\n"
        if asked.split(b" ")[:2] == [b"GET", b"/metrics"]:
            try:
                status, text = "200 OK", self._page()
            except SiteError:
                status, text = "503 Service Unavailable", "The site's database cannot be read.\n"
        body = text.encode()
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
