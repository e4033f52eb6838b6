"""Which tables are joined by the key of persons, also by way of others: whom a is joined to who is joined to b, a is joined to."""

from collections.abc import Iterator
from itertools import combinations

from .members import Members
from .scope import OfMembers, Target


class SamePersons:
    """Groups of person keys that are equal on every row."""

    def __init__(self) -> None:
        self._groups: list[list[str | Members]] = []

    def link(self, one: Target, other: Target) -> None:
        """Say that two person keys are equal."""
        both = [_key(one), _key(other)]
        touched = [group for group in self._groups if any(key in group for key in both)]
        self._groups = [group for group in self._groups if group not in touched]
        self._groups.append(list(dict.fromkeys([*(key for group in touched for key in group), *both])))

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Equal keys of two tables each."""
        for group in self._groups:
            yield from combinations([key for key in group if isinstance(key, str)], 2)


def _key(target: Target) -> str | Members:
    if isinstance(target, OfMembers):
        return target.of
    if isinstance(target, str):
        return target
    raise TypeError("a key of persons is a column, or that of a SELECT of persons")
