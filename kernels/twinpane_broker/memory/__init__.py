"""The broker's memory: the answer to every question, the person set behind every released number, and how many answers were withheld.

The same question gets the same bytes; a question whose answer could be differenced with earlier ones is refused.
"""

from .account import Account, Charge, Overdrawn, charge_of
from .in_process import InProcessMemory
from .memory import ADMITTED, AS_FEW, NO_TOTALS, PERSONS, QUANTILES, REFUSED, Decision, Memory, StandIn, Standing, Totals
from .proof import release_id, releases_unknown, require_whole_memory, rows_forgotten
from .records import DamagedMemory
from .sqlite_memory import SqliteMemory, sets_told

__all__ = [
    "ADMITTED",
    "AS_FEW",
    "NO_TOTALS",
    "PERSONS",
    "QUANTILES",
    "REFUSED",
    "Account",
    "Charge",
    "DamagedMemory",
    "Decision",
    "InProcessMemory",
    "Memory",
    "Overdrawn",
    "SqliteMemory",
    "StandIn",
    "Standing",
    "Totals",
    "charge_of",
    "release_id",
    "releases_unknown",
    "require_whole_memory",
    "rows_forgotten",
    "sets_told",
]  # fmt: skip
