"""Limit how much one link may send over time. Excess waits, and delays only that link.

Written by hand: the library ``limits`` counts hits in windows of the wall clock and only answers yes or no. It cannot overdraw and wait.
"""

from dataclasses import dataclass


@dataclass
class TokenBucket:
    """A bucket of ``burst`` units that refills at ``per_second``. A caller may take more than is in it, and waits afterwards."""

    burst: float
    per_second: float
    _taken: float = 0.0
    _at: float = 0.0

    def wait(self, units: float, now: float) -> float:
        """Take units; returns the seconds to wait before the next may be taken."""
        self._taken = max(0.0, self._taken - (now - self._at) * self.per_second) + units
        self._at = now
        return max(0.0, (self._taken - self.burst) / self.per_second)
