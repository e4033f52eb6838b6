"""How much one link may say over time: what is beyond it waits, and holds back that link alone.

By hand, as the library limits counts hits in windows of the machine's clock, and says yes or no: nothing there is owed and waited for.
"""

from dataclasses import dataclass


@dataclass
class TokenBucket:
    """A bucket of ``burst`` units that fills with ``per_second``; one may take more than is in it, and waits for it afterwards."""

    burst: float
    per_second: float
    _taken: float = 0.0
    _at: float = 0.0

    def wait(self, units: float, now: float) -> float:
        """Take units; returns the seconds to wait before the next may be taken."""
        self._taken = max(0.0, self._taken - (now - self._at) * self.per_second) + units
        self._at = now
        return max(0.0, (self._taken - self.burst) / self.per_second)
