"""A table to be judged: its cells with their evidence, and its lines.

A line is all cells that share every category but one. A separate question can ask for its total. The asked table comes with its tables
of totals: the same evidence, with one or more axes added up.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

from twinpane_broker.cells.cell_evidence import EMPTY, CellEvidence
from twinpane_broker.cells.person_sets import NOBODY, PersonSet
from twinpane_broker.cells.totals import merged
from twinpane_broker.check.resolve import ResolvedPlan

from .evidence import Evidence

Index = tuple[int, ...]


@dataclass(frozen=True)
class Line:
    """Cells that share every category but that of ``axis``; axis -1 is the whole table."""

    axis: int
    shown: tuple[Index, ...]
    """Its cells of shown categories."""
    outside: tuple[Index, ...]
    """Its other cells with somebody in them: they only add to its total."""


@dataclass(frozen=True)
class Table:
    """Cells over some of a question's axes. Empty cells need no evidence."""

    kept: tuple[int, ...]
    """The places of its axes among those of the question."""
    sizes: tuple[int, ...]
    """Shown categories per axis; index ``size`` is outside."""
    shown: tuple[Index, ...] = field(repr=False)
    cells: dict[Index, CellEvidence] = field(repr=False)
    who: PersonSet = field(repr=False)

    @cached_property
    def apart(self) -> bool:
        """Whether nobody is in two cells. If so, numbers of persons add up along lines."""
        return sum(cell.persons for cell in self.cells.values()) == len(self.who)

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Every line, and the whole table if it has more than one line."""
        every = dict.fromkeys((*self.shown, *self.cells))
        found: dict[tuple[int, Index], list[Index]] = {}
        for cell in every:
            for axis in range(len(self.sizes)):
                found.setdefault((axis, cell[:axis] + cell[axis + 1 :]), []).append(cell)
        lines = [self._line(axis, cells) for (axis, _), cells in found.items()]
        if len(self.sizes) > 1:
            lines.append(self._line(-1, every))
        return tuple(lines)

    @cached_property
    def through(self) -> dict[Index, tuple[Line, ...]]:
        """The lines of each cell, but for the whole table."""
        found: dict[Index, list[Line]] = {}
        for line in self.lines:
            if line.axis >= 0:
                for cell in (*line.shown, *line.outside):
                    found.setdefault(cell, []).append(line)
        return {cell: tuple(lines) for cell, lines in found.items()}

    def cell(self, index: Index) -> CellEvidence:
        """The evidence of a cell; an empty cell if there is none."""
        return self.cells.get(index, EMPTY)

    def size(self, index: Index) -> int:
        """Persons of a cell."""
        return self.cell(index).persons

    def together(self, cells: Iterable[Index]) -> PersonSet:
        """Everybody who is in one of the cells."""
        sets = [self.cells[cell].who for cell in cells if cell in self.cells]
        return PersonSet.union(*sets) if sets else NOBODY

    def number(self, cells: Iterable[Index]) -> int:
        """How many persons are in one of the cells."""
        return sum(self.size(cell) for cell in cells) if self.apart else len(self.together(cells))

    def adds_up(self, line: Line) -> bool:
        """Whether nobody is in two cells of a line: then its numbers of persons add up to its total."""
        return self.overlap(line) == 0

    def overlap(self, line: Line) -> int:
        """By how much a line's numbers of persons add up to more than its total."""
        cells = (*line.shown, *line.outside)
        return 0 if self.apart else sum(map(self.size, cells)) - self.number(cells)

    def is_shown(self, index: Index) -> bool:
        """Whether every category of a cell is a shown one."""
        return all(i < size for i, size in zip(index, self.sizes, strict=True))

    def over(self, kept: tuple[int, ...]) -> "Table":
        """The table of totals that keeps these axes of the question and adds up the others, shown categories or not."""
        places = [self.kept.index(axis) for axis in kept]
        parts: dict[Index, list[CellEvidence]] = {}
        for index, cell in self.cells.items():
            if cell.rows or cell.who:
                parts.setdefault(tuple(index[place] for place in places), []).append(cell)
        sizes = tuple(self.sizes[place] for place in places)
        cells = {index: merged(cells) for index, cells in parts.items()}
        return Table(kept, sizes, tuple(product(*map(range, sizes))), cells, self.who)

    def _line(self, axis: int, cells: Iterable[Index]) -> Line:
        cells = tuple(cells)
        shown = tuple(cell for cell in cells if self.is_shown(cell))
        return Line(axis, shown, tuple(cell for cell in cells if not self.is_shown(cell) and self.size(cell)))


def table_of(bound: ResolvedPlan, evidence: Evidence) -> Table:
    """The table that was asked for."""
    sizes = tuple(len(axis.categories) for axis in bound.axes)
    cells = {index: cell for index, cell in evidence.cells.items() if cell.who or cell.rows}
    return Table(tuple(range(len(sizes))), sizes, bound.cells, cells, evidence.who)
