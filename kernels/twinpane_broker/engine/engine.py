"""Engines measure the evidence of a question. Each answers the same questions with the same numbers."""

from typing import Protocol

from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.evidence import Evidence


class Engine(Protocol):
    """What the broker needs of an engine; called from many threads at once."""

    def measure(self, bound: ResolvedPlan) -> Evidence:
        """The evidence of a checked question. Raises EngineError, whose text repeats neither data nor the engine's own message."""
        ...

    @property
    def unlisted_codes(self) -> frozenset[int]:
        """Whole-number codes that the data hold and the catalogue does not approve. They help to resolve code sets, inside."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
