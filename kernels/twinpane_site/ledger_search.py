"""Reads the ledger for people: what left, how often, who asked, and the lines that somebody looks for, a page at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from .db import Database
from .ledger import Entry, entry_of
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


@dataclass(frozen=True)
class Wanted:
    """Which lines somebody looks for: all that fit everything given. ``person``: the line's user, or who did it; days are UTC's."""

    kind: LedgerEvent | None = None
    project: str = ""
    person: str = ""
    since: date | None = None
    until: date | None = None
    """The last day."""

    def sql(self, more: str, value: int) -> tuple[str, list[object]]:
        """The tables and conditions, of constants alone, and their arguments; ``more`` is one more condition."""
        end = None if self.until is None or self.until == date.max else self.until + timedelta(days=1)
        given: list[tuple[str, object]] = [
            ("n.who = ?", self.person), ("n.project = ?", self.project), ("l.kind = ?", self.kind and self.kind.value),
            ("l.time >= ?", self.since and self.since.isoformat()), ("l.time < ?", end and end.isoformat()),
        ]  # fmt: skip
        used = [*((sql, argument) for sql, argument in given if argument), (more, value)]
        # A cross join keeps the planner at the names first: they are in the order of the lines, and few.
        tables = "ledger_names n CROSS JOIN ledger l ON l.seq = n.seq" if self.person or self.project else "ledger l"
        return f"{tables} WHERE {' AND '.join(sql for sql, _ in used)}", [argument for _, argument in used]


def newest(db: Database, wanted: Wanted, limit: int, before: int = 2**62) -> list[Entry]:
    """The newest lines that are wanted and numbered below ``before``, the newest first."""
    return _entries(db, wanted, ("<", before), limit, "DESC")


def oldest(db: Database, wanted: Wanted, limit: int, after: int = 0) -> list[Entry]:
    """The oldest lines that are wanted and numbered above ``after``, in order."""
    return _entries(db, wanted, (">", after), limit, "ASC")


def every(db: Database, wanted: Wanted, turn: int = 1000) -> Iterator[Entry]:
    """All lines that are wanted, in order, a turn at a time: nobody else waits for the database meanwhile."""
    after = 0
    while entries := oldest(db, wanted, turn, after):
        yield from entries
        after = entries[-1].seq


def more_than(db: Database, wanted: Wanted, most: int) -> bool:
    """Whether more than so many lines are wanted."""
    tables, arguments = wanted.sql("l.seq > ?", 0)
    row = db.row(f"SELECT count(*) n FROM (SELECT 1 FROM {tables} LIMIT {most + 1:d})", arguments)  # noqa: S608 - constants, question marks
    return row is None or row["n"] > most


def _entries(db: Database, wanted: Wanted, bound: tuple[str, int], limit: int, order: str) -> list[Entry]:
    seq = "n.seq" if wanted.person or wanted.project else "l.seq"
    tables, arguments = wanted.sql(f"{seq} {bound[0]} ?", bound[1])
    rows = db.rows(f"SELECT l.* FROM {tables} ORDER BY {seq} {order} LIMIT {limit:d}", arguments)  # noqa: S608 - constants, question marks
    return [entry_of(row) for row in rows]


def midnight(now: datetime) -> datetime:
    """The beginning of the day, which is UTC's, as the meter's is."""
    return datetime.combine(now.astimezone(UTC).date(), time(), UTC)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def counts(db: Database, kinds: Sequence[LedgerEvent], now: datetime) -> list[Count]:
    """How often each of these kinds was written today and ever, in the order given. By indexes alone: a million lines take a moment."""
    ever = {row["kind"]: row["n"] for row in db.rows("SELECT kind, count(*) n FROM ledger GROUP BY kind")}
    since = (_stamp(midnight(now)),)
    # The plus keeps the planner at the index of times: it would read every line of a kind instead.
    today = {row["kind"]: row["n"] for row in db.rows("SELECT kind, count(*) n FROM ledger WHERE time >= ? GROUP BY +kind", since)}
    return [Count(kind, today.get(kind.value, 0), ever.get(kind.value, 0)) for kind in kinds]


def asked(db: Database, kinds: Sequence[LedgerEvent], now: datetime) -> list[Asked]:
    """What each person did today in each project, of these kinds; most lines first."""
    marks = ", ".join("?" * len(kinds))
    rows = db.rows(
        "SELECT n.who user, n.project project, l.kind kind, count(*) n FROM ledger l JOIN ledger_names n ON n.seq = l.seq"  # noqa: S608
        f" WHERE l.time >= ? AND +l.kind IN ({marks}) GROUP BY 1, 2, 3",
        [_stamp(midnight(now)), *(kind.value for kind in kinds)],
    )
    found: dict[tuple[str, str], dict[LedgerEvent, int]] = {}
    for row in rows:
        found.setdefault((row["user"], row["project"]), {})[LedgerEvent.of(row["kind"])] = row["n"]
    people = [Asked(user, project, numbers) for (user, project), numbers in found.items()]
    return sorted(people, key=lambda one: (-sum(one.counts.values()), one.user, one.project))[:MOST]
