"""A log that strangers cannot fill: of the same words from the same place, a few a minute are written, then how many were not.

By hand, as the library limits starts a thread in each process that counts, goes by the machine's clock, and bounds no number of kinds.
"""

import logging
import time
from collections.abc import Callable

EACH = 20
"""Lines of one kind in a minute, at most."""
MINUTE = 60.0
KINDS = 1000
"""Kinds that are counted apart; there are as many as there are calls of a logger in the program's text."""


class LogLimiter(logging.Filter):
    """A filter for handlers. A kind is a logger, a level and the text before its arguments are put in, to the end of its first line:
    what asyncio says of a task that failed has the task's number in its second.

    With ``letters`` a line is cut there, and a kind is a place in the program: for programs that put strangers' words into their texts.
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
    """Put the filter on all handlers of the program's log, or on the one that stands in for none; call it once they are there."""
    handlers = logging.getLogger().handlers or ([logging.lastResort] if logging.lastResort else [])
    for handler in handlers:
        handler.addFilter(LogLimiter())
