"""The sets around those of a question of which everybody may know the size, without asking: they count as released.

*Who weighs 50 kg or more, of those born in 1941 who live in one place*: who knows these thirteen, and that twelve weigh as much, knows the
number but for one of them. *All but the ill of May 1999*, where one known person came in that month, is everybody, or everybody but him.
So a count of a question's set tells of that person: by a refusal, as he is a few; by the mark of a near set; by rounding, where the size
is one at which it turns. So a set that equals such a known set (``known_plans``), or is near it, bears its number, marked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from twinpane_broker.cells.person_sets import PersonSet, near
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.table import Index, Table, table_of

from .beside import Measured
from .known_plans import grouped, known_plans
from .set_names import SetNames


@dataclass(frozen=True)
class KnownSet:
    """A set that counts as released, as a question describes it."""

    who: PersonSet
    name: bytes
    totals: frozenset[bytes]
    distance: int
    """A set for which it stands in lacks fewer of its persons."""
    through: int = 0
    """How many known sets are in between, each of which it stands in for, or the one before does."""


@dataclass(frozen=True)
class KnownAround:
    """The known sets around those of a question."""

    bound: ResolvedPlan
    measured: Measured
    distance: Callable[[bytes], int]
    """At which distance a set of that name is near another."""

    def near(self, who: PersonSet, name: bytes, kept: tuple[int, ...], cell: Index) -> KnownSet | None:
        """The known set that equals that of a cell of some of the question's axes, or is near it; of several the one of fewest conditions.

        If that one equals or is near such a set itself, it would bear the other's number, and so does the cell. Raises EngineError.
        """
        found, wider, apart, through = None, self._around(kept), 1, -1
        while (next_one := self._nearest(who, name, wider, cell)) is not None:
            place, apart, through = next_one, apart + self.distance(name) - 1, through + 1
            who, name = wider[place].who(cell), wider[place].name(cell)
            found, wider = KnownSet(who, name, wider[place].totals(cell), apart, through), wider[:place]
        return found

    def _nearest(self, who: PersonSet, name: bytes, wider: "tuple[_Around, ...]", cell: Index) -> int | None:
        distance = self.distance(name)
        for place, known in enumerate(wider):
            if known.name(cell) == name:  # those that follow choose no more persons
                return None
            other = known.who(cell)
            if other and abs(len(other) - len(who)) < distance and (other == who or near(other, who, distance)):
                return place
        return None

    def _around(self, kept: tuple[int, ...]) -> "tuple[_Around, ...]":
        if kept not in self._found:
            by_axes = (grouped(known, self.bound, kept) for known in self._plans or ())
            self._found[kept] = tuple(_Around(known, self.measured) for known in by_axes if known is not None)
        return self._found[kept]

    @property
    def are_too_many(self) -> bool:
        """Whether there are more known sets than are looked at."""
        return self._plans is None

    @cached_property
    def _plans(self) -> tuple[ResolvedPlan, ...] | None:
        return known_plans(self.bound)

    @cached_property
    def _found(self) -> "dict[tuple[int, ...], tuple[_Around, ...]]":
        return {}


@dataclass(frozen=True)
class _Around:
    """A known question, and its cells, measured when they are looked at."""

    bound: ResolvedPlan
    measured: Measured

    def name(self, cell: Index) -> bytes:
        return self._names.of(self._kept, cell)

    def totals(self, cell: Index) -> frozenset[bytes]:
        return self._names.around(self._kept, cell)

    def who(self, cell: Index) -> PersonSet:
        return self._table.cell(cell).who if self._kept else self._table.who

    @property
    def _kept(self) -> tuple[int, ...]:
        return tuple(range(len(self.bound.axes)))

    @cached_property
    def _names(self) -> SetNames:
        return SetNames(self.bound)

    @cached_property
    def _table(self) -> Table:
        return table_of(self.bound, self.measured(self.bound))
