"""The steward's retention rule: held outputs and messages of closed sessions are deleted after ``[held] days``."""

from datetime import datetime, timedelta

from .config import HeldPolicy
from .held import HeldStore
from .kinds import Kind
from .ledger import Ledger
from .mailbox import Mailbox


def delete_old(policy: HeldPolicy, ledger: Ledger, held: HeldStore, mailbox: Mailbox, now: datetime) -> int:
    """Delete what is older than the policy says, each kind with its ledger entry; returns how many cells and messages went.

    Meant for once a day. Raises StoreError where the ledger cannot be written: then nothing is deleted.
    """
    before = now - timedelta(days=policy.days)
    count = 0
    for what, delete in (("held", held.purge), ("inbox", mailbox.forget)):
        with ledger.transaction():
            gone = delete(before)
            if gone:
                ledger.append(Kind.purged, {"what": what, "older_than": before.isoformat(timespec="seconds"), "count": gone}, now)
            count += gone
    return count
