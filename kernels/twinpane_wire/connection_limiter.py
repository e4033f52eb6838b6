"""Limit the connections to a listening socket: strangers in bounded number, for a bounded time; the oldest makes room for a newcomer.

A *stranger* is a connection that has shown nothing yet: no whole request, no proof of who it is. A newcomer is refused only if no other
stranger can be ended in its place. If the newcomer's address has too many strangers, its oldest is ended. If there are too many in all,
the oldest of the address that has most is. So silent connections shut nobody out, and one address crowds only itself. An address that a
proxy names counts only among that proxy's strangers, which have a bound of their own. So a proxy's strangers never crowd a direct
connection, not even one from the same address. The limiter is pure: time is an argument, and ending a connection is a call.
"""

import ipaddress
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar


@dataclass(frozen=True)
class Bounds:
    """The most connections, and the longest times."""

    connections: int = 512
    """All connections."""
    strangers: int = 128
    """All strangers."""
    each: int = 32
    """Strangers of one address."""
    through: int = 96
    """Strangers who come through one proxy, whatever addresses it names."""
    seconds: float = 10
    """Seconds that a connection may be a stranger."""
    served: float = 60
    """Seconds that one request may be served."""


LOOPBACK = frozenset({"127.0.0.1", "::1"})
"""Where our own proxy connects from. The gates of researchers' servers connect from another address of this machine."""
Place = tuple[str, str]
"""The proxy that a connection came through (empty where none), and the connection's address (empty where unknown)."""
Guest = TypeVar("Guest", bound=Hashable)


class ConnectionLimiter(Generic[Guest]):
    """The connections of one listening socket, in order of arrival. ``end`` ends one at once; do not call ``leave`` for it then."""

    def __init__(self, bounds: Bounds, end: Callable[[Guest], None]) -> None:
        self.bounds = bounds
        self._end = end
        self._until: dict[Guest, float | None] = {}
        self._strangers: dict[Guest, Place] = {}
        self._of: Counter[Place] = Counter()

    def __len__(self) -> int:
        return len(self._until)

    def arrive(self, guest: Guest, address: str, now: float, through: str = "") -> None:
        """A connection was made, ``through`` a proxy or none. While ``address`` is unknown it is empty and has no bound of its own."""
        self._until[guest] = now + self.bounds.seconds
        self._estrange(guest, (through, address))

    def named(self, guest: Guest, address: str) -> None:
        """The address behind a proxy became known."""
        if guest in self._strangers:
            through, _ = self._strangers[guest]
            self._forget(guest)
            self._estrange(guest, (through, address))

    def serve(self, guest: Guest, now: float) -> None:
        """The connection's request is whole and is being answered."""
        if guest in self._strangers:
            self._forget(guest)
            self._until[guest] = now + self.bounds.served

    def proven(self, guest: Guest) -> None:
        """The connection has proven who it is, and may stay."""
        if guest in self._until:
            self._forget(guest)
            self._until[guest] = None

    def wait(self, guest: Guest, address: str, now: float, through: str = "") -> None:
        """The connection was answered, and is a stranger again until its next request."""
        if guest in self._until and guest not in self._strangers:
            self.arrive(guest, address, now, through)

    def ending(self, guest: Guest, now: float) -> None:
        """We are closing the connection; the other end has a stranger's time to take that in."""
        if guest in self._until:
            self._until[guest] = now + self.bounds.seconds

    def leave(self, guest: Guest) -> None:
        """The connection is gone."""
        self._until.pop(guest, None)
        self._forget(guest)

    def end_late(self, now: float) -> None:
        """End every connection whose time is up."""
        for guest in [guest for guest, until in self._until.items() if until is not None and until <= now]:
            self._turn_away(guest)

    def _estrange(self, guest: Guest, place: Place) -> None:
        self._strangers[guest] = place
        self._of[place] += 1
        through, address = place
        beside = Counter({its: count for its, count in self._of.items() if its[0] == through}) if through else Counter()
        if address and self._of[place] > self.bounds.each:
            self._turn_away(self._oldest(place))
        elif beside.total() > self.bounds.through:
            self._make_room(guest, beside)
        elif len(self._strangers) > self.bounds.strangers or len(self._until) > self.bounds.connections:
            self._make_room(guest, self._of)

    def _make_room(self, guest: Guest, among: Counter[Place]) -> None:
        """End the oldest stranger of the place that has most; end the newcomer only where there is no other stranger."""
        others = among - Counter([self._strangers[guest]])
        self._turn_away(self._oldest(others.most_common(1)[0][0]) if others else guest)

    def _oldest(self, place: Place) -> Guest:
        return next(guest for guest, its in self._strangers.items() if its == place)

    def _forget(self, guest: Guest) -> None:
        if (place := self._strangers.pop(guest, None)) is not None:
            self._of[place] -= 1
            if not self._of[place]:
                del self._of[place]

    def _turn_away(self, guest: Guest) -> None:
        self.leave(guest)
        self._end(guest)


def neighbourhood(address: str) -> str:
    """What counts as one address: for IPv6 the /64 network, which one customer has. A text that is not an IP address stays as it is."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def behind(peer: str, forwarded: str, proxies: frozenset[str]) -> str:
    """The client's address behind our proxies: the last in ``X-Forwarded-For`` that is not one of ``proxies``; empty where unknown."""
    for address in (peer, *(part.strip() for part in reversed(forwarded.split(",")))):
        if address and address not in proxies:
            return address
    return ""
