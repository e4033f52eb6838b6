"""Single numbers that are suppressed in cells that are otherwise shown. ``aggregates`` says what each number is made from.

Some numbers give each other away: a sum, a mean and a number of values; a variance and a standard deviation. They are suppressed together.
If a suppressed number would follow from the line's total and the other cells, it is suppressed in a second cell of the line too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar, assert_never

from twinpane_broker.aggregates.aggregate import OfCell, OfPair, OfValues
from twinpane_broker.aggregates.registry import Measure
from twinpane_broker.aggregates.value import Value
from twinpane_broker.cells.cell_evidence import CellEvidence, Pair, Spread
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.table import Index, Table
from twinpane_broker.memory import Standing
from twinpane_broker.rules.cell_key import Counter
from twinpane_broker.rules.policy import Rules
from twinpane_broker.rules.sdc_rules import cell_is_safe, count_is_safe, mean_is_safe

from .set_names import kind_of

Admits = Callable[[PersonSet], bool]
Places = Callable[[PersonSet, bytes, str], Standing]
"""Where the memory places a set that the question describes, by its name, beside others of the same kind of number."""
AdmitsRows = Callable[[PersonSet, int, int], bool]
"""Whether the memory admits a number of rows of exactly these persons, of whom one has at most so many."""
ABSENT = Value()


@dataclass(frozen=True)
class Told:
    """A cell's evidence as far as numbers may be made of it, or its stand-in's, of which only the persons are known."""

    cell: CellEvidence
    about: bool = False


Part = TypeVar("Part", Spread, Pair)


@dataclass
class Numbers:
    """The numbers of one table, some of whose cells are ``hidden``. The memory is asked once per column and cell."""

    table: Table
    hidden: set[Index]
    bound: ResolvedPlan
    rules: Rules
    counter: Counter
    one_row_each: bool
    """Whether rows are persons: then a stand-in's rows are known too."""
    told: Callable[[Index], Told | None]
    name: Callable[[Index], bytes]
    """A cell's name (``set_names``)."""
    places: Places
    admits: Admits
    admits_rows: AdmitsRows
    released: list[PersonSet] = field(default_factory=list)
    """The persons with values behind the numbers that were given, where they are others than the cell's."""
    values: dict[str, list[PersonSet]] = field(default_factory=dict)
    """By kind, the persons with values behind the numbers that were given."""
    _placed: dict[tuple[str, Index], bool] = field(default_factory=dict)
    _asked: dict[tuple[str, Index], bool] = field(default_factory=dict)
    _clipped: dict[str, set[Index]] = field(default_factory=dict)

    def of(self, measure: Measure, denominator: Callable[[Index], Told | None]) -> dict[Index, Value]:
        """One value per shown cell. ``denominator`` gives what a share is divided by, or None if that is suppressed."""
        match measure:
            case OfCell():
                return {index: self._of_cell(measure, index, denominator(index)) for index in self.table.shown}
            case OfPair():
                return self._of_pair(measure)
            case OfValues():
                return self._of_values(measure)
            case _:
                assert_never(measure)

    def _of_cell(self, measure: OfCell, index: Index, whole: Told | None) -> Value:
        told = self.told(index)
        if told is None or (measure.of_rows and (index in self._held_row_counts if not told.about else not self.one_row_each)):
            return ABSENT
        value = measure.number(told.cell, whole.cell if whole else None, self.counter)
        about = told.about or (measure.takes_within and whole is not None and whole.about)
        return value.model_copy(update={"about": True}) if about and not value.suppressed else value

    @cached_property
    def held_counts(self) -> set[Index]:
        """The cells whose numbers of rows or values are suppressed: a few persons dominate them, or they are companions."""
        table = self.table
        dominated = {c for c in self._left if table.size(c) and not count_is_safe(table.cell(c), self.rules)}
        return self.hidden | _with_companions(dominated, self.hidden, table)

    @cached_property
    def _held_row_counts(self) -> set[Index]:
        """The same cells, and those whose row count, subtracted from an earlier one, tells of a few persons' rows."""
        table = self.table
        told = {
            index for index in self._left
            if index not in self.held_counts and table.size(index) and not self._rows_admitted(index)
        }  # fmt: skip
        return self.held_counts | _with_companions(told, self.held_counts, table)

    def _rows_admitted(self, index: Index) -> bool:
        cell = self.table.cell(index)
        return self.admits_rows(cell.who, cell.rows, cell.largest)

    @property
    def _left(self) -> list[Index]:
        return [cell for cell in self.table.shown if cell not in self.hidden]

    def _each(
        self, held: set[Index], number: Callable[[Index, CellEvidence], Value], beside: Callable[[Index, CellEvidence], Value]
    ) -> dict[Index, Value]:
        """One value per shown cell; ``beside`` gives those that stand beside the number of a stand-in."""
        return {
            index: beside(index, self.table.cell(index)) if self._is_about(index)
            else ABSENT if index in held else number(index, self.table.cell(index))
            for index in self.table.shown
        }  # fmt: skip

    def _is_about(self, index: Index) -> bool:
        told = self.told(index)
        return told is not None and told.about

    def _of_values(self, measure: OfValues) -> dict[Index, Value]:
        place = self.bound.value_columns.index(measure.column)
        held = self._held_means(place, measure.column) if measure.follows_from_sums else self.held_counts
        column = (self.bound.gridded if measure.needs_bins else self.bound.column)(measure.column)

        def number(index: Index, cell: CellEvidence) -> Value:
            spread = _at(cell.spreads, place)
            knots = self.bound.knots_of(measure.column, self.table.kept, index) if measure.needs_bins else ()
            if spread is None or not measure.is_safe(spread, self.rules, knots):
                return ABSENT
            if not self._admitted(measure.column, index, spread):
                return ABSENT
            shown = measure.number(spread, column, self.counter)
            n = self.counter.shown_rows(spread.who, spread.values)
            return Value(value=shown, n=n, clipped=self._clipped_share(place, measure.column, index, n) if measure.tells_clipped else None)

        def beside(index: Index, cell: CellEvidence) -> Value:
            # How many values there are would tell of the few by whom the cell differs from its stand-in. What is told of the values
            # themselves tells nothing of them, unless it was told of the values of a near set too.
            spread = _at(cell.spreads, place)
            knots = self.bound.knots_of(measure.column, self.table.kept, index) if measure.needs_bins else ()
            safe = (
                spread is not None and not measure.tells_n and count_is_safe(cell, self.rules) and mean_is_safe(spread, self.rules)
                and measure.is_safe(spread, self.rules, knots) and self._is_placed(measure.column, index, spread)
            )  # fmt: skip
            return Value(value=measure.number(spread, column, self.counter)) if safe and spread is not None else ABSENT

        return self._each(held, number, beside)

    def _held_means(self, place: int, column: str) -> set[Index]:
        """The cells whose means and sums of a column are suppressed, and therefore their spreads too."""
        unsafe = set()
        for index in self._left:
            spread = _at(self.table.cell(index).spreads, place)
            if (
                spread is None
                or index in self.held_counts
                or not mean_is_safe(spread, self.rules)
                or not self._admitted(column, index, spread)
            ):
                unsafe.add(index)
        return self.hidden | _with_companions(unsafe, self.hidden, self.table)

    def _clipped_share(self, place: int, column: str, index: Index, n: int) -> float | None:
        """The percentage of a cell's values that were clipped; None if there are none, or if their number is suppressed."""
        spread = _at(self.table.cell(index).spreads, place)
        if spread is None or spread.clipped is None or index in self._held_clipped(place, column):
            return None
        return round(min(100.0, 100 * self.counter.shown_rows(spread.clipped.who, spread.clipped.rows) / n), 1)

    def _held_clipped(self, place: int, column: str) -> set[Index]:
        """The cells whose number of clipped values is suppressed: by the rules of a count, by the memory, or as a companion."""
        if column not in self._clipped:
            spreads = {index: spread for index in self._left if (spread := _at(self.table.cell(index).spreads, place)) is not None}
            unsafe = {
                index for index, spread in spreads.items()
                if spread.clipped is not None and not self._is_told(spread.clipped, spread)
            }  # fmt: skip
            self._clipped[column] = self.hidden | _with_companions(unsafe, self.hidden, self.table)
        return self._clipped[column]

    def _is_told(self, clipped: CellEvidence, spread: Spread) -> bool:
        if not (cell_is_safe(clipped, spread.persons, self.rules) and count_is_safe(clipped, self.rules)):
            return False
        others = clipped.who != spread.who
        if (others and not self.admits(clipped.who)) or not self.admits_rows(clipped.who, clipped.rows, clipped.largest):
            return False
        if others:
            self.released.append(clipped.who)
        return True

    def _of_pair(self, measure: OfPair) -> dict[Index, Value]:
        place = self.bound.value_pairs.index((measure.column, measure.other))

        def number(index: Index, cell: CellEvidence) -> Value:
            pair = _at(cell.pairs, place)
            if pair is None or not measure.is_safe(pair, self.rules):
                return ABSENT
            if not self._admitted(f"{measure.column} {measure.other}", index, pair):
                return ABSENT
            return Value(value=measure.number(pair, self.counter), n=self.counter.shown_rows(pair.who, pair.values))

        def beside(index: Index, cell: CellEvidence) -> Value:
            pair = _at(cell.pairs, place)
            safe = pair is not None and count_is_safe(cell, self.rules) and measure.is_safe(pair, self.rules)
            if pair is None or not safe or not self._is_placed(f"{measure.column} {measure.other}", index, pair):
                return ABSENT
            return Value(value=measure.number(pair, self.counter))

        return self._each(self.held_counts, number, beside)

    def _is_placed(self, kind: str, index: Index, part: Spread | Pair) -> bool:
        """Whether the memory admits something told of the values, beside what was told of the same column's values of other persons."""
        kind = kind_of(self.bound, kind)
        if (kind, index) not in self._placed:
            self._placed[kind, index] = self.places(part.who, self.name(index), kind).admitted
            if self._placed[kind, index]:
                self.values.setdefault(kind, []).append(part.who)
        return self._placed[kind, index]

    def _admitted(self, about: str, index: Index, part: Spread | Pair) -> bool:
        """Whether the memory admits the persons with values beside all persons of the cell."""
        if (about, index) not in self._asked:
            others = part.who != self.table.cell(index).who
            admitted = (
                (not others or self.admits(part.who))
                and self.admits_rows(part.who, part.values, part.most_values)
                and self._is_placed(about, index, part)
            )
            self._asked[about, index] = admitted
            if others and admitted:
                self.released.append(part.who)
        return self._asked[about, index]


def _with_companions(unsafe: set[Index], hidden: set[Index], table: Table) -> set[Index]:
    """The cells with a suppressed number. Alone in its line, such a cell would follow from the line's total, so a second one is added."""
    added, held = set(unsafe), hidden | unsafe
    waiting = [line for cell in sorted(unsafe) for line in table.through.get(cell, ())]
    while waiting:
        line = waiting.pop()
        alone = [cell for cell in line.shown if cell in held and table.size(cell)]
        rest = [cell for cell in line.shown if cell not in held and table.size(cell)]
        if len(alone) != 1 or alone[0] not in added or not rest:
            continue
        chosen = min(rest, key=lambda cell: (table.size(cell), cell))
        added.add(chosen)
        held.add(chosen)
        waiting.extend(table.through[chosen])
    return added


def _at(parts: tuple[Part | None, ...], place: int) -> Part | None:
    return parts[place] if place < len(parts) else None
