"""A request's head, collected and measured before any parser looks at it: parsing is dear for each line, sending lines is not."""

import re

HEAD = 16 * 1024
"""Bytes of a request's head."""
FIRST = 4096
"""Bytes of its first line, which names what is asked for: splitting a query costs for each of its parts."""
LINES = 100
"""Lines of it. Browsers send some 20, proxies add a few."""
COOKIES = 50
"""Cookies of a request that are looked at."""
_END = re.compile(rb"\n\r?\n")


class Unfit(Exception):
    """What came is not a head that we take; the message says why."""


class RequestHead:
    """The head of one request, as it comes, in however small pieces."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._lines = 0

    def add(self, data: bytes) -> tuple[bytes, bytes] | None:
        """The head with plain cookies, and what came after it, or None where it is not whole yet; raises Unfit."""
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
    """A Cookie header without what is dear to parse: cookies with backslashes, whose unquoting takes the square of their length in
    Python's own parser (0.7 s for 15 kB), and more than any browser sends here. None of ours has one."""
    pairs = (pair.strip() for pair in header.split(";", COOKIES)[:COOKIES])
    return "; ".join(pair for pair in pairs if "\\" not in pair)


def with_plain_cookies(head: bytes) -> bytes:
    """A request's head with its cookies as ``plain_cookies`` leaves them. Web frameworks parse all of a request that comes in."""
    kept, cookie = [], False
    for line in head.split(b"\n"):
        if cookie and line[:1] in (b" ", b"\t"):
            continue  # a line that goes on, as old clients wrote: no browser does
        cookie = line[:7].lower() == b"cookie:"
        if cookie:
            end = b"\r" if line.endswith(b"\r") else b""
            line = b"Cookie: " + plain_cookies(line[7:].decode("latin-1").strip()).encode("latin-1") + end
        kept.append(line)
    return b"\n".join(kept)
