"""Passes the server's output to the hub's log: line by line, printable, marked with the server's name, and at a limited rate.

The server may be hostile: it could fill the disk, or write lines that look like the hub's own.
"""

import os
import time
from collections.abc import Callable

LINE = 1000
"""Characters of a line that are passed on."""
BURST, RATE = 256 * 1024, 16 * 1024
"""Bytes of the log at once, and bytes a second in the long run."""


class ServerLog:
    """Lines of one server. ``say`` takes a finished line, ``clock`` gives seconds."""

    def __init__(self, name: str, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._say = say
        self._clock = clock
        self._rest = b""
        self._mark = len(name.encode()) + len(" bytes left out: ")
        self._left = float(BURST)
        self._at = clock()
        self._dropped = 0

    def hear(self, said: bytes) -> None:
        """Take output. Output beyond the rate is counted and left out."""
        now = self._clock()
        self._left = min(BURST, self._left + (now - self._at) * RATE)
        self._at = now
        # The cost of a byte in the log: a line with the server's name, or three bytes if it is no character.
        written = len(said.decode("utf-8", "replace").encode()) + said.count(b"\n") * self._mark + (2 * self._mark if self._dropped else 0)
        if written > self._left:
            self._dropped += len(said)
            self._rest = b""
            return
        self._left -= written
        if self._dropped:
            self._say(f"{self._name}: {self._dropped} bytes left out")
            self._dropped = 0
        *lines, self._rest = (self._rest + said).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > LINE:
            self._line(self._rest)
            self._rest = b""

    def _line(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace")[:LINE]
        self._say(f"{self._name}: {''.join(c if c.isprintable() else ' ' for c in text)}")


def to_log(line: str) -> None:
    """Write a line to this process's standard error, which is the hub's."""
    os.write(2, line.encode("utf-8", "replace") + b"\n")
