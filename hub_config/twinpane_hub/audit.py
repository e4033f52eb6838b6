"""The hub's audit log: who came, who was refused, and who changed what, as JSON lines in the state folder. No content of any work.

Each line is written by itself to the end of the file, which is opened anew: the hub and commands at the terminal write to the same one, and
it can be moved away at any time (logrotate). A line that cannot be written is said in the hub's log, and keeps nobody out.
"""

import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

log = logging.getLogger("TwinpaneHub")
FILE = "audit.jsonl"
"""In the hub's state folder."""
REFUSALS = 100
"""Lines about refused sign-ins in a minute, at most: strangers cause them."""
LETTERS = 1000
"""Of a text, at most."""


class Kind(StrEnum):
    """What happened."""

    signed_in = "signed_in"
    refused = "refused"
    signed_out = "signed_out"
    token_made = "token_made"  # noqa: S105 - a word of the log
    token_ended = "token_ended"  # noqa: S105 - a word of the log
    account = "account"
    """A person changed the own password or second factor."""
    put_out = "put_out"
    """What a person had open was ended: shut out, removed, or without a role."""
    changed = "changed"
    """Somebody changed projects, sites, people or accounts: in words."""


class AuditLog:
    """The log of one hub, as one process writes it."""

    def __init__(self, state: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._file = state / FILE
        self._clock = clock
        self._minute = datetime.min.replace(tzinfo=UTC)
        self._refused = 0

    def note(self, kind: Kind, who: str = "", **more: str) -> None:
        """Add a line. ``who``: whom it is about; ``more``: further fields, of which empty ones are left out."""
        now = self._clock()
        left_out = self._left_out(now) if kind is Kind.refused else 0
        if left_out is None:
            return
        said = {"time": now.isoformat(timespec="milliseconds"), "event": kind.value, "who": who, **more}
        line: dict[str, object] = {name: text[:LETTERS] for name, text in said.items() if text}
        if left_out:
            line["left_out"] = left_out
        try:
            self._append(json.dumps(line).encode() + b"\n")
        except OSError as error:
            log.error("The audit log cannot be written: %s", error)

    def changed(self, who: str, words: tuple[str, ...]) -> None:
        """Note what somebody changed, in words."""
        for line in words:
            self.note(Kind.changed, by=who, what=line)

    def _left_out(self, now: datetime) -> int | None:
        """How many refusals the last minute had beyond those that were written; None where this one is beyond them too."""
        if (now - self._minute).total_seconds() >= 60:
            before, self._minute, self._refused = max(0, self._refused - REFUSALS), now, 1
            return before
        self._refused += 1
        return 0 if self._refused <= REFUSALS else None

    def _append(self, line: bytes) -> None:
        file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        try:
            if os.geteuid() == 0:  # root may run a command of a hub that runs as another
                owner = self._file.parent.stat()
                os.fchown(file, owner.st_uid, owner.st_gid)
            os.write(file, line)
        finally:
            os.close(file)
