"""From evidence to what may be released: rules first, then the memory, secondary suppression, and rounding last.

Thresholds before rounding, always. The pattern of suppressed cells depends on the grouping, its persons and rows, and what was
released before, never on which measures were asked; but for single numbers that persons dominate.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Annotated

from pydantic import Field

from twinpane_broker.aggregates.value import Count, Value
from twinpane_broker.cells.cell_evidence import CellEvidence
from twinpane_broker.cells.person_sets import PersonSet, near
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.evidence import Evidence
from twinpane_broker.evidence.table import Index, Line, Table, subsets, table_of
from twinpane_broker.model import Closed
from twinpane_broker.question.category import Category, CategoryKind
from twinpane_broker.question.plan import MAX_ROWS
from twinpane_broker.release.release import Row
from twinpane_broker.rules.cell_key import Counter
from twinpane_broker.rules.policy import Rules
from twinpane_broker.rules.sdc_rules import complement_rule, threshold_rule

from .conditions import conditions_are_safe
from .held_numbers import AdmitsRows, Numbers
from .secondary import SuppressionPattern

Admits = Callable[[PersonSet], bool]
"""Whether the memory admits a number about exactly these persons; what it admits counts from then on."""


class Answer(Closed):
    """What the broker remembers of a question: its released cells, or that the data withheld it (no rows)."""

    persons: Count | None = None
    rows: Annotated[tuple[Row, ...], Field(max_length=MAX_ROWS)] = ()

    @property
    def withheld(self) -> bool:
        """Whether the data refused."""
        return not self.rows


@dataclass(frozen=True)
class Judged:
    """An answer, and every set of persons that a shown number is about, or that follows from several of them."""

    answer: Answer
    released: tuple[PersonSet, ...] = field(default=(), repr=False)


WITHHELD = Judged(Answer())


def judge(bound: ResolvedPlan, evidence: Evidence, rules: Rules, admits: Admits, admits_rows: AdmitsRows, secret: bytes = b"") -> Judged:
    """The answer to a question under the rules, ``WITHHELD`` where nothing of it may be told.

    ``admits`` is asked in a fixed order: for the question's persons; the table's cells and the unions that follow from them; the same
    for the totals; the persons with values. ``admits_rows`` is asked for numbers of rows and of values that are given. Raises
    PolicyError where the rules need a ``secret`` and there is none.
    """
    counter = Counter(rules, secret)
    if not (
        threshold_rule(evidence.persons, rules.threshold)
        # A condition that leaves out a few persons would single them out against the question without it.
        and complement_rule(evidence.persons, len(evidence.population), rules.threshold)
        and conditions_are_safe(bound, evidence, rules)
        and admits(evidence.who)
    ):
        return WITHHELD
    # Where everybody has one row, numbers of rows are those of persons.
    asked = _Asked(bound, rules, counter, admits, (lambda *_: True) if evidence.one_row_each else admits_rows)
    full = asked.settled(table_of(bound, evidence))
    if full is None:
        return WITHHELD
    tables = {full.table.kept: full}
    for kept in _totals(bound, full.table.kept):
        tables[kept] = asked.settled(full.table.over(kept)) or asked.nothing_of(full.table.over(kept))
    shown = [part for kept, part in tables.items() if bound.plan.margins or part is full]
    rows = {part.table.kept: asked.rows(part, tables) for part in shown}
    released = [evidence.who]
    for part in tables.values():
        released += part.released
    return Judged(
        Answer(persons=counter.shown(evidence.who, evidence.persons), rows=tuple(_in_order(bound, rows, full.table.kept))), tuple(released)
    )


@dataclass
class _Part:
    """A table with its holes, and what stands behind it."""

    table: Table
    holes: SuppressionPattern
    released: list[PersonSet]


@dataclass
class _Asked:
    """A question that is judged."""

    bound: ResolvedPlan
    rules: Rules
    counter: Counter
    admits: Admits
    admits_rows: AdmitsRows

    def settled(self, table: Table) -> _Part | None:
        """The table with holes such that neither rules nor memory object to what is left; None where too little is left."""
        holes = SuppressionPattern(table, self.bound, self.rules)
        asked: set[Index] = set()
        while holes.close() and not holes.too_many:
            fresh = [cell for cell in holes.left if cell not in asked and table.size(cell)]
            asked.update(fresh)
            if refused := [cell for cell in fresh if not self.admits(table.cell(cell).who)]:
                holes.refuse(refused)
                continue
            implied, refused_line = self._implied(holes)
            if refused_line is None:
                return _Part(table, holes, [table.cell(cell).who for cell in holes.left if table.size(cell)] + implied)
            holes.hide_one(refused_line)
        return None

    def nothing_of(self, table: Table) -> _Part:
        """The table with nothing shown."""
        holes = SuppressionPattern(table, self.bound, self.rules)
        holes.refuse(table.shown)
        return _Part(table, holes, [])

    def rows(self, part: _Part, tables: dict[tuple[int, ...], _Part]) -> dict[Index, Row]:
        """The rows of a table, by its cells."""
        table, hidden = part.table, set(part.holes.reasons)
        numbers = Numbers(table, hidden, self.bound, self.rules, self.counter, self.admits, self.admits_rows)
        columns: list[dict[Index, Value]] = []
        for measure in self.bound.plan.measures:
            whole = tables.get(_within(self.bound, measure.within, table.kept))
            columns.append(numbers.of(measure, partial(_projected, table=table, whole=whole)))
        part.released += numbers.released
        return {
            cell: Row(
                key=self._key(cell, table.kept),
                persons=None if cell in hidden else self.counter.shown(table.cell(cell).who, table.size(cell)),
                values=tuple(column[cell] for column in columns),
            )
            for cell in table.shown
        }

    def _implied(self, holes: SuppressionPattern) -> tuple[list[PersonSet], Line | None]:
        """The unions that several shown cells of a line give by adding up; and the first line whose union the memory refuses.

        Where persons are in several cells, what adds up is their rows. There a union that all but few persons of the line are in
        gives away nothing: the rest is the rows of suppressed cells, and those are of enough persons.
        """
        table, implied = holes.table, []
        for line in table.lines:
            cells = [cell for cell in line.shown if cell not in holes and table.size(cell)]
            if len(cells) < 2:
                continue
            union = table.together(cells)
            if not table.adds_up(line) and near(union, table.together((*line.shown, *line.outside)), self.rules.threshold):
                continue
            implied.append(union)
            if not self.admits(union):
                return implied, line
        return implied, None

    def _key(self, cell: Index, kept: tuple[int, ...]) -> tuple[Category, ...]:
        at = dict(zip(kept, cell, strict=True))
        total = Category(kind=CategoryKind.total)
        return tuple(axis.categories[at[place]] if place in at else total for place, axis in enumerate(self.bound.axes))


def _totals(bound: ResolvedPlan, kept: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The tables of totals that are asked for, or that shares are of."""
    if bound.plan.margins:
        return list(subsets(kept))
    shares = [measure for measure in bound.plan.measures if measure.takes_within]
    return list(dict.fromkeys(within for m in shares if (within := _within(bound, m.within, kept)) != kept))


def _within(bound: ResolvedPlan, columns: tuple[str, ...], kept: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of what a share is of, in a table of these axes."""
    return tuple(place for place in kept if bound.axes[place].column in columns)


def _projected(cell: Index, table: Table, whole: _Part | None) -> CellEvidence | None:
    """What a share of a cell is of; None where that is suppressed."""
    if whole is None:
        return None
    at = dict(zip(table.kept, cell, strict=True))
    index = tuple(at[place] for place in whole.table.kept)
    return None if index in whole.holes else whole.table.cell(index)


def _in_order(bound: ResolvedPlan, rows: dict[tuple[int, ...], dict[Index, Row]], kept: tuple[int, ...]) -> Iterator[Row]:
    """All rows in the order of the table, totals after the categories of their dimension."""
    sizes = [len(axis.categories) for axis in bound.axes]
    for places in product(*(range(size + bound.plan.margins) for size in sizes)):
        of = tuple(axis for axis in kept if places[axis] < sizes[axis])
        yield rows[of][tuple(places[axis] for axis in of)]
