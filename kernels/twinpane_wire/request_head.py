"""Collect and measure a request's head before a parser sees it: a line costs much to parse and little to send."""

import re

HEAD = 16 * 1024
"""Bytes of a request's head, at most."""
FIRST = 4096
"""Bytes of its first line, at most. That line holds the query, and splitting a query costs time for each of its parts."""
LINES = 100
"""Lines of a head, at most. Browsers send about 20, proxies add a few."""
COOKIES = 50
"""Cookies of a request that are looked at, at most."""
_END = re.compile(rb"\n\r?\n")


class Unfit(Exception):
    """The head is not one that we accept; the message says why."""


class RequestHead:
    """The head of one request, collected from pieces of any size."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._lines = 0

    def add(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Add what came. Return the head with plain cookies and the bytes after it, or None while it is not whole; raise Unfit."""
        before = len(self._bytes)
        self._bytes += data[: HEAD + 1]
        found = _END.search(self._bytes, max(0, before - 2))
        end = found.end() if found else len(self._bytes)
        self._lines += self._bytes.count(b"\n", before, end)
        if self._lines > LINES or end > HEAD:
            raise Unfit("The head of this request is too large.")
        if end > FIRST and self._bytes.find(b"\n", 0, FIRST) < 0:
            raise Unfit("The address of this request is too long.")
        return (with_plain_cookies(bytes(self._bytes[:end])), data[end - before :]) if found else None


def plain_cookies(header: str) -> str:
    """A Cookie header without the cookies that are slow to parse: those with a backslash, and those beyond the first ``COOKIES``.

    Python's own parser unquotes backslashes in time quadratic in the length (0.7 s for 15 kB). None of our cookies has a backslash.
    """
    pairs = (pair.strip() for pair in header.split(";", COOKIES)[:COOKIES])
    return "; ".join(pair for pair in pairs if "\\" not in pair)


def with_plain_cookies(head: bytes) -> bytes:
    """A request's head with its cookies reduced by ``plain_cookies``, because web frameworks parse all cookies of every request."""
    kept, cookie = [], False
    for line in head.split(b"\n"):
        if cookie and line[:1] in (b" ", b"\t"):
            continue  # a folded header line, as old clients wrote it; no browser does
        cookie = line[:7].lower() == b"cookie:"
        if cookie:
            end = b"\r" if line.endswith(b"\r") else b""
            line = b"Cookie: " + plain_cookies(line[7:].decode("latin-1").strip()).encode("latin-1") + end
        kept.append(line)
    return b"\n".join(kept)
