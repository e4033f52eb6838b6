"""A steward's mark in the ledger: seen up to a line. It names the line's hash, so that it speaks of this ledger and no other."""

from dataclasses import dataclass
from datetime import datetime

from .errors import SiteError
from .ledger import Entry, Ledger
from .ledger_events import LedgerEvent


class SignOffError(SiteError):
    """There is no such line to have seen, or an earlier mark goes further; nothing was written."""


@dataclass(frozen=True)
class Mark:
    """How far somebody has seen."""

    by: str
    upto: int
    time: str


def marks(ledger: Ledger) -> list[Mark]:
    """Each person's furthest mark, the furthest first."""
    last: dict[str, Entry] = {str(entry.body["by"]): entry for entry in ledger.entries(LedgerEvent.seen)}
    found = [Mark(by, entry.body["upto"], entry.time) for by, entry in last.items()]
    return sorted(found, key=lambda mark: (-mark.upto, mark.by))


def sign_off(ledger: Ledger, by: str, upto: int, now: datetime) -> None:
    """Write that ``by`` has seen the ledger up to a line. Raises SignOffError."""
    by = by.lower()
    with ledger.transaction():
        entry = next(iter(ledger.entries(after=upto - 1, most=1)), None)
        if upto < 1 or entry is None or entry.seq != upto:
            raise SignOffError("The ledger has no such line.")
        if any(mark.by == by and mark.upto >= upto for mark in marks(ledger)):
            raise SignOffError("You have marked this line, or a later one, as seen before.")
        ledger.append(LedgerEvent.seen, {"by": by, "upto": upto, "hash": entry.hash}, now)
