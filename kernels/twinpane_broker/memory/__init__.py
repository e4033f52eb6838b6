"""What the broker remembers: the answer to every question, the person set behind everything released, and how often data refused.

The same question gets the same bytes; a question whose answer could be differenced with earlier ones is refused.
"""

from .in_process import InProcessMemory
from .memory import Decision, Memory
from .records import DamagedMemory
from .sqlite_memory import SqliteMemory

__all__ = ["DamagedMemory", "Decision", "InProcessMemory", "Memory", "SqliteMemory"]
