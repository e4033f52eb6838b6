"""What a steward sees first, as values: made of the ledger, the meter, the mailbox and the review's table. No rows, no items, no values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from twinpane_review.states import State, closed
from twinpane_site.db import Database
from twinpane_site.ledger_events import LedgerEvent
from twinpane_site.ledger_search import Asked, Count, asked, counts
from twinpane_site.meter import Budget, Meter
from twinpane_site.running_sessions import RunningSessions
from twinpane_site.standstill import FreezeState, Standstill

LEAVING: dict[LedgerEvent, str] = {
    LedgerEvent.release: "Answers of the broker, refusals too",
    LedgerEvent.verdict: "Verdicts on cells",
    LedgerEvent.reveal: "Revealed numbers",
    LedgerEvent.export: "Decisions on exports, with what was approved",
    LedgerEvent.published: "Times the catalogue was published",
    LedgerEvent.standing: "Words of stewards on projects",
}
"""What leaves, in the order and words of the page."""
DOING = (LedgerEvent.opened, LedgerEvent.release, LedgerEvent.verdict, LedgerEvent.reveal, LedgerEvent.requested, LedgerEvent.export)
MOST = 100
"""Requests in one list; how many there are is told beside it."""
_OPEN = [state.value for state in State if not closed(state)]


@dataclass(frozen=True)
class Waiting:
    """A request that is not closed. Its items, and what reviewers marked, are not here."""

    author: str
    project: str
    purpose: str
    state: State
    since: datetime


@dataclass(frozen=True)
class MemberBits:
    """What a member has left of the bits for verdicts and reveals."""

    user: str
    project: str
    today: float
    total: float


@dataclass(frozen=True)
class Overview:
    """One look at a site."""

    freeze: FreezeState
    left: Sequence[Count]
    asked: Sequence[Asked]
    waiting: Sequence[Waiting]
    waiting_in_all: int
    members: Sequence[MemberBits]
    running: int
    """Open sessions."""


def overview(
    db: Database, standstill: Standstill, sessions: RunningSessions, members: Sequence[tuple[str, str]], budget: Budget, now: datetime
) -> Overview:  # fmt: skip
    """The site's overview. ``members``: (user, project) of who may work."""
    meter = Meter(db, budget, lambda: now)
    waiting = _waiting(db)
    return Overview(
        standstill.state(), counts(db, tuple(LEAVING), now), asked(db, DOING, now), waiting[:MOST], len(waiting),
        [_bits(meter, user, project) for user, project in members], sessions.count(),
    )  # fmt: skip


def _bits(meter: Meter, user: str, project: str) -> MemberBits:
    account = meter.account(user, project)
    return MemberBits(user, project, account.left(), account.left_total)


def _waiting(db: Database) -> list[Waiting]:
    marks = ", ".join("?" * len(_OPEN))
    rows = db.rows(
        f"SELECT author, project, purpose, state, submitted_at FROM review_request WHERE state IN ({marks}) ORDER BY submitted_at, id",  # noqa: S608
        _OPEN,
    )
    return [
        Waiting(row["author"], row["project"], row["purpose"], State(row["state"]), datetime.fromisoformat(row["submitted_at"]))
        for row in rows
    ]
