"""Who may hold a connection to something that listens: strangers in bounded numbers, for a bounded time, and the oldest makes room.

A *stranger* is a connection that has shown nothing yet: no whole request, no proof of who it is. Strangers are never refused while
one of them can go in place of the newcomer: of the newcomer's own address first, else of the address that has most. So those who come
and say nothing shut out nobody, and one address crowds itself only. What a proxy says of addresses counts among its own strangers, who
have a bound in all: who connects directly is crowded by none of them, not by the same address either. Pure: time comes in as an argument,
ending a connection is a call.
"""

import ipaddress
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar


@dataclass(frozen=True)
class Bounds:
    """How many, and how many seconds."""

    connections: int = 512
    """In all."""
    strangers: int = 128
    """In all."""
    each: int = 32
    """Strangers of one address."""
    through: int = 96
    """Strangers who come through one proxy, whatever addresses it names."""
    seconds: float = 10
    """For which one may be a stranger."""
    served: float = 60
    """For which one request may be served."""


LOOPBACK = frozenset({"127.0.0.1", "::1"})
"""Where our own proxy connects from. The gates of researchers' servers connect from another address of this machine's own."""
Place = tuple[str, str]
"""The proxy that a connection came through, empty where none, and its address, empty where not known."""
Guest = TypeVar("Guest", bound=Hashable)


class ConnectionLimiter(Generic[Guest]):
    """The connections of one listening socket, in the order they came. ``end`` ends one at once; it is not asked to ``leave`` then."""

    def __init__(self, bounds: Bounds, end: Callable[[Guest], None]) -> None:
        self.bounds = bounds
        self._end = end
        self._until: dict[Guest, float | None] = {}
        self._strangers: dict[Guest, Place] = {}
        self._of: Counter[Place] = Counter()

    def __len__(self) -> int:
        return len(self._until)

    def arrive(self, guest: Guest, address: str, now: float, through: str = "") -> None:
        """A connection was made, ``through`` a proxy or none. ``address`` is empty while not known, and then has no bound of its own."""
        self._until[guest] = now + self.bounds.seconds
        self._estrange(guest, (through, address))

    def named(self, guest: Guest, address: str) -> None:
        """The address behind a proxy is known now."""
        if guest in self._strangers:
            through, _ = self._strangers[guest]
            self._forget(guest)
            self._estrange(guest, (through, address))

    def serve(self, guest: Guest, now: float) -> None:
        """It asked for something, whole, and is being answered."""
        if guest in self._strangers:
            self._forget(guest)
            self._until[guest] = now + self.bounds.served

    def proven(self, guest: Guest) -> None:
        """It has shown who it is, and may stay."""
        if guest in self._until:
            self._forget(guest)
            self._until[guest] = None

    def wait(self, guest: Guest, address: str, now: float, through: str = "") -> None:
        """It was answered, and is again one that has asked for nothing."""
        if guest in self._until and guest not in self._strangers:
            self.arrive(guest, address, now, through)

    def ending(self, guest: Guest, now: float) -> None:
        """We said good-bye; it has the time of a stranger to take that in."""
        if guest in self._until:
            self._until[guest] = now + self.bounds.seconds

    def leave(self, guest: Guest) -> None:
        """The connection is gone."""
        self._until.pop(guest, None)
        self._forget(guest)

    def end_late(self, now: float) -> None:
        """End every connection whose time is over."""
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
        """End the oldest of the place that has most, the newcomer itself only where there is no other."""
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
    """What counts as one address: of IPv6 the /64 that one customer has; what is no address is itself."""
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
    """The address of who comes through our proxies: the last of ``X-Forwarded-For`` that no proxy of ours wrote; empty where unknown."""
    for address in (peer, *(part.strip() for part in reversed(forwarded.split(",")))):
        if address and address not in proxies:
            return address
    return ""
