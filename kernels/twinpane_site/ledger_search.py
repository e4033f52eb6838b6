"""Reads the ledger for people: what left, how often, and who asked. Counts and names alone; a line's body is not read here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

from .db import Database
from .ledger_events import LedgerEvent

MOST = 200
"""People in one list."""


@dataclass(frozen=True)
class Count:
    """How often a kind of line was written: on a day, and ever."""

    kind: LedgerEvent
    today: int
    ever: int


@dataclass(frozen=True)
class Asked:
    """What one person in one project did on a day: a number for each kind of line."""

    user: str
    project: str
    counts: dict[LedgerEvent, int]

    def of(self, kind: LedgerEvent) -> int:
        """How many lines of a kind."""
        return self.counts.get(kind, 0)


def midnight(now: datetime) -> datetime:
    """The beginning of the day, which is UTC's, as the meter's is."""
    return datetime.combine(now.astimezone(UTC).date(), time(), UTC)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def counts(db: Database, kinds: Sequence[LedgerEvent], now: datetime) -> list[Count]:
    """How often each of these kinds was written today and ever, in the order given. By indexes alone: a million lines take a moment."""
    ever = {row["kind"]: row["n"] for row in db.rows("SELECT kind, count(*) n FROM ledger GROUP BY kind")}
    since = (_stamp(midnight(now)),)
    today = {row["kind"]: row["n"] for row in db.rows("SELECT kind, count(*) n FROM ledger WHERE time >= ? GROUP BY kind", since)}
    return [Count(kind, today.get(kind.value, 0), ever.get(kind.value, 0)) for kind in kinds]


def asked(db: Database, kinds: Sequence[LedgerEvent], now: datetime) -> list[Asked]:
    """What each person did today in each project, of these kinds; most lines first."""
    marks = ", ".join("?" * len(kinds))
    rows = db.rows(
        "SELECT json_extract(body, '$.user') user, json_extract(body, '$.project') project, kind, count(*) n FROM ledger"  # noqa: S608
        f" WHERE time >= ? AND kind IN ({marks}) GROUP BY 1, 2, 3",
        [_stamp(midnight(now)), *(kind.value for kind in kinds)],
    )
    found: dict[tuple[str, str], dict[LedgerEvent, int]] = {}
    for row in rows:
        found.setdefault((row["user"] or "", row["project"] or ""), {})[LedgerEvent.of(row["kind"])] = row["n"]
    people = [Asked(user, project, numbers) for (user, project), numbers in found.items()]
    return sorted(people, key=lambda one: (-sum(one.counts.values()), one.user, one.project))[:MOST]
