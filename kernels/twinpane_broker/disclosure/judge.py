"""Decides which evidence may be released: first the rules, then the memory and secondary suppression, and rounding last.

Always apply thresholds before rounding. The pattern of suppressed cells depends on the grouping, on its persons and rows, and on earlier
releases. It never depends on the measures asked for. Dominance alone suppresses single numbers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import product
from typing import Annotated

from pydantic import Field

from twinpane_broker.aggregates.value import About, Count, Value
from twinpane_broker.cells.cell_evidence import CellEvidence
from twinpane_broker.cells.person_sets import PersonSet, fingerprint, near
from twinpane_broker.check.described_sets import totals, within_axes
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.evidence.table import Index, Line, Table, table_of
from twinpane_broker.memory import REFUSED, StandIn, Standing, Totals
from twinpane_broker.model import Closed
from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.question.plan import MAX_ROWS
from twinpane_broker.release.account_line import AccountLines
from twinpane_broker.release.release import Row
from twinpane_broker.rules.cell_key import CoarseCounter, Counter
from twinpane_broker.rules.policy import Rules
from twinpane_broker.rules.sdc_rules import threshold_rule

from .beside import Beside
from .conditions import conditions_are_safe, known_conditions_are_safe
from .held_numbers import Numbers, Told
from .known_around import KnownAround
from .known_plans import is_known_beside
from .known_regions import KnownRegions
from .known_values import KnownValues
from .placing import Placing
from .row_base import NOBODY_OFTEN, coarse_row_base, row_base
from .secondary_suppression import SuppressionPattern, ToldTotal
from .set_names import SetNames
from .stand_in_table import table_of_stand_in


class Answer(Closed):
    """What the broker remembers of a question: its released cells, or, as an answer without rows, that it was withheld."""

    persons: Count | None = None
    about: About = False
    rows: Annotated[tuple[Row, ...], Field(max_length=MAX_ROWS)] = ()
    account: AccountLines = ()
    """The attributes that it tells of, when it was given."""
    row_base: Annotated[int, Field(ge=1)] | None = None
    """What its numbers of rows and values are rounded to."""

    @cached_property
    def body(self) -> bytes:
        """Its canonical form."""
        return self.canonical()

    @property
    def withheld(self) -> bool:
        """Whether the data refused."""
        return not self.rows


@dataclass(frozen=True)
class Judged:
    """An answer with its person sets: those that shown numbers are about, and those that follow from several shown numbers."""

    answer: Answer
    released: tuple[PersonSet, ...] = field(default=(), repr=False)
    values: Mapping[str, tuple[PersonSet, ...]] = field(default_factory=dict, repr=False)
    """By kind of number, those of whose values or rows something is told."""


WITHHELD = Judged(Answer())
TOTAL = Category(kind=CategoryKind.total)


def judge(
    bound: ResolvedPlan, evidence: Evidence, rules: Rules, beside: Beside, secret: bytes = b"", names: SetNames | None = None
) -> Judged:
    """The answer to a question under the rules; ``WITHHELD`` if nothing of it may be released.

    The memory is asked in a fixed order: for the question's persons; for the table's cells and the unions that follow from them; for
    the cells and unions of the totals; for the persons with values. If another set stands in for the question's persons, the table is
    that set's where it can be made. ``names`` are those of the question's sets, if they were made before. Raises
    PolicyError if the rules need a ``secret`` and there is none, and EngineError.
    """
    names = names or SetNames(bound)
    about, described = False, names
    # A reader could compare the question with and without a condition; one that leaves out a few known persons would single them out.
    if not known_conditions_are_safe(bound, beside.measured, rules) or not conditions_are_safe(bound, evidence, rules):
        return WITHHELD
    around = KnownAround(bound, beside.measured, beside.distance)
    if around.are_too_many or (regions := KnownRegions(bound, beside.measured)).are_too_many:
        return WITHHELD
    known = KnownValues(bound, beside.measured, rules)
    often = known.often if bound.plan.measures and not evidence.one_row_each else NOBODY_OFTEN
    counter = Counter(rules, secret, row_base(bound, rules, often))
    asked_of = Placing(names, beside, around, regions if regions.are_several else None, counter)
    standing = asked_of.place(evidence.who, (), ())
    whole = StandIn(evidence.who, evidence.persons) if standing.admitted else standing.stand_in
    if whole is None or not threshold_rule(whole.persons, rules.threshold):
        return WITHHELD
    of_another = not (standing.admitted or whole.is_sum)
    if of_another and (of_stand_in := table_of_stand_in(bound, evidence, whole.who, beside.measured)) is not None:
        beside.instead(whole.who)
        evidence, about, names = of_stand_in, True, SetNames(bound, whole.said or fingerprint(whole.who))
        asked_of = Placing(names, beside, None, None, counter)
    coarse = CoarseCounter(rules, secret, coarse_row_base(bound, rules, often))
    total = ToldTotal(evidence.who, evidence.persons) if about else ToldTotal(whole.who, whole.persons, standing.admitted)
    stand_in = whole if about else None
    asked = _Asked(bound, rules, counter, coarse, names, described, evidence.one_row_each, stand_in, beside, known, total, asked_of)
    full = asked.settled(table_of(bound, evidence))
    if full is None:
        return WITHHELD
    tables = {full.table.kept: full}
    for kept in totals(bound, full.table.kept):
        tables[kept] = asked.settled(full.table.over(kept)) or asked.nothing_of(full.table.over(kept))
    shown = [part for kept, part in tables.items() if bound.plan.margins or part is full]
    for part in shown:
        part.left_over = part.holes.left_over(partial(asked.total_of, part.table, tables if bound.plan.margins else {}))
    rows = {part.table.kept: asked.rows(part, tables) for part in shown}
    # A sum of released numbers tells of no set of its own.
    released = [whole.who] if standing.admitted or not whole.is_sum else [*whole.released]
    values = dict[str, tuple[PersonSet, ...]]()
    for part in tables.values():
        released += part.released
        for kind, sets in part.values.items():
            values[kind] = (*values.get(kind, ()), *sets)
    told = tuple(_in_order(bound, rows, full.table.kept))
    persons = counter.shown(whole.who, whole.persons)
    answer = Answer(persons=persons, about=not standing.admitted, rows=told, row_base=counter.row_base)
    return Judged(answer, tuple(released), values)


@dataclass
class _Part:
    """A table with its suppressed cells, and the evidence behind it."""

    table: Table
    holes: SuppressionPattern
    released: list[PersonSet]
    stand_in: StandIn | None
    """Whose table it is, if another set's."""
    values: dict[str, list[PersonSet]] = field(default_factory=dict)
    left_over: dict[Index, StandIn] = field(default_factory=dict)
    """A companion with what a reader can subtract from the total for it; nothing else is told of it."""

    def told(self, cell: Index) -> Told | None:
        """What may be told of a cell: its own evidence, or its stand-in's; None if it is suppressed."""
        if stand_in := self.holes.stand_ins.get(cell) or self.left_over.get(cell):
            seen = CellEvidence(stand_in.who, stand_in.persons, largest=1, second=1, counted=stand_in.persons)
            return self._told(seen, stand_in, alone=cell in self.left_over)
        return None if cell in self.holes else self._told(self.table.cell(cell), self.stand_in)

    def _told(self, seen: CellEvidence, stand_in: StandIn | None, alone: bool = False) -> Told:
        slack = (stand_in.steps if stand_in is not None else 1) * self.holes.rules.most_about
        if stand_in is None:
            return Told(seen, fewest=seen.persons - slack)
        return Told(seen, about=True, fewest=seen.persons - slack, known=stand_in.is_known, alone=alone)


@dataclass
class _Asked:
    """A question that is judged."""

    bound: ResolvedPlan
    rules: Rules
    counter: Counter
    coarse: CoarseCounter
    names: SetNames
    described: SetNames
    """The names of the sets that the question itself describes, whose values are told even in the table of a stand-in."""
    one_row_each: bool
    stand_in: StandIn | None
    """Whose the table is, if another set's."""
    beside: Beside
    known: KnownValues
    total: ToldTotal
    """What is told of the question's persons."""
    placing: Placing

    def settled(self, table: Table) -> _Part | None:
        """The table with enough cells suppressed that rules and memory allow the rest; None if too little is left."""
        holes = SuppressionPattern(table, self.bound, self.rules, self.counter.row_base)
        asked: set[Index] = set()
        while holes.close() and not holes.too_many:
            fresh = [cell for cell in holes.left if cell not in asked and table.size(cell)]
            asked.update(fresh)
            stands = {cell: self._places(table, cell) for cell in fresh}
            if refused := {cell: standing for cell, standing in stands.items() if not standing.admitted}:
                holes.refuse(refused)
                continue
            implied, refused_line = self._implied(holes)
            if refused_line is None and (unsupported := holes.unsupported()):
                holes.refuse(unsupported)
                continue
            if refused_line is None:
                own = [table.cell(cell).who for cell in holes.left if table.size(cell)]
                own += [who for stand_in in holes.stand_ins.values() for who in stand_in.released]
                return _Part(table, holes, own + implied, self.stand_in)
            holes.hide_one(refused_line)
        return None

    def _places(self, table: Table, cell: Index) -> Standing:
        # If a wider bin was told before, a bin of it that has nobody would show as one of a few would not. So none may be so small.
        wider = self.names.wider(table.kept, cell)
        made_up = (name for name, cells in wider if all(table.size(each) >= self.rules.threshold for each in cells))
        return self.placing.place(table.cell(cell).who, table.kept, cell, Totals(made_up))

    def total_of(self, table: Table, tables: Mapping[tuple[int, ...], _Part], line: Line) -> ToldTotal | None:
        """What the answer tells of a line's total: that of the question's persons, or of a cell of its ``tables`` with its own number."""
        kept = tuple(axis for place, axis in enumerate(table.kept) if place != line.axis)
        if not kept:
            return self.total
        cell = (*line.shown, *line.outside)[0]
        at, of = cell[: line.axis] + cell[line.axis + 1 :], tables.get(kept)
        if of is None or not of.table.is_shown(at) or at in of.holes:
            return None
        return ToldTotal(of.table.cell(at).who, of.table.size(at))

    def nothing_of(self, table: Table) -> _Part:
        """The table with nothing shown."""
        holes = SuppressionPattern(table, self.bound, self.rules, self.counter.row_base)
        holes.refuse(dict.fromkeys(table.shown, REFUSED))
        return _Part(table, holes, [], self.stand_in)

    def rows(self, part: _Part, tables: dict[tuple[int, ...], _Part]) -> dict[Index, Row]:
        """The rows of a table, by its cells."""
        table, hidden = part.table, set(part.holes.reasons)
        numbers = Numbers(
            table,
            hidden,
            self.bound,
            self.rules,
            self.counter,
            self.coarse,
            self.one_row_each,
            part.told,
            partial(self.described.of, table.kept),
            partial(self.described.around, table.kept),
            self.beside,
            lambda column, cell: self.known.one_shows(column, table.kept, cell),
            partial(is_known_beside, self.bound),
        )
        columns: list[dict[Index, Value]] = []
        for measure in self.bound.plan.measures:
            whole = tables.get(within_axes(self.bound, measure.within, table.kept))
            columns.append(numbers.of(measure, partial(_projected, table=table, whole=whole)))
        part.released += numbers.released
        part.values |= numbers.values
        return {
            cell: Row(
                key=self._key(cell, table.kept),
                persons=self.counter.shown(told.cell.who, told.cell.persons) if told else None,
                about=told is not None and told.about,
                values=tuple(column[cell] for column in columns),
            )
            for cell in table.shown
            for told in [part.told(cell)]
        }

    def _implied(self, holes: SuppressionPattern) -> tuple[list[PersonSet], Line | None]:
        """The unions that follow when a reader adds up a line's shown cells, and the first line whose union the memory refuses.

        If persons are in several cells, a reader can add up rows only. A union that holds all but a few persons of the line is then
        safe: what remains are the rows of suppressed cells, and these belong to enough persons.
        """
        table, implied = holes.table, []
        for line in table.lines:
            cells = [cell for cell in line.shown if cell not in holes and table.size(cell)]
            if len(cells) < 2:
                continue
            union = table.together(cells)
            if not table.adds_up(line):
                whole = table.together((*line.shown, *line.outside))
                if union == whole or near(union, whole, self.rules.threshold):
                    continue
            implied.append(union)
            if not self.beside.admits(union, self.names.together(table.kept, cells), self.names.of_line(table.kept, cells[0], line.axis)):
                return implied, line
        return implied, None

    def _key(self, cell: Index, kept: tuple[int, ...]) -> tuple[Category, ...]:
        at = dict(zip(kept, cell, strict=True))
        return tuple(axis.categories[at[place]] if place in at else TOTAL for place, axis in enumerate(self.bound.axes))


def _projected(cell: Index, table: Table, whole: _Part | None) -> Told | None:
    """The denominator of a cell's share; None if it is suppressed."""
    if whole is None:
        return None
    at = dict(zip(table.kept, cell, strict=True))
    return whole.told(tuple(at[place] for place in whole.table.kept))


def _in_order(bound: ResolvedPlan, rows: dict[tuple[int, ...], dict[Index, Row]], kept: tuple[int, ...]) -> Iterator[Row]:
    """All rows in the order of the table, totals after the categories of their dimension."""
    sizes = [len(axis.categories) for axis in bound.axes]
    for places in product(*(range(size + bound.plan.margins) for size in sizes)):
        of = tuple(axis for axis in kept if places[axis] < sizes[axis])
        yield rows[of][tuple(places[axis] for axis in of)]
