"""Where the sets of a question stand: beside those that everybody knows, and beside the memory."""

from dataclasses import dataclass, replace

from twinpane_broker.cells.person_sets import PersonSet, near
from twinpane_broker.evidence.table import Index
from twinpane_broker.memory import AS_FEW, NO_TOTALS, PERSONS, REFUSED, StandIn, Standing, Totals
from twinpane_broker.rules.cell_key import Counter
from twinpane_broker.rules.sdc_rules import threshold_rule

from .beside import Beside
from .known_around import KnownAround, KnownSet
from .known_regions import KnownRegions, Part
from .set_names import SetNames


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
            return self._near(known, kept)
        totals = self.names.around(kept, cell) | wider
        if self.regions is not None:
            return self._together(self.regions.parts(who, kept, cell), name, totals)
        return self.beside.places(who, name, PERSONS, totals)

    def _near(self, known: KnownSet, kept: tuple[int, ...]) -> Standing:
        if len(known.who) < self.counter.rules.threshold + known.distance - 1:
            return AS_FEW
        stand_in = StandIn(known.who, len(known.who), known.name, is_known=True, by_another=known.by_another)
        if kept:
            # The memory is not asked about a cell's: beside the other cells it would see whether the two are equal.
            return Standing(False, stand_in)
        standing = self.beside.places(known.who, known.name, PERSONS, known.totals)
        if standing.stand_in is not None:
            return replace(standing, stand_in=replace(standing.stand_in, is_known=True, by_another=True))
        if not standing.admitted:
            return standing
        self.beside.stands_in(known.who)
        return Standing(False, stand_in)

    def _together(self, parts: tuple[Part, ...], name: bytes, totals: Totals) -> Standing:
        """What a reader can add up who asks for each part alone. A part of few adds nobody, known or not."""
        who, persons, released, rests_on = PersonSet(), 0, list[PersonSet](), list[PersonSet]()
        for part in parts:
            named = name + part.name
            if part.region is not None and _is_like(part.who, part.region, self.beside.distance(named)):
                if part.is_sure or len(part.region) >= self.counter.rules.threshold + self.beside.distance(named) - 1:
                    who, persons = who | part.region, persons + len(part.region)
                continue
            standing = self.beside.places(part.who, name, PERSONS, Totals(total + part.name for total in totals), part.name)
            stand_in = StandIn(part.who, len(part.who)) if standing.admitted else standing.stand_in
            if stand_in is None and not standing.as_few:
                return REFUSED
            if stand_in is not None:
                who, persons = who | stand_in.who, persons + self.counter.shown(stand_in.who, stand_in.persons)
                rests_on += stand_in.rests_on
            if standing.admitted and part.who:
                released.append(part.who)
        if not threshold_rule(persons, self.counter.rules.threshold):
            return AS_FEW
        return Standing(
            False,
            StandIn(who, persons, is_known=True, parts=max(1, len(parts)), released=tuple(released), rests_on=tuple(rests_on)),
        )


def _is_like(one: PersonSet, other: PersonSet, distance: int) -> bool:
    return one == other or near(one, other, distance)
