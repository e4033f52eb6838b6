"""Splits a question's set by what everybody knows: into regions in each of which the same secret decides who is in it.

*The healthy of five places, and everybody else who came in May* is known but for the healthy of five places. Who knows how many came in May
would add such persons until the number turns in rounding, and so read the number of the healthy exactly; and under exact counts see by
two such questions whether one person is among the healthy. So where conditions join what is known and what is secret by OR, a region of
which everybody, or nearly everybody, is in the set is told apart: what is known of a set adds nothing to what is told of the rest.
"""

from dataclasses import dataclass
from functools import cached_property

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.table import Index, Table, table_of

from .beside import Measured
from .known_plans import grouped, region_plans
from .known_ways import Rest

MOST = 4
"""Regions of a question; one with more is withheld."""
MOST_SPLIT = 256
"""Sets of persons that are looked at to find them."""
Key = frozenset[Rest]
"""The ways in which a person may be in a question, each by what must hold besides what is known; none of them implies another."""


@dataclass(frozen=True)
class Part:
    """What of a set lies in one region."""

    who: PersonSet
    region: PersonSet
    """Whom everybody may know: all persons of the region; and of the cell, if everybody knows who is in that."""
    is_sure: bool
    """Whether everybody of the region is in the set, whatever is secret."""


@dataclass(frozen=True)
class KnownRegions:
    """The regions of a question. Raises EngineError where they are looked at."""

    bound: ResolvedPlan
    measured: Measured

    @cached_property
    def are_too_many(self) -> bool:
        """Whether there are more than are looked at; this follows from what everybody knows."""
        found = self._regions((), ()) if self.are_several else {}
        return found is None or len(found) > MOST

    @property
    def are_several(self) -> bool:
        """Whether what decides who is in the set differs with what is known: it follows from the question alone."""
        return len({rest for _, rest in self._ways}) > 1

    def parts(self, who: PersonSet, kept: tuple[int, ...], cell: Index) -> tuple[Part, ...]:
        """The parts of the set of a cell."""
        found = self._regions(kept, cell)
        regions = (self._regions((), ()) or {}) if found is None else found
        return tuple(Part(who & region, region, found is not None and Rest() in key) for key, region in regions.items())

    @cached_property
    def _ways(self) -> tuple[tuple[ResolvedPlan, Rest], ...]:
        return region_plans(self.bound)

    def _regions(self, kept: tuple[int, ...], cell: Index) -> dict[Key, PersonSet] | None:
        """The persons of a cell, apart by what decides of them; None if the cell is one of something secret, or they are too many."""
        tables = self._tables(kept)
        if tables is None:
            return None
        found: dict[Key, PersonSet] = {}
        for table, (_, rest) in zip(tables, self._ways, strict=True):
            found = _split(found, table.cell(cell).who if kept else table.who, rest)
            if len(found) > MOST_SPLIT:
                return None
        return found

    def _tables(self, kept: tuple[int, ...]) -> tuple[Table, ...] | None:
        if kept not in self._measured_by:
            by_axes = [grouped(known, self.bound, kept) for known, _ in self._ways]
            self._measured_by[kept] = tuple(table_of(known, self.measured(known)) for known in by_axes if known is not None)
        found = self._measured_by[kept]
        return found if len(found) == len(self._ways) else None

    @cached_property
    def _measured_by(self) -> dict[tuple[int, ...], tuple[Table, ...]]:
        return {}


def _split(regions: dict[Key, PersonSet], who: PersonSet, rest: Rest) -> dict[Key, PersonSet]:
    """The regions with one more way in for some persons."""
    found: dict[Key, PersonSet] = {}
    for key, region in (*regions.items(), (Key(), who - PersonSet().union(*regions.values()))):
        inside = region & who
        for of, persons in ((key, region - inside), (_shortest(key | {rest}), inside)):
            if persons:
                found[of] = found.get(of, PersonSet()) | persons
    return found


def _shortest(key: Key) -> Key:
    return Key(rest for rest in key if not any(other < rest for other in key))
