"""The glass: the one place where something leaves a site.

Every crossing is made here, from typed values, by the agent's own code. The ledger entry, the meter's charge and the crossing itself
become durable in one transaction, and only then is anything sent: evidence before effect. When the transaction fails, nothing leaves.
"""

import logging
from collections.abc import Callable, Container
from datetime import datetime

from twinpane_broker.closed import Closed
from twinpane_broker.release import Refusal, Release
from twinpane_wire import messages as wire
from twinpane_wire.code import Code, lines_of, rounded

from .db import Database
from .errors import StoreError
from .held import Held
from .kinds import Kind
from .ledger import Ledger
from .mailbox import Mailbox
from .meter import Meter
from .verdict import Judgement

log = logging.getLogger(__name__)

Send = Callable[[Closed], None]
"""Puts a crossing on the link if it stands; what is kept until received is sent again otherwise."""


class Glass:
    """What leaves a site. ``clock`` gives the time with its zone; ``send`` is the link."""

    def __init__(
        self, db: Database, ledger: Ledger, meter: Meter, mailbox: Mailbox, code: Code, clock: Callable[[], datetime], send: Send
    ) -> None:
        self._db = db
        self._ledger = ledger
        self._meter = meter
        self._mailbox = mailbox
        self.code = code
        self._clock = clock
        self._send = send
        self._early: set[str] = set()
        """Results that are in the outbox before their tick, by the names of their crossings."""
        self.on_spent: Callable[[wire.Principal, str], None] = lambda principal, session: None
        """Told which account spent, and in which session."""

    def now(self) -> datetime:
        """The time, with its zone."""
        return self._clock()

    # ------------------------------------------------------------ metered

    def may_verdict(self, principal: wire.Principal, session: str, cell: int, source: str) -> bool:
        """Decide, before the run is looked at, whether a verdict on this cell may leave."""
        name = f"verdict:{session}:{cell}"
        return self._may(principal, session, name, self.code.verdict_reserve(lines_of(source)), cell, None)

    def may_reveal(self, principal: wire.Principal, ask: wire.RevealAsk) -> bool:
        """Decide, when the ask arrives, whether a value for this call may leave."""
        name = f"reveal:{ask.session}:{ask.cell}:{ask.call}"
        return self._may(principal, ask.session, name, self.code.reveal_reserve(ask.digits), ask.cell, ask.call)

    def _may(self, principal: wire.Principal, session: str, name: str, reserve: float, cell: int, call: int | None) -> bool:
        account = self._meter.account(principal.user, principal.project)
        with self._db.transaction():
            if account.reserve(name, reserve, session):
                return True
            message = wire.Link(session=session, code=wire.LinkCode.spent, cell=cell, call=call, left=account.left())
            if not self._mailbox.post(message, self._clock()):
                return False  # asked again after a restart: it has been told, and is sent until received
            entry = {"what": name, "user": principal.user, "project": principal.project, "reserve": reserve, "left": message.left}
            self._ledger.append(Kind.silent, entry, self._clock())
        self._send(message)
        return False

    def silence(self, principal: wire.Principal, name: str, tick: int) -> None:
        """Charge what never left because its session was closed: that it had not left by that tick is what the outside has seen.

        Without a price, closing a session would make a bit out of every cell that goes on for ever on some rows, for nothing.
        """
        bits = self.code.tick_bits(tick)
        with self._db.transaction():
            left = self._meter.account(principal.user, principal.project).spend(bits, name)
            entry = {"what": name, "user": principal.user, "project": principal.project, "reserve": bits, "left": left, "bits": bits}
            self._ledger.append(Kind.silent, entry, self._clock())

    def verdict(self, principal: wire.Principal, session: str, cell: int, source: str, judgement: Judgement, tick: int) -> wire.Verdict:
        """Let a verdict out; raises StoreError when its evidence cannot be written."""
        bits = self.code.verdict_bits(judgement.outcome, tick, lines_of(source))
        entry = {
            "session": session, "cell": cell, "user": principal.user, "project": principal.project, "outcome": judgement.outcome.value,
            "failure": judgement.failure, "line": judgement.line, "tick": tick, "bits": round(bits, 6),
        }  # fmt: skip
        with self._db.transaction():
            self._ledger.append(Kind.verdict, entry, self._clock())
            left = self._meter.account(principal.user, principal.project).spend(bits, f"verdict:{session}:{cell}")
            message = wire.Verdict(
                session=session, cell=cell, outcome=judgement.outcome, failure=judgement.failure, line=judgement.line, tick=tick, left=left
            )
            self._mailbox.post(message, self._clock())
        self._send(message)
        self.on_spent(principal, session)
        return message

    def reveal(self, principal: wire.Principal, ask: wire.RevealAsk, value: object, tick: int) -> wire.Reveal:
        """Let a number out at the asked digits, None for whatever is not one; raises StoreError when its evidence cannot be written."""
        number = rounded(value, ask.digits)
        bits = self.code.reveal_bits(ask.digits, tick)
        entry = {
            "session": ask.session, "cell": ask.cell, "call": ask.call, "user": principal.user, "project": principal.project,
            "name": ask.name, "digits": ask.digits, "value": number, "tick": tick, "bits": round(bits, 6),
        }  # fmt: skip
        with self._db.transaction():
            self._ledger.append(Kind.reveal, entry, self._clock())
            left = self._meter.account(principal.user, principal.project).spend(bits, f"reveal:{ask.session}:{ask.cell}:{ask.call}")
            message = wire.Reveal(session=ask.session, cell=ask.cell, call=ask.call, value=number, tick=tick, left=left)
            self._mailbox.post(message, self._clock())
        self._send(message)
        self.on_spent(principal, ask.session)
        return message

    # ------------------------------------------------------------ by rule, by people, by the steward

    def release(self, principal: wire.Principal, query: wire.Query, result: Release | Refusal) -> wire.Released | None:
        """Make a broker result's evidence durable; it leaves with ``reply``. Raises StoreError when the evidence cannot be written.

        None for a second answer to one call: the first one stands, and is sent until received.
        """
        message = wire.Released(session=query.session, cell=query.cell, call=query.call, result=result)
        entry = {
            "id": getattr(result, "id", ""), "session": query.session, "cell": query.cell, "call": query.call, "user": principal.user,
            "project": principal.project, "plan": query.plan.digest(), "snapshot": getattr(result, "snapshot", ""), "status": result.status,
            "digest": result.digest(),
        }  # fmt: skip
        if isinstance(result, Refusal):
            entry["code"] = str(result.code)
        with self._db.transaction():
            if not self._mailbox.post(message, self._clock()):
                return None
            self._ledger.append(Kind.release, entry, self._clock())
        self._early.add(wire.crossing_id(message))
        return message

    def reply(self, message: wire.Released) -> None:
        """Send a result: its tick has come."""
        self._early.discard(wire.crossing_id(message))
        self._send(message)

    def export(self, message: wire.Export) -> None:
        """Let out what reviewers decided; the review has written the evidence in the transaction around this call, or before it."""
        with self._db.transaction():
            if self._mailbox.post(message, self._clock()):
                self._db.after_commit(lambda: self._send(message))

    def deliver(self, message: wire.Export, session: str) -> None:
        """Send a decision that is in the outbox to another open session of its author."""
        self._send(message.model_copy(update={"session": session}))

    def catalogued(self, message: wire.Catalogued) -> None:
        """Publish the catalogue to a project."""
        self._ledger.append(Kind.published, {"project": message.project, "catalogue": message.catalogue.digest()}, self._clock())
        self._send(message)

    # ------------------------------------------------------------ what stays

    def held(self, held: Held) -> None:
        """Record that something waits inside; raises StoreError when that cannot be written."""
        entry = {"session": held.session, "cell": held.cell, "digest": held.sha256, "bytes": held.bytes, "dropped": held.dropped}
        self._ledger.append(Kind.held, entry, self._clock())

    # ------------------------------------------------------------ the link itself

    def link(self, session: str, code: wire.LinkCode, n: int = 0, left: float | None = None) -> None:
        """Acknowledge, or say one of the fixed errors."""
        self._send(wire.Link(session=session, code=code, n=n, left=left))

    def again(
        self, session: str | None = None, known: frozenset[str] | None = None, sessions: Container[str] | None = None
    ) -> frozenset[str]:
        """Send once more what nobody has said to have received, the same bytes; returns its ids.

        With ``known``, only what was unreceived then already: what has just left is on its way. With ``sessions``, only theirs: to a
        session that is closed nobody listens.
        """
        try:
            waiting = self._mailbox.unreceived(session)
        except StoreError as error:
            log.warning("crossings wait: %s", error)
            return frozenset()
        for crossing in waiting:
            if crossing.id in self._early:
                continue  # its tick has not come
            if (known is None or crossing.id in known) and (sessions is None or crossing.session in sessions):
                self._send(crossing.body)
        return frozenset(crossing.id for crossing in waiting)
