"""Bits that a steward adds to a member's account, with the line of the ledger that says so. A running agent tells the member."""

from datetime import datetime

from .ledger import Ledger
from .ledger_events import LedgerEvent
from .meter import Meter


def grant(ledger: Ledger, meter: Meter, user: str, project: str, bits: float, by: str, now: datetime) -> float:
    """Grant bits; returns what the member has left today. Raises SiteError."""
    with ledger.transaction():
        ledger.append(LedgerEvent.grant, {"user": user, "project": project, "bits": bits, "by": by}, now)
        return meter.grant(user, project, bits, by)
