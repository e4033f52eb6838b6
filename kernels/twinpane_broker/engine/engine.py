"""Engines measure the evidence of a question. Each answers the same questions with the same numbers."""

from typing import Protocol

from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.evidence import Evidence


class Engine(Protocol):
    """What the broker needs of an engine; called from many threads at once."""

    def measure(self, bound: ResolvedPlan) -> Evidence:
        """The evidence of a checked question; raises EngineError, whose text says nothing of the data or of the engine's own."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
