"""What a site's agent keeps on the disk, together."""

from dataclasses import dataclass

from .attempt_log import AttemptLog
from .held import HeldStore
from .ledger import Ledger
from .mailbox import Mailbox
from .meter import Meter
from .projects import Projects


@dataclass(frozen=True)
class Stores:
    """The agent's stores, on one database."""

    ledger: Ledger
    meter: Meter
    mailbox: Mailbox
    held: HeldStore
    attempts: AttemptLog
    projects: Projects
