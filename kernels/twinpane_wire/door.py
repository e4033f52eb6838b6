"""Who may hold a connection to something that listens: strangers in bounded numbers, for a bounded time, and the oldest makes room.

A *stranger* is a connection that has shown nothing yet: no whole request, no proof of who it is. Strangers are never refused while
one of them can go in place of the newcomer: of the newcomer's own address first, else of the address that has most. So those who come
and say nothing shut out nobody, and one address crowds itself only. Pure: time comes in as an argument, ending a connection is a call.
"""

import ipaddress
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """How many, and how many seconds."""

    connections: int = 512
    """In all."""
    strangers: int = 128
    """In all."""
    each: int = 32
    """Strangers of one address."""
    seconds: float = 10
    """For which one may be a stranger."""
    served: float = 60
    """For which one request may be served."""


class Door:
    """The connections of one listening socket, in the order they came. ``end`` ends one at once; it is not asked to ``leave`` then."""

    def __init__(self, bounds: Bounds, end: Callable[[Hashable], None]) -> None:
        self.bounds = bounds
        self.turned_away = 0
        """Connections that were ended to make room, or for being too slow."""
        self._end = end
        self._until: dict[Hashable, float | None] = {}
        self._strangers: dict[Hashable, str] = {}
        self._of: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._until)

    def arrive(self, guest: Hashable, address: str, now: float) -> None:
        """A connection was made. ``address`` is empty for one that many come through (a proxy): then its own bound does not hold."""
        self._until[guest] = now + self.bounds.seconds
        self._estrange(guest, address)

    def named(self, guest: Hashable, address: str) -> None:
        """The address behind a proxy is known now."""
        if guest in self._strangers:
            self._forget(guest)
            self._estrange(guest, address)

    def serve(self, guest: Hashable, now: float) -> None:
        """It asked for something, whole, and is being answered."""
        if guest in self._strangers:
            self._forget(guest)
            self._until[guest] = now + self.bounds.served

    def proven(self, guest: Hashable) -> None:
        """It has shown who it is, and may stay."""
        if guest in self._until:
            self._forget(guest)
            self._until[guest] = None

    def wait(self, guest: Hashable, address: str, now: float) -> None:
        """It was answered, and is again one that has asked for nothing."""
        if guest in self._until and guest not in self._strangers:
            self.arrive(guest, address, now)

    def ending(self, guest: Hashable, now: float) -> None:
        """We said good-bye; it has the time of a stranger to take that in."""
        if guest in self._until:
            self._until[guest] = now + self.bounds.seconds

    def leave(self, guest: Hashable) -> None:
        """The connection is gone."""
        self._until.pop(guest, None)
        self._forget(guest)

    def end_late(self, now: float) -> None:
        """End every connection whose time is over."""
        for guest in [guest for guest, until in self._until.items() if until is not None and until <= now]:
            self._turn_away(guest)

    def _estrange(self, guest: Hashable, address: str) -> None:
        self._strangers[guest] = address
        self._of[address] += 1
        if address and self._of[address] > self.bounds.each:
            self._turn_away(self._oldest(address))
        elif len(self._strangers) > self.bounds.strangers or len(self._until) > self.bounds.connections:
            others = self._of - Counter([address])
            self._turn_away(self._oldest(others.most_common(1)[0][0]) if others else guest)

    def _oldest(self, address: str) -> Hashable:
        return next(guest for guest, its in self._strangers.items() if its == address)

    def _forget(self, guest: Hashable) -> None:
        if (address := self._strangers.pop(guest, None)) is not None:
            self._of[address] -= 1
            if not self._of[address]:
                del self._of[address]

    def _turn_away(self, guest: Hashable) -> None:
        self.leave(guest)
        self.turned_away += 1
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
