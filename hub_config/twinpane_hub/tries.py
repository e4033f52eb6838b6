"""Wrong sign-ins, counted: each further one waits longer, and every count goes down again by itself."""

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class _Wrong:
    count: float
    last: float


class Tries:
    """Limit sign-in attempts: after ``free`` wrong ones for a key (a name, an address, a device), each further one waits twice as long.

    A count halves every ``half_life`` seconds, so that a wrong try a day adds up to nothing. ``longest`` bounds the wait. ``clock`` is
    monotonic, in seconds. Written by hand: the library ``limits`` has no doubling wait and uses a clock that can be set.
    """

    def __init__(
        self, clock: Callable[[], float], free: int = 5, first: float = 2, longest: float = 900, half_life: float = 600, most: int = 10_000
    ) -> None:
        self._clock, self._free, self._first, self._longest, self._half_life, self._most = clock, free, first, longest, half_life, most
        self._wrong: dict[str, _Wrong] = {}

    def wait(self, *keys: str) -> float:
        """Seconds until all of these keys may be tried again; 0 means now."""
        return max((self._wait(key) for key in keys), default=0.0)

    def _wait(self, key: str) -> float:
        known = self._wrong.get(key)
        if known is None or known.count <= self._free - 0.5:
            return 0.0
        pause = min(self._longest, self._first * math.exp2(min(known.count - self._free, 20)))
        return max(0.0, known.last + pause - self._clock())

    def _now(self, key: str) -> float:
        known = self._wrong.get(key)
        return 0.0 if known is None else known.count * math.exp2((known.last - self._clock()) / self._half_life)

    def failed(self, *keys: str) -> None:
        """Count a wrong attempt."""
        now = self._clock()
        for key in keys:
            self._wrong[key] = _Wrong(self._now(key) + 1, now)
        if len(self._wrong) > self._most:
            self._wrong = {key: known for key, known in self._wrong.items() if self._now(key) >= 0.5}
        while len(self._wrong) > self._most:  # all of them fresh: the oldest go first
            del self._wrong[min(self._wrong, key=lambda key: self._wrong[key].last)]

    def took_back(self, *keys: str) -> None:
        """Take one wrong attempt back: it was right."""
        for key in keys:
            if key in self._wrong:
                self._wrong[key] = _Wrong(max(0.0, self._now(key) - 1), self._clock())

    def succeeded(self, key: str) -> None:
        """Clear the count after a right password."""
        self._wrong.pop(key, None)
