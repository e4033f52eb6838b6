"""Single numbers that are suppressed in cells that are otherwise shown. ``aggregates`` says what each number is made from.

Some numbers give each other away: a sum, a mean and a number of values; a variance and a standard deviation. They are suppressed together.
If a suppressed number would follow from the line's total and the other cells, it is suppressed in a second cell of the line too.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar, assert_never

from twinpane_broker.aggregates.aggregate import OfCell, OfPair, OfValues
from twinpane_broker.aggregates.registry import Measure
from twinpane_broker.aggregates.sums import OfSum
from twinpane_broker.aggregates.value import Value
from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.cells.cell_evidence import CellEvidence, Pair, Spread
from twinpane_broker.cells.own_bins import own_bins
from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.table import Index, Table
from twinpane_broker.memory import QUANTILES, Totals
from twinpane_broker.rules.cell_key import CoarseCounter, Counter
from twinpane_broker.rules.policy import Rules
from twinpane_broker.rules.sdc_rules import cell_is_safe, count_is_safe, mean_is_safe

from .beside import Beside
from .clipped_share import Band, clipped_hides, clipped_share, number_is_asked
from .companion_cells import with_companions
from .known_values import ROWS
from .missing_values import may_lack
from .set_names import DIGEST, meaning_of

ABSENT = Value()
VALUES, CORRELATIONS = "values", "correlations"
"""The kinds of what is told of values, beside where they lie (QUANTILES): what follows from sums of them; how two go together. None of
these can be subtracted from another."""


@dataclass(frozen=True)
class Told:
    """A cell's evidence as far as numbers may be made of it, or its stand-in's, of which only the persons are known."""

    cell: CellEvidence
    about: bool = False
    fewest: int = 0
    """Of a stand-in's: the fewest persons that the cell itself may have."""
    known: bool = False
    """Whether everybody may know the stand-in: then nothing is told of rows and values that they know of everybody too."""
    alone: bool = False
    """Whether nothing but the number of persons is told: no values, nor rows."""


Part = TypeVar("Part", Spread, Pair)


@dataclass
class Numbers:
    """The numbers of one table, some of whose cells are ``hidden``. The memory is asked once per column and cell."""

    table: Table
    hidden: set[Index]
    bound: ResolvedPlan
    rules: Rules
    counter: Counter
    coarse: CoarseCounter
    """Of numbers of rows and values beside a stand-in."""
    one_row_each: bool
    """Whether rows are persons: then a stand-in's rows are known too."""
    told: Callable[[Index], Told | None]
    name: Callable[[Index], bytes]
    """A cell's name (``set_names``), as the question describes it: values and rows are never a stand-in's."""
    totals: Callable[[Index], Totals]
    """The names of a cell's totals."""
    beside: Beside
    one_shows: Callable[[str, Index], bool]
    """Whether one person would show in a number of a column's known values, or with no name of rows, in a cell (``known_values``)."""
    is_known: Callable[[str], bool]
    """Whether acquaintances know a column's values, or with no name the rows, of the known sets around the question's."""
    released: list[PersonSet] = field(default_factory=list)
    """The persons with values behind the numbers that were given, where they are others than the cell's."""
    values: dict[str, list[PersonSet]] = field(default_factory=dict)
    """By kind, the persons with values behind the numbers that were given."""
    _placed: dict[tuple[str, str, Index], bool] = field(default_factory=dict)
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
        if told is None:
            return ABSENT
        if measure.of_rows:
            return self._of_rows(measure, index, told)
        value = measure.number(told.cell, whole.cell if whole else None, self.counter)
        about = told.about or (measure.takes_within and whole is not None and whole.about)
        return value.model_copy(update={"about": True}) if about and not value.suppressed else value

    def _of_rows(self, measure: OfCell, index: Index, told: Told) -> Value:
        if told.about and self.one_row_each:
            return Value(value=self.counter.shown(told.cell.who, told.cell.persons), about=True)
        if told.alone or (told.known and self.is_known(ROWS)):
            return ABSENT
        if not told.about:
            return ABSENT if index in self._held_row_counts else measure.number(told.cell, None, self.counter)
        cell = self.table.cell(index)
        if not self._has_surely(index, self.rules.threshold) or not count_is_safe(cell, self.rules) or self.one_shows(ROWS, index):
            return ABSENT
        if not self._rows_admitted(index, cell.who, cell.rows, cell.largest):
            return ABSENT
        persons = self.counter.shown(told.cell.who, told.cell.persons)
        rows, within = self.coarse.rows_beside(persons, told.cell.persons - told.fewest, cell.who, cell.rows)
        return Value(value=rows, about=True, within=within)

    def _rows_admitted(self, index: Index, who: PersonSet, rows: int, most: int, column: str = "") -> bool:
        """Whether the memory admits a number of rows, or of values of a column, beside numbers of rows of the same tables.

        Where everybody has one row, numbers of rows are numbers of persons, and beside these the persons were placed already.
        """
        if not self.beside.admits_rows(who, rows, most):
            return False
        return self.one_row_each or self._is_placed(f"rows of {' '.join(sorted(self.bound.plan.tables))}", index, who, column)

    @cached_property
    def held_counts(self) -> set[Index]:
        """The cells whose numbers of rows or values are suppressed: a few persons dominate them, or they are companions."""
        table = self.table
        dominated = {c for c in self._left if table.size(c) and not count_is_safe(table.cell(c), self.rules)}
        return self.hidden | with_companions(dominated, self.hidden, table)

    @cached_property
    def _held_row_counts(self) -> set[Index]:
        """The same cells, and those whose row count, subtracted from an earlier one, tells of a few persons' rows."""
        table, held = self.table, self.held_counts | self._where_one_shows
        told = {
            index for index in self._left
            if index not in held and (of := table.cell(index)).persons and not self._rows_admitted(index, of.who, of.rows, of.largest)
        }  # fmt: skip
        return held | with_companions(told, held, table)

    @cached_property
    def _where_one_shows(self) -> set[Index]:
        """The cells in whose numbers of rows, of themselves, one person would show; and their companions."""
        often = [] if self.one_row_each else self._left
        shows = {index for index in often if self.table.size(index) and self.one_shows(ROWS, index)}
        return self.hidden | with_companions(shows, self.hidden, self.table)

    @property
    def _left(self) -> list[Index]:
        return [cell for cell in self.table.shown if cell not in self.hidden]

    @property
    def _own(self) -> list[Index]:
        """Those that show their own numbers: beside a stand-in's the persons with values are no set whose number is told."""
        return [cell for cell in self._left if (told := self.told(cell)) is not None and not told.about]

    def _each(
        self, columns: tuple[str, ...], held: set[Index], number: Callable[[Index, CellEvidence], Value],
        beside: Callable[[Index, CellEvidence], Value],
    ) -> dict[Index, Value]:  # fmt: skip
        """One value of these columns per shown cell; ``beside`` gives those that stand beside the number of a stand-in."""
        found = {}
        for index in self.table.shown:
            told, cell = self.told(index), self.table.cell(index)
            if told is not None and told.about:
                hides = told.alone or (told.known and any(map(self.is_known, columns)))
                found[index] = ABSENT if hides else beside(index, cell)
            else:
                found[index] = ABSENT if index in held else number(index, cell)
        return found

    def _has_surely(self, index: Index, needed: int) -> bool:
        """Whether a cell beside a stand-in has so many persons even if it lacks as many of the stand-in's as it may.

        It follows from the stand-in alone. If the cell's own persons decided, whether a number is shown would tell of one person whether
        he is in a cell that lacks one. The same goes for those of a cell who have a value, where few lack one.
        """
        told = self.told(index)
        return told is not None and told.fewest >= needed

    def _of_values(self, measure: OfValues) -> dict[Index, Value]:
        place = self.bound.value_columns.index(measure.column)
        kind = VALUES if measure.follows_from_sums else QUANTILES
        held = self._held_means(place, measure.column) if measure.follows_from_sums else self.held_counts
        whole = self.bound.column(measure.column)

        def own(index: Index, spread: Spread | None) -> tuple[Spread | None, Column]:
            """The cell's values, with the bins of its own grid."""
            if spread is None or spread.bins is None or not measure.needs_bins:
                return spread, whole
            grid = self.bound.grid_of(measure.column, self.table.kept, index)
            return replace(spread, bins=own_bins(spread.bins, self.bound.borders(measure.column), grid.borders)), grid.column

        def share(spread: Spread, told: Callable[[], bool]) -> Band | None:
            return clipped_share(spread, self.counter, told=told()) if measure.tells_clipped else None

        def number(index: Index, cell: CellEvidence) -> Value:
            spread, column = own(index, _at(cell.spreads, place))
            knots = self.bound.knots_of(measure.column, self.table.kept, index) if measure.needs_bins else ()
            if spread is None or not measure.is_safe(spread, self.rules, knots) or self.one_shows(measure.column, index):
                return ABSENT
            few_lack = self._few_lack(measure.column, index, spread)
            if few_lack and not self._has_surely(index, measure.needs(self.rules)):
                return ABSENT
            if not self._admitted(kind, measure.column, index, spread):
                return ABSENT
            n, within = self._number_of_values(measure.column, index, spread)
            if measure.tells_n and n is None:
                return ABSENT
            shown, end = measure.told(spread, column, whole, self.coarse if few_lack or n is None else self.counter)
            if few_lack and n is not None and isinstance(measure, OfSum):
                shown = measure.beside(spread, column, self.coarse, n, within)
            return Value(
                value=shown, n=n, about=few_lack and measure.tells_n, end=end, within=within,
                decimals=measure.decimals(shown, column, n, self.counter) if n is not None and not few_lack else None,
                clipped=share(spread, lambda: not few_lack and index not in self._held_clipped(place, measure.column)),
            )  # fmt: skip

        def beside(index: Index, cell: CellEvidence) -> Value:
            # What is told of the values tells nothing of the few by whom the cell differs from its stand-in, unless it was told of the
            # values of a near set too. How many values there are is told coarsely.
            spread, column = own(index, _at(cell.spreads, place))
            knots = self.bound.knots_of(measure.column, self.table.kept, index) if measure.needs_bins else ()
            if spread is None or not self._has_surely(index, measure.needs(self.rules) + self._lacking(measure.column, index, spread)):
                return ABSENT
            if not count_is_safe(cell, self.rules) or not mean_is_safe(spread, self.rules):
                return ABSENT
            if self.one_shows(measure.column, index):
                return ABSENT
            if measure.tells_clipped and clipped_hides(spread, self.rules, self.counter):
                return ABSENT
            if not measure.is_safe(spread, self.rules, knots) or not self._is_placed(kind, index, spread.who, measure.column):
                return ABSENT
            n = self._values_beside(measure.column, index, spread)
            if measure.tells_n and n is None:
                return ABSENT
            shown, end = measure.told(spread, column, whole, self.coarse)
            return Value(
                value=shown, n=n, about=measure.tells_n, within=self.coarse.within(spread.who, spread.values) if n is not None else None,
                clipped=share(spread, lambda: False), end=end,
            )  # fmt: skip

        return self._each((measure.column,), held, number, beside)

    def _held_means(self, place: int, column: str) -> set[Index]:
        """The cells whose means and sums of a column are suppressed, and therefore their spreads too."""
        unsafe = set()
        for index in self._own:
            spread = _at(self.table.cell(index).spreads, place)
            if (
                spread is None
                or index in self.held_counts
                or not mean_is_safe(spread, self.rules)
                or self.one_shows(column, index)
                or clipped_hides(spread, self.rules, self.counter)
                or not self._admitted(VALUES, column, index, spread)
            ):
                unsafe.add(index)
        return self.hidden | with_companions(unsafe, self.hidden, self.table)

    def _held_clipped(self, place: int, column: str) -> set[Index]:
        """The cells with many clipped values whose number is suppressed: by the rules of a count, by the memory, or as a companion."""
        if column not in self._clipped:
            spreads = {index: spread for index in self._own if (spread := _at(self.table.cell(index).spreads, place)) is not None}
            unsafe = {
                index for index, spread in spreads.items()
                if spread.clipped is not None
                and number_is_asked(spread, self.counter)
                and not self._is_told(spread.clipped, spread, index, column)
            }  # fmt: skip
            self._clipped[column] = self.hidden | with_companions(unsafe, self.hidden, self.table)
        return self._clipped[column]

    def _is_told(self, clipped: CellEvidence, spread: Spread, index: Index, column: str) -> bool:
        if not (cell_is_safe(clipped, spread.persons, self.rules) and count_is_safe(clipped, self.rules)):
            return False
        others = clipped.who != spread.who
        if others and not self.beside.admits(clipped.who, *self._named(index, f"beyond the bounds of {column}")):
            return False
        if not self.beside.admits_rows(clipped.who, clipped.rows, clipped.largest):
            return False
        if others:
            self.released.append(clipped.who)
        return True

    def _of_pair(self, measure: OfPair) -> dict[Index, Value]:
        place, name = self.bound.value_pairs.index((measure.column, measure.other)), f"{measure.column} {measure.other}"

        def one_shows(index: Index) -> bool:
            return self.one_shows(measure.column, index) or self.one_shows(measure.other, index)

        def number(index: Index, cell: CellEvidence) -> Value:
            pair = _at(cell.pairs, place)
            if pair is None or not measure.is_safe(pair, self.rules) or one_shows(index):
                return ABSENT
            if self._few_lack(name, index, pair) and not self._has_surely(index, measure.needs(self.rules)):
                return ABSENT
            if not self._admitted(CORRELATIONS, name, index, pair):
                return ABSENT
            n, within = self._number_of_values(name, index, pair)
            return Value(value=measure.number(pair, self.counter), n=n, within=within)

        def beside(index: Index, cell: CellEvidence) -> Value:
            pair = _at(cell.pairs, place)
            if pair is None or not self._has_surely(index, measure.needs(self.rules) + self._lacking(name, index, pair)):
                return ABSENT
            safe = count_is_safe(cell, self.rules) and measure.is_safe(pair, self.rules)
            if not safe or one_shows(index) or not self._is_placed(CORRELATIONS, index, pair.who, name):
                return ABSENT
            n = self._values_beside(name, index, pair)
            within = self.coarse.within(pair.who, pair.values) if n is not None else None
            return Value(value=measure.number(pair, self.counter), n=n, within=within)

        return self._each((measure.column, measure.other), self.held_counts, number, beside)

    def _number_of_values(self, columns: str, index: Index, part: Spread | Pair) -> tuple[int | None, tuple[int, int] | None]:
        """How many values there are in a cell that has its own number of persons, and between which numbers; None if it may not be said."""
        if index in self._where_one_shows:
            return None, None
        if not self._few_lack(columns, index, part):
            return self.counter.shown_rows(part.who, part.values), self.counter.within(part.who, part.values)
        if self.one_row_each:
            cell = self.table.cell(index)
            persons = self.counter.shown(cell.who, cell.persons)
            return persons, self.counter.around(persons, self.rules.most_about)
        n = self._values_beside(columns, index, part)
        return n, self.coarse.within(part.who, part.values) if n is not None else None

    def _few_lack(self, columns: str, index: Index, part: Spread | Pair) -> bool:
        """Whether the persons with values equal those of the cell or are near them, where they may be others: both must look alike.

        Then their number is not told, but the cell's, or a coarse one of values.
        """
        if not may_lack(self.bound, columns):
            return False
        name, _ = self._named(index, meaning_of(self.bound, columns))
        return self.table.size(index) - len(part.who) < self.beside.distance(name)

    def _lacking(self, columns: str, index: Index, part: Spread | Pair) -> int:
        """How many persons beside a stand-in's may lack a value, where it is few of them or none."""
        return self.rules.most_about if self._few_lack(columns, index, part) else 0

    def _values_beside(self, column: str, index: Index, part: Spread | Pair) -> int | None:
        """How many values there are, as it may be said beside other persons' number; None if it may not."""
        told = self.told(index)
        if self.one_row_each or index in self._where_one_shows or (told is not None and told.known and self.is_known(ROWS)):
            return None
        if not self._rows_admitted(index, part.who, part.values, part.most_values, column):
            return None
        return self.coarse.shown_rows(part.who, part.values) or None

    def _is_placed(self, kind: str, index: Index, who: PersonSet, columns: str) -> bool:
        """Whether the memory admits a number of this kind about the persons of a cell, or those of them with values of these columns.

        What is told of values is placed beside what was told of any column's: two may carry one value, as kilograms and pounds do.
        """
        # By column: all that lack nothing have one name, and where a catalogue is wrong about that, they are not of the same persons.
        if (kind, columns, index) not in self._placed:
            name, totals = self._named(index, meaning_of(self.bound, columns) if may_lack(self.bound, columns) else "")
            self._placed[kind, columns, index] = self.beside.places(who, name, kind, totals).admitted
            if self._placed[kind, columns, index]:
                self.values.setdefault(kind, []).append(who)
        return self._placed[kind, columns, index]

    def _named(self, index: Index, of: str) -> tuple[bytes, Totals]:
        """The name of those persons of a cell of whom something is told, and the names of the same of its totals; ``of`` nothing: all."""
        suffix = hashlib.blake2b(of.encode(), digest_size=DIGEST).digest() if of else b""
        return self.name(index) + suffix, Totals(total + suffix for total in self.totals(index))

    def _admitted(self, kind: str, columns: str, index: Index, part: Spread | Pair) -> bool:
        """Whether the memory admits a number of this kind about the persons with values, beside all persons of the cell."""
        return self._values_admitted(columns, index, part) and self._is_placed(kind, index, part.who, columns)

    def _values_admitted(self, columns: str, index: Index, part: Spread | Pair) -> bool:
        """Whether it admits their number, and the number of their values."""
        if (columns, index) not in self._asked and self._few_lack(columns, index, part):
            self._asked[columns, index] = self._has_surely(index, self.rules.threshold)
        if (columns, index) not in self._asked:
            others = part.who != self.table.cell(index).who
            admitted = not others or self.beside.admits(part.who, *self._named(index, meaning_of(self.bound, columns)))
            self._asked[columns, index] = admitted and self._rows_admitted(index, part.who, part.values, part.most_values, columns)
            if others and self._asked[columns, index]:
                self.released.append(part.who)
        return self._asked[columns, index]


def _at(parts: tuple[Part | None, ...], place: int) -> Part | None:
    return parts[place] if place < len(parts) else None
