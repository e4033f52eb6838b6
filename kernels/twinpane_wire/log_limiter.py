"""Limit a log, so that strangers cannot fill it: write a few lines of each kind a minute, then how many were left out.

Written by hand: the library ``limits`` starts a thread in each process that counts, uses the wall clock, and does not bound the number
of kinds.
"""

import logging
import time
from collections.abc import Callable

EACH = 20
"""Lines of one kind in a minute, at most."""
MINUTE = 60.0
KINDS = 1000
"""Kinds that are counted separately, at most. There is one for each logging call in the program's source."""


class LogLimiter(logging.Filter):
    """A filter for handlers. A kind is a logger, a level, and the first line of the message before its arguments are put in. (The second
    line of asyncio's message on a failed task has the task's number.)

    With ``letters``, a line is cut to that length, and a kind is a place in the source: for programs that put strangers' words into
    their messages.
    """

    def __init__(self, each: int = EACH, clock: Callable[[], float] = time.monotonic, letters: int | None = None) -> None:
        super().__init__()
        self._each = each
        self._letters = letters
        self._clock = clock
        self._counted: dict[tuple[str, int, str], int] = {}
        self._began = clock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is written; the first one of a new minute says how many were not."""
        if self._letters is None:
            kind = record.name, record.levelno, str(record.msg).partition("\n")[0][:200]
        else:
            kind = record.name, record.levelno, f"{record.pathname}:{record.lineno}"
            if len(said := record.getMessage()) > self._letters:
                record.msg, record.args = f"{said[: self._letters]} …", ()
        now = self._clock()
        left = 0
        if now - self._began >= MINUTE:
            left = sum(max(0, count - self._each) for count in self._counted.values())
            self._counted.clear()
            self._began = now
        if len(self._counted) >= KINDS and kind not in self._counted:
            kind = "", 0, ""
        self._counted[kind] = self._counted.get(kind, 0) + 1
        if self._counted[kind] > self._each:
            return False
        if left or self._counted[kind] == self._each:
            told = f"{left} more lines were left out before" if left else "further lines of this kind are left out for a minute"
            record.msg, record.args = f"{record.getMessage()} [{told}]", ()
        return True


def limit_log() -> None:
    """Put the filter on all handlers of the root logger, or on the handler of last resort; call it after the handlers are set."""
    handlers = logging.getLogger().handlers or ([logging.lastResort] if logging.lastResort else [])
    for handler in handlers:
        handler.addFilter(LogLimiter())
