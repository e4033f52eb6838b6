"""The account of what was released: of how many sets of persons each attribute was told.

Linear reconstruction solves released numbers for the persons. Of an attribute that its attacker knows nothing about, the mean share of the
variance that numbers about Q sets of n persons explain is at most Q / n, whatever the sets, and however exact the numbers: it is the rank
of the sets, divided by n. So the account counts sets, by their descriptions, and never looks at who is in them. What it refuses, and what
is left, follows from the questions alone. Source: Dinur and Nissim 2003; the bound is that of the posterior variance in Gaussian
regression, the effective degrees of freedom (Hastie, Tibshirani and Friedman 2009, 3.4.1).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

NAME = 8
"""Bytes of a set's name that are kept."""
Charge = Mapping[str, frozenset[bytes]]
"""By attribute, the names of the sets that it is told of."""


class BadCharge(ValueError):
    """Bytes that are no charge."""


@dataclass(frozen=True)
class Overdrawn:
    """Why a charge is refused: the attribute that has least room for it."""

    attribute: str
    told: int
    """Sets that it was told of."""
    more: int
    """Sets that the charge adds."""


class Account:
    """Which sets each attribute was told of, in all projects and snapshots of a site."""

    def __init__(self) -> None:
        self._told: dict[str, set[bytes]] = {}
        self.charges = 0
        """How many were added."""

    @property
    def told(self) -> dict[str, int]:
        """Of how many sets each attribute was told."""
        return {attribute: len(names) for attribute, names in self._told.items()}

    def told_with(self, charge: Charge) -> dict[str, int]:
        """Of how many sets each attribute of a charge was told, with the charge."""
        none = frozenset[bytes]()
        told = ((attribute, names, self._told.get(attribute, none)) for attribute, names in charge.items())
        return {attribute: len(before) + len(names - before) for attribute, names, before in told}

    def new(self, charge: Charge) -> Charge:
        """What of a charge is not charged yet."""
        left = {attribute: names - self._told.get(attribute, frozenset()) for attribute, names in charge.items()}
        return {attribute: names for attribute, names in left.items() if names}

    def overdrawn(self, charge: Charge, most: int) -> Overdrawn | None:
        """The attribute that a charge would take furthest beyond ``most`` sets; None if there is room for all."""
        found = [Overdrawn(attribute, len(self._told.get(attribute, ())), len(names)) for attribute, names in self.new(charge).items()]
        beyond = [one for one in found if one.told + one.more > most]
        return max(beyond, key=lambda one: (one.told + one.more, one.attribute), default=None)

    def add(self, charge: Charge) -> None:
        """Enter a charge."""
        for attribute, names in charge.items():
            self._told.setdefault(attribute, set()).update(names)
        self.charges += 1


def charge_of(told: Mapping[str, set[bytes]]) -> Charge:
    """A charge from the full names of sets."""
    short = {name: _short(name) for name in set[bytes]().union(*told.values())}
    return {attribute: frozenset(short[name] for name in names) for attribute, names in told.items()}


def _short(name: bytes) -> bytes:
    return hashlib.blake2b(name, digest_size=NAME).digest()


def to_bytes(charge: Charge) -> bytes:
    """A charge as bytes, the same for the same charge."""
    return json.dumps({attribute: b"".join(sorted(charge[attribute])).hex() for attribute in sorted(charge)}).encode()


def from_bytes(body: bytes) -> Charge:
    """A charge from its bytes. Raises BadCharge."""
    try:
        told = {attribute: bytes.fromhex(names) for attribute, names in json.loads(body).items()}
    except (AttributeError, TypeError, ValueError):
        raise BadCharge("these bytes are no charge") from None
    return {attribute: frozenset(names[at : at + NAME] for at in range(0, len(names), NAME)) for attribute, names in told.items()}
