"""From evidence to what may be released: rules first, then secondary suppression, then rounding. Thresholds before rounding, always."""

from typing import Annotated

from pydantic import Field

from .check import Bound
from .closed import Closed
from .evidence import CellEvidence, Evidence
from .plan import MAX_ROWS, MeasureKind
from .policy import Rules, round_to
from .release import Count, Row, Value
from .rules import cell_is_safe, complement_rule, count_is_safe, mean_is_safe, rounded_mean, threshold_rule
from .secondary import Index, Line, Quantity, lines_of, protected

SPARSE_FROM = 10
"""The sparse rule is for tables of at least so many cells that somebody is in; smaller ones are judged cell by cell."""


class Answer(Closed):
    """What the broker remembers of a question: its released cells, or that the data withheld it (no rows)."""

    persons: Count | None = None
    rows: Annotated[tuple[Row, ...], Field(max_length=MAX_ROWS)] = ()

    @property
    def withheld(self) -> bool:
        """Whether the data refused."""
        return not self.rows


WITHHELD = Answer()


def judge(bound: Bound, evidence: Evidence, rules: Rules) -> Answer:
    """The answer to a question under the rules; ``WITHHELD`` where nothing of it may be told.

    The pattern of suppressed cells depends on the grouping and its persons and rows, never on which measures were asked: two
    questions about the same cells show and suppress the same ones, but for means and counts that a person dominates.
    """
    if not (
        threshold_rule(evidence.persons, rules.threshold)
        # A condition that leaves out a few persons would single them out against the question without it.
        and complement_rule(evidence.persons, evidence.population, rules.threshold)
    ):
        return WITHHELD
    hidden = suppressed_cells(bound, evidence, rules)
    inhabited = [cell for cell in bound.cells if evidence.cell(cell).persons]
    lost = sum(cell in hidden for cell in inhabited)
    if lost == len(inhabited) or (len(inhabited) >= SPARSE_FROM and lost > rules.sparse * len(inhabited)):
        return WITHHELD
    columns = [_values(place, bound, evidence, hidden, rules) for place in range(len(bound.plan.measures))]
    rows = tuple(
        Row(
            key=tuple(axis.categories[i] for axis, i in zip(bound.axes, cell, strict=True)),
            persons=None if cell in hidden else round_to(evidence.cell(cell).persons, rules.base),
            values=tuple(column[cell] for column in columns),
        )
        for cell in bound.cells
    )
    return Answer(persons=round_to(evidence.persons, rules.base), rows=rows)


def suppressed_cells(bound: Bound, evidence: Evidence, rules: Rules) -> set[Index]:
    """The cells whose persons are few, leave few out, or would let a suppressed one be worked out."""
    hidden = {cell for cell in bound.cells if not cell_is_safe(evidence.cell(cell), evidence.persons, rules)}
    adds_up = sum(cell.persons for cell in evidence.cells.values()) == evidence.persons
    persons = Quantity(
        lambda cell: evidence.cell(cell).persons, partition=adds_up, most=rules.threshold - 1, whole=evidence.persons
    )
    # The rows of a cell that is suppressed because it leaves few persons out say nothing of how few.
    rows = Quantity(
        lambda cell: evidence.cell(cell).rows,
        partition=True,
        most=None,
        whole=sum(cell.rows for cell in evidence.cells.values()),
        concerns=lambda cell: evidence.cell(cell).persons < rules.threshold,
    )
    return protected(hidden, _lines(bound, evidence), (persons, rows), persons.of, rules)


def _lines(bound: Bound, evidence: Evidence) -> list[Line]:
    return lines_of([len(axis.categories) for axis in bound.axes], dict.fromkeys((*bound.cells, *evidence.cells)))


def _values(place: int, bound: Bound, evidence: Evidence, hidden: set[Index], rules: Rules) -> dict[Index, Value]:
    """The values of one measure, for every shown cell."""
    measure = bound.plan.measures[place]
    spread_at = sum(earlier.kind is MeasureKind.mean for earlier in bound.plan.measures[:place])

    def safe(cell: CellEvidence) -> bool:
        if measure.kind is MeasureKind.mean:
            return bool(cell.spreads) and mean_is_safe(cell.spreads[spread_at], rules)
        return measure.kind is MeasureKind.persons or count_is_safe(cell, rules)

    dominated = {cell for cell in bound.cells if cell not in hidden and not safe(evidence.cell(cell))}
    if measure.kind is MeasureKind.mean:
        # A mean of nobody is no number, even where zeros are shown.
        kept_back = hidden | dominated
    else:
        dominated = {cell for cell in dominated if evidence.cell(cell).persons}
        kept_back = hidden | dominated
    kept_back |= _companions(dominated, kept_back, bound, evidence)
    precision = bound.column(measure.column).precision if measure.kind is MeasureKind.mean else None

    def value(cell: Index) -> Value:
        if cell in kept_back:
            return Value()
        seen = evidence.cell(cell)
        if measure.kind is MeasureKind.persons:
            return Value(value=round_to(seen.persons, rules.base))
        if measure.kind is MeasureKind.count:
            return Value(value=round_to(seen.rows, rules.base))
        spread = seen.spreads[spread_at]
        return Value(value=rounded_mean(spread.total / spread.values, rules, precision), n=round_to(spread.values, rules.base))

    return {cell: value(cell) for cell in bound.cells}


def _companions(dominated: set[Index], kept_back: set[Index], bound: Bound, evidence: Evidence) -> set[Index]:
    """For every line whose only held-back value is a dominated one, its smallest other: the total would tell it otherwise."""
    companions: set[Index] = set()
    for line in _lines(bound, evidence) if dominated else ():
        held = [cell for cell in line.shown if cell in kept_back or cell in companions]
        if len(held) == 1 and held[0] in dominated:
            rest = [cell for cell in line.shown if cell not in held and evidence.cell(cell).persons]
            companions.update(sorted(rest, key=lambda cell: (evidence.cell(cell).persons, cell))[:1])
    return companions
