"""Recovery after a restart: resumes the open sessions, and tries once each message that is still owed something.

No content of the boxes keeps a site from starting. A message is set aside if it cannot be read, if resuming it raises an error, or if an
earlier start did not survive it. Each has its line in the ledger.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from twinpane_wire import messages as wire

from .attempt_log import AttemptLog
from .errors import SiteError
from .mailbox import Mailbox, Session, Unreadable

log = logging.getLogger(__name__)

M = TypeVar("M", bound=wire.Inward)
OWING = (wire.Cell, wire.Twin, wire.RevealAsk, wire.Query)
"""What may still owe a verdict, reveal or answer."""
UNREADABLE = "it cannot be read"
FATAL = "an earlier start ended while it was tried"
FAILED = "it could not be taken up"


@dataclass(frozen=True)
class OpenSession:
    """An open session as its messages tell it: (number, message) in order, without what was set aside."""

    session: Session
    messages: tuple[tuple[int, wire.Inward], ...]

    def first(self, kind: type[M]) -> M | None:
        """The first message of a type, None where there is none."""
        return next((message for _, message in self.messages if isinstance(message, kind)), None)


class Recovery:
    """Takes up the open sessions again."""

    def __init__(self, mailbox: Mailbox, attempts: AttemptLog, now: Callable[[], datetime]) -> None:
        self._mailbox = mailbox
        self._attempts = attempts
        self._now = now

    def sessions(self) -> Iterator[OpenSession]:
        """The open sessions, oldest first. What cannot be read is set aside on the way."""
        for what, identity, unreadable in self._mailbox.unreadable():
            self._aside(f"{what}:{identity}", {"what": what, what: identity, "why": f"{UNREADABLE} (at {unreadable.where})"})
            self._mailbox.set_aside(what, identity, self._now())
        for session in self._mailbox.open_sessions():
            yield OpenSession(session, tuple(self._readable(session)))
        self._attempts.clear("message:")  # messages that an earlier life tried, and that are owed nothing any more

    def _readable(self, session: Session) -> Iterator[tuple[int, wire.Inward]]:
        for n, message in self._mailbox.taken_in(session.id):
            name = _name(session, n)
            if self._attempts.is_aside(name):
                continue
            if isinstance(message, Unreadable):
                self._aside(name, _body(session, n, f"{UNREADABLE} (at {message.where})"))
            else:
                yield n, message

    def attempt(self, session: Session, n: int, act: Callable[[], None], lasting: bool = False) -> None:
        """Do what a message asks for, and mark it as tried. ``lasting``: the work goes on after ``act``; its mark stays until the stop.

        A message that raises, or that ended an earlier start, is set aside, unless only the disk is at fault (SiteError).
        """
        name = _name(session, n)
        if self._attempts.fatal(name):
            self._aside(name, _body(session, n, FATAL))
            return
        self._attempts.begin(name, self._now())
        try:
            act()
        except SiteError as error:
            log.exception("%s", error)
        except Exception:
            log.exception("message %d of session %s cannot be taken up", n, session.id)
            self._aside(name, _body(session, n, FAILED))
            return
        if not lasting:
            self._attempts.done(name)

    def _aside(self, name: str, body: Mapping[str, object]) -> None:
        log.error("set aside: %s (%s)", name, body["why"])
        self._attempts.set_aside(name, body, self._now())


def _name(session: Session, n: int) -> str:
    return f"message:{session.id}:{n}"


def _body(session: Session, n: int, why: str) -> dict[str, object]:
    who = session.principal
    return {"what": "message", "session": session.id, "n": n, "user": who.user, "project": who.project, "why": why}
