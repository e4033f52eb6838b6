"""The glass: the one place where something leaves a site.

Every crossing is made here, from typed values, by the agent's own code. The ledger entry, the meter's charge and the crossing itself
become durable in one transaction, and only then is anything sent: evidence before effect. When the transaction fails, nothing leaves.
"""

import asyncio
import logging
from collections.abc import Callable, Container
from datetime import datetime

from twinpane_broker import Refusal, Release
from twinpane_wire import messages as wire
from twinpane_wire.prefix_code import PrefixCode, lines_of, rounded

from .db import Database
from .errors import StoreError
from .held import Held
from .ledger import Ledger
from .ledger_events import LedgerEvent
from .mailbox import Mailbox
from .meter import Meter
from .send_slots import SPREAD_S, SendSlots
from .verdict import Judgement

log = logging.getLogger(__name__)

ANSWER_SPREAD_S = 0.004
"""Seconds, see `send_slots`: of an answer of the broker, for which somebody waits."""


class Glass:
    """What leaves a site. ``clock`` gives the time with its zone; ``slots`` say when what is ready leaves."""

    def __init__(
        self, db: Database, ledger: Ledger, meter: Meter, mailbox: Mailbox, code: PrefixCode, clock: Callable[[], datetime],
        slots: SendSlots,
    ) -> None:  # fmt: skip
        self._db = db
        self._ledger = ledger
        self._meter = meter
        self._mailbox = mailbox
        self.code = code
        self._clock = clock
        self._slots = slots
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
            self._ledger.append(LedgerEvent.silent, entry, self._clock())
        self._slots.link(message, _now())
        return False

    def silence(self, principal: wire.Principal, name: str, tick: int) -> None:
        """Charge for a message that never left because its session closed: the outside has seen that it had not left by that tick.

        Without this price, closing a session would give a free bit about every cell that runs for ever on some rows.
        """
        bits = self.code.tick_bits(tick)
        with self._db.transaction():
            left = self._meter.account(principal.user, principal.project).spend(bits, name)
            entry = {"what": name, "user": principal.user, "project": principal.project, "reserve": bits, "left": left, "bits": bits}
            self._ledger.append(LedgerEvent.silent, entry, self._clock())

    def verdict(
        self, principal: wire.Principal, session: str, cell: int, source: str, judgement: Judgement, tick: int, moment: float
    ) -> wire.Verdict:
        """Let a verdict out, at its tick's ``moment`` by the loop's clock; raises StoreError when its evidence cannot be written."""
        bits = self.code.verdict_bits(judgement.outcome, tick, lines_of(source))
        entry = {
            "session": session, "cell": cell, "user": principal.user, "project": principal.project, "outcome": judgement.outcome.value,
            "failure": judgement.failure, "line": judgement.line, "tick": tick, "bits": round(bits, 6),
        }  # fmt: skip
        with self._db.transaction():
            self._ledger.append(LedgerEvent.verdict, entry, self._clock())
            left = self._meter.account(principal.user, principal.project).spend(bits, f"verdict:{session}:{cell}")
            message = wire.Verdict(
                session=session, cell=cell, outcome=judgement.outcome, failure=judgement.failure, line=judgement.line, tick=tick, left=left
            )
            self._mailbox.post(message, self._clock())
        self._slots.at(message, moment)
        self.on_spent(principal, session)
        return message

    def reveal(self, principal: wire.Principal, ask: wire.RevealAsk, value: object, tick: int, moment: float) -> wire.Reveal:
        """Let out a number at the asked digits, at its tick's ``moment``. Anything that is not a number leaves as None.

        Raises StoreError when its evidence cannot be written.
        """
        number = rounded(value, ask.digits)
        bits = self.code.reveal_bits(ask.digits, tick)
        entry = {
            "session": ask.session, "cell": ask.cell, "call": ask.call, "user": principal.user, "project": principal.project,
            "name": ask.name, "digits": ask.digits, "value": number, "tick": tick, "bits": round(bits, 6),
        }  # fmt: skip
        with self._db.transaction():
            self._ledger.append(LedgerEvent.reveal, entry, self._clock())
            left = self._meter.account(principal.user, principal.project).spend(bits, f"reveal:{ask.session}:{ask.cell}:{ask.call}")
            message = wire.Reveal(session=ask.session, cell=ask.cell, call=ask.call, value=number, tick=tick, left=left)
            self._mailbox.post(message, self._clock())
        self._slots.at(message, moment)
        self.on_spent(principal, ask.session)
        return message

    # ------------------------------------------------------------ by rule, by people, by the steward

    def release(self, principal: wire.Principal, query: wire.Query, result: Release | Refusal, moment: float) -> None:
        """Let a broker result out, at its own ``moment``; raises StoreError when its evidence cannot be written."""
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
                return  # a second answer to one call: the first one stands, and is sent until received
            self._ledger.append(LedgerEvent.release, entry, self._clock())
        self._slots.at(message, moment, ANSWER_SPREAD_S)

    def export(self, message: wire.Export) -> None:
        """Let out a decision of reviewers. The review has written the evidence, in the transaction around this call or before it.

        Safe from any thread. The decision goes to the outbox, where the agent looks every second (``DecisionSender``).
        """
        self._mailbox.post(message, self._clock())

    def deliver(self, message: wire.Export, session: str) -> None:
        """Send a decision that is in the outbox to an open session of its author."""
        self._slots.link(message.model_copy(update={"session": session}), _now())

    def catalogued(self, message: wire.Catalogued) -> None:
        """Publish the catalogue to a project."""
        self._ledger.append(LedgerEvent.published, {"project": message.project, "catalogue": message.catalogue.digest()}, self._clock())
        self._slots.at(message, _now(), SPREAD_S)

    def standing(self, message: wire.Standing) -> None:
        """Tell the hub the steward's word on a project."""
        self._ledger.append(LedgerEvent.standing, {"project": message.project, "digest": message.digest()}, self._clock())
        self._slots.at(message, _now(), SPREAD_S)

    # ------------------------------------------------------------ what stays

    def held(self, held: Held) -> None:
        """Record that something waits inside; raises StoreError when that cannot be written."""
        entry = {"session": held.session, "cell": held.cell, "digest": held.sha256, "bytes": held.bytes, "dropped": held.dropped}
        self._ledger.append(LedgerEvent.held, entry, self._clock())

    # ------------------------------------------------------------ the link itself

    def link(self, session: str, code: wire.LinkCode, since: float, n: int = 0, left: float | None = None) -> None:
        """Acknowledge, or say one of the fixed errors, in a slot. ``since``: when what this answers came, by the loop's clock."""
        self._slots.link(wire.Link(session=session, code=code, n=n, left=left), since)

    def again(
        self, session: str | None = None, known: frozenset[str] | None = None, sessions: Container[str] | None = None
    ) -> frozenset[str]:
        """Send again, with the same bytes, every crossing whose receipt nobody confirmed; returns their ids.

        With ``known``, send only those that were unreceived then already: others may still be on their way. With ``sessions``, send only
        theirs: nobody listens for a closed session. A crossing that has not left yet leaves when it is due.
        """
        try:
            waiting = self._mailbox.unreceived(session, of_open=sessions is not None)
        except StoreError as error:
            log.warning("crossings wait: %s", error)
            return frozenset()
        for crossing in waiting:
            # A crossing that waits for its moment is in the outbox already. In a slot it could leave too early if a hub cuts the link.
            due = self._slots.holds(crossing.body)
            if not due and (known is None or crossing.id in known) and (sessions is None or crossing.session in sessions):
                self._slots.link(crossing.body, _now())
        return frozenset(crossing.id for crossing in waiting)


def _now() -> float:
    return asyncio.get_running_loop().time()
