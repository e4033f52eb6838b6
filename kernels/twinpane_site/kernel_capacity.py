"""Limits how many inside kernels live, without telling when one died.

A session takes a place from the moment its kernel may start until a fixed time after its closing; by then the kernel has been killed. So
only actions of the outside determine when a place is free. If a kernel outlives that time, nobody gets a place for an hour. Then
``unavailable`` tells everybody the same, at most once an hour, and the steward's log says so.
"""

from dataclasses import dataclass, replace

FREE_S = 20.0
"""Seconds from a session's closing until its place is free: what a killed kernel has to be dead by. The slowest that we could build within
the default policy, 225 processes of 65,000 mappings each, took 6.4 s."""
SHUT_S = 3600.0
"""Seconds that nobody gets a place once a kernel was found alive after its time: that it was is told, and no more often than this."""


@dataclass(frozen=True)
class _Place:
    start: float
    free: float | None = None
    dead: bool = False

    def taken(self, at: float) -> bool:
        return self.start <= at and (self.free is None or at < self.free)


class KernelCapacity:
    """At most ``most`` places at any time. Times are monotonic seconds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._places: dict[str, _Place] = {}
        self._shut_until = -1.0

    def take(self, session: str, now: float) -> float | None:
        """When the session's kernel may start: now, or once a place is free; None if none will be free."""
        self._forget(now)
        moments = sorted({now, *(place.free for place in self._places.values() if place.free is not None and place.free > now)})
        start = next((at for at in moments if self._room(at)), None)
        if start is not None:
            self._places[session] = _Place(start)
        return start

    def close(self, session: str, now: float) -> None:
        """Close the session. Its place is free at a fixed time from now, or at once if its kernel was not due to start yet."""
        place = self._places.get(session)
        if place is None:
            return
        if place.start > now:
            del self._places[session]
        else:
            self._places[session] = replace(place, free=now + FREE_S)

    def dead(self, session: str) -> None:
        """The session's kernel is dead, or never lived."""
        if session in self._places:
            self._places[session] = replace(self._places[session], dead=True)

    def stuck(self, now: float) -> bool:
        """Whether a kernel lives that should be dead by now, or one was found within the last hour."""
        if any(place.free is not None and place.free <= now and not place.dead for place in self._places.values()):
            self._shut_until = now + SHUT_S
        return now < self._shut_until

    def _room(self, at: float) -> bool:
        # Sessions that were promised a later start have a claim on this place as well.
        later = sum(place.start > at for place in self._places.values())
        return sum(place.taken(at) for place in self._places.values()) + later < self._most

    def _forget(self, now: float) -> None:
        gone = [session for session, place in self._places.items() if place.dead and place.free is not None and place.free <= now]
        for session in gone:
            del self._places[session]
