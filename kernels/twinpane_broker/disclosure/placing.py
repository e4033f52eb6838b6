"""Where the sets of a question stand: beside those that everybody knows, and beside the memory."""

from dataclasses import dataclass, replace
from math import ceil

from twinpane_broker.cells.person_sets import PersonSet, near
from twinpane_broker.evidence.table import Index
from twinpane_broker.memory import AS_FEW, NO_TOTALS, PERSONS, StandIn, Standing, Totals
from twinpane_broker.rules.cell_key import Counter

from .beside import Beside
from .known_around import KnownAround, KnownSet
from .known_regions import KnownRegions, Part
from .set_names import SetNames

MOST_STEPS = 2
"""By how many times as many persons as from a near set a number may differ from the true one, as the notes say."""
OTHERS = b"others"
"""Those of a set who are in none of the regions that are known."""


@dataclass(frozen=True)
class Placing:
    """Places the sets of a question."""

    names: SetNames
    beside: Beside
    around: KnownAround | None
    """None where the table is another set's."""
    regions: KnownRegions | None
    """None where the same secret decides of everybody who is in a set."""
    counter: Counter

    def place(self, who: PersonSet, kept: tuple[int, ...], cell: Index, wider: Totals = NO_TOTALS) -> Standing:
        """Where the set of a cell of these axes stands; ``wider``: the names of wider bins that count as totals. Raises EngineError."""
        name = self.names.of(kept, cell)
        known = self.around.near(who, name, kept, cell) if self.around is not None else None
        if known is not None:
            return _sayable(self._near(known, kept))
        totals = self.names.around(kept, cell) | wider
        if self.regions is not None:
            return _sayable(self._together(who, self.regions.parts(who, kept, cell), name, totals))
        return self.beside.places(who, name, PERSONS, totals)

    def _near(self, known: KnownSet, kept: tuple[int, ...]) -> Standing:
        if len(known.who) < self.counter.rules.threshold + known.distance - 1:
            return AS_FEW
        stand_in = StandIn(known.who, len(known.who), known.name, is_known=True, more=known.through)
        if kept:
            # The memory is not asked about a cell's: beside the other cells it would see whether the two are equal.
            return Standing(False, stand_in)
        standing = self.beside.places(known.who, known.name, PERSONS, known.totals)
        if (another := standing.stand_in) is not None:
            return replace(standing, stand_in=replace(another, is_known=True, more=another.more + known.through + 1))
        if not standing.admitted:
            return standing
        self.beside.stands_in(known.who)
        return Standing(False, stand_in)

    def _together(self, who: PersonSet, parts: tuple[Part, ...], name: bytes, totals: Totals) -> Standing:
        """What a reader can add up who knows the regions of which nearly all are in the set, and asks for the others."""
        k, distance = self.counter.rules.threshold, self.beside.distance(name)
        full = [part for part in parts if _is_like(part.who, part.region, distance)]
        # A set near so small a region might be one of few persons, or of nobody: such a region counts as nobody, if it is not in for sure.
        known = [part.region for part in full if part.is_sure or len(part.region) >= k + distance - 1]
        if not full:
            return self.beside.places(who, name, PERSONS, totals)
        persons, left = sum(map(len, known)), who - PersonSet().union(*(part.region for part in full))
        off = sum(min(len(part.region), self.counter.rules.most_about) for part in full if not part.is_sure and part.region in known)
        off += sum(len(part.region) for part in full if part.region not in known)
        if len(left) < distance:
            # So few look like nobody.
            whole = StandIn(PersonSet().union(*known), persons, is_known=True, more=self._more(off + distance - 1))
            return Standing(False, whole) if persons >= k + distance - 1 else AS_FEW
        standing = self.beside.places(left, name, PERSONS, totals, OTHERS)
        told = StandIn(left, len(left)) if standing.admitted else standing.stand_in
        if told is None:
            return standing
        off += 0 if standing.admitted else told.steps * self.counter.rules.most_about
        return Standing(
            False,
            StandIn(
                told.who.union(*known), persons + self.counter.shown(told.who, told.persons), is_known=True, more=self._more(off),
                released=(left,) if standing.admitted else (), rests_on=told.rests_on,
            ),
        )  # fmt: skip

    def _more(self, off: int) -> int:
        """What makes a sum's steps (``StandIn.steps``) those of a number that may be off by so many persons."""
        return max(1, ceil(off / self.counter.rules.most_about)) - 2


def _sayable(standing: Standing) -> Standing:
    """Of a number that may differ by more than readers are told, nothing is told: it looks like one of few persons."""
    return AS_FEW if standing.stand_in is not None and standing.stand_in.steps > MOST_STEPS else standing


def _is_like(one: PersonSet, other: PersonSet, distance: int) -> bool:
    return one == other or near(one, other, distance)
