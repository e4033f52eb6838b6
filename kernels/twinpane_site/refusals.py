"""Refused messages in the ledger. A few each minute have their own line; the rest are counted.

A line costs a sync of the disk, and the ledger keeps it for ever. So nobody may fill disk or ledger with refused messages. A refusal is one
of the link's fixed codes and depends on no rows, so it may leave before the line that counts it.
"""

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from twinpane_wire.messages import LinkCode, Principal

from .ledger import Ledger
from .ledger_events import LedgerEvent

MINUTE_S = 60.0
EACH = 5
"""Lines a minute of one code, user and project."""
ALL = 60
"""Lines a minute in all, beside those that count."""
COUNTED = 50
"""Codes, users and projects that are counted apart in a minute; the rest are counted as one."""

Key = tuple[str, str, str]
OTHERS: Key = ("any", "any", "any")


class Refusals:
    """The refusals of one site. ``clock`` gives seconds that only grow."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._now = now
        self._clock = clock
        self._began = clock()
        self._written: Counter[Key] = Counter()
        self._left_out: Counter[Key] = Counter()

    def note(self, code: LinkCode, principal: Principal, session: str) -> None:
        """Write a refusal down, or count it; raises StoreError where a line cannot be written."""
        self.flush()
        key = (code.value, principal.user, principal.project)
        if self._written[key] < EACH and self._written.total() < ALL:
            self._append(key, session=session)
            self._written[key] += 1
            return
        known = key in self._left_out or len(self._left_out) < COUNTED
        self._left_out[key if known else OTHERS] += 1

    def flush(self) -> None:
        """At the end of a minute, write how many refusals were only counted. After a StoreError the next call tries again."""
        if self._clock() - self._began < MINUTE_S:
            return
        for key, count in list(self._left_out.items()):
            self._append(key, detail=f"{count} more in a minute")
            del self._left_out[key]
        self._written.clear()
        self._began = self._clock()

    def _append(self, key: Key, **more: str) -> None:
        code, user, project = key
        self._ledger.append(LedgerEvent.refused, {"code": code, "user": user, "project": project, **more}, self._now())
