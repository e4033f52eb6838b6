"""The audit of suppressed cells: is the range of counts that a reader can derive for each cell (feasibility interval) wide enough?

The reader knows every shown cell, exact or rounded, and that a small cell is small. The reader also knows the total of every line that
a separate question would tell. Two linear programs per cell give its interval (HiGHS). An insider may be the only person of a
suppressed cell. So the other suppressed cells with one person count as known (singleton rule). Most cells need no program: if true
counts can change along a cycle of suppressed cells without changing a total, the cells have enough room.

Suppressing more cells only widens intervals, so a cell that passed once need not be checked again. Source: Handbook on SDC,
sections 4.2 to 4.4; Fischetti and Salazar 2001.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twinpane_broker.evidence.table import Index, Line

if TYPE_CHECKING:  # loaded where a cell needs it
    from .linear_program import Known, Program

Bounds = tuple[float, float | None]
"""The least and the largest number a cell can have as far as is known of it alone; None: any."""
TRIES = 64
"""Cycles that are tried for a cell before a linear program is set up."""
READINGS = 100
"""Intervals of suppressed cells that are looked at, as some reader may know them, before what is left of a line is told."""
SOLVED, IMPOSSIBLE, UNBOUNDED = 0, 2, 3
"""What becomes of a linear program (``scipy.optimize.linprog``)."""
PROGRAMS = 1000
"""Linear programs of one audit at most; what is not audited by then counts as too narrow."""
SLACK = 1e-6
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Need:
    """How wide a suppressed cell's interval must be."""

    candidates: int
    """Whole numbers in it, at least."""
    low: float | None = None
    """It must reach down to this, at least; None: anywhere."""

    def met_by(self, least: float, most: float) -> bool:
        """Whether an interval is wide enough."""
        if self.low is not None and least > self.low + SLACK:
            return False
        if self.candidates <= 1 or most == math.inf:
            return True
        return math.floor(most + SLACK) - math.ceil(least - SLACK) + 1 >= self.candidates


@dataclass(frozen=True)
class Total:
    """A line's total that a separate question would tell."""

    line: Line
    number: int
    adds_up: bool = True
    """Whether its cells add up to it; where persons are in several of them, they add up to more."""


@dataclass(frozen=True)
class Sum:
    """What a reader knows of the sum of a line's suppressed numbers."""

    axis: int
    cells: tuple[Index, ...]
    least: float
    most: float


class Audit:
    """The audit of one number per cell (persons, or rows) over one table. A cell that passes is not checked again."""

    def __init__(
        self,
        truth: Mapping[Index, int],
        hidden: Mapping[Index, Bounds],
        needs: Mapping[Index, Need],
        totals: Sequence["Total"],
        *,
        alone: frozenset[Index],
        base: int,
        floor: int,
    ) -> None:
        """``hidden``: the unknown cells with the bounds known of each. ``needs``: the cells to audit. ``totals``: the lines' known totals.
        ``alone``: the unknown cells with one person. ``floor``: the least number that further suppressed cells can have."""
        self._truth, self._bounds, self._needs, self._totals = truth, dict(hidden), needs, totals
        self._alone, self._base, self._usual = alone, base, (floor, None)
        self._content: set[Index] = set()
        self._lenient: set[Index] = set()
        self._programs = PROGRAMS

    def narrow(self, hidden: Iterable[Index]) -> list[Index]:
        """The cells whose intervals are too narrow if the cells in ``hidden`` are suppressed."""
        strict, lenient = self._known_of(hidden), self._known_of(hidden, lenient=True)
        insider = _Problem(self._truth, *strict, self._alone)
        left = []
        for cell in (cell for cell in self._needs if cell not in self._content):
            if cell in self._lenient:
                problem = _Problem(self._truth, *lenient, frozenset())
            else:
                problem = insider if cell not in self._alone else _Problem(self._truth, *strict, self._alone - {cell})
            if self._is_met(problem, cell):
                self._content.add(cell)
            else:
                left.append(cell)
        return left

    def allows(self, cells: Collection[Index], hidden: Collection[Index], told: Iterable[tuple[Line, int]]) -> bool:
        """Whether every interval stays wide enough if what is left of lines by the cells in ``hidden`` is told, rounded, as well.

        Here nothing is taken for exact that is shown rounded, nor for loose: each shown number lies in its window in all of its lines.
        It is asked for any reader who may be alone in one of the small cells, whether somebody is or not. So whether the numbers are told
        follows from what readers know, and tells nothing of the suppressed ones.
        """
        unknown, _ = self._known_of(hidden)
        readers = (None, *(cell for cell in self._needs if unknown[cell][1] is not None))
        if len(readers) * len(self._needs) > READINGS or not all(total.adds_up for total in self._totals):
            return False
        every: dict[Index, Bounds] = {cell: unknown.get(cell) or window(self._truth.get(cell, 0), self._base) for cell in cells}
        whole = Sum(-1, tuple(every), *window(sum(self._truth.get(cell, 0) for cell in every), self._base))
        sums = [Sum(known.line.axis, _of_line(known.line, every), *window(known.number, self._base)) for known in self._totals]
        left = [Sum(line.axis, _of_line(line, unknown), *window(number, self._base)) for line, number in told]
        problem = _Problem(self._truth, every, (whole, *sums, *left), frozenset())
        asked = ((need, problem.interval(cell, reader)) for reader in readers for cell, need in self._needs.items() if cell != reader)
        return all(interval is None or need.met_by(*interval) for need, interval in asked)

    def relent(self, cell: Index, every: Iterable[Index]) -> bool:
        """Judge a cell leniently from now on if its interval is too narrow even with ``every`` cell suppressed. Whether that is new.

        The lenient interval assumes a reader who does not know which suppressed cells are small, nor which hold one person: the cells
        around may be suppressed for other reasons. A cell with nothing left to suppress around it is judged leniently too.
        """
        if cell in self._lenient:
            return False
        every = set(every)
        problem = _Problem(self._truth, *self._known_of(every), self._alone - {cell})
        if every and self._is_met(problem, cell):
            return False
        self._lenient.add(cell)
        return True

    def helps(self, box: Sequence[tuple[Index, int]]) -> bool:
        """Whether the first corner of a box would pass if all corners were suppressed. The corners change together, by their signs."""
        cell = box[0][0]
        strict = cell not in self._lenient
        if strict and any(corner in self._alone for corner, _ in box[1:]):
            return False
        down = up = math.inf
        for corner, sign in box:
            size = self._truth.get(corner, 0)
            low, high = self._bounds.get(corner, self._usual)
            below, above = max(0, size - low), max(0, high - size) if strict and high is not None else math.inf
            down, up = min(down, below if sign > 0 else above), min(up, above if sign > 0 else below)
        return self._needs[cell].met_by(self._truth.get(cell, 0) - down, self._truth.get(cell, 0) + up)

    def _known_of(self, hidden: Iterable[Index], lenient: bool = False) -> tuple[dict[Index, Bounds], tuple["Sum", ...]]:
        unknown = {cell: self._bounds.get(cell, self._usual) for cell in dict.fromkeys((*self._bounds, *hidden))}
        if lenient:
            unknown = {cell: (low, None) for cell, (low, _) in unknown.items()}
        return unknown, self._sums(unknown)

    def _is_met(self, problem: "_Problem", cell: Index) -> bool:
        need = self._needs[cell]
        if need.met_by(*problem.within_reach(cell, need)):
            return True
        if self._programs <= 0:
            return False
        self._programs -= 2
        least = problem.solve(cell, 1)
        return need.met_by(least, math.inf) and (need.met_by(least, problem.seen(cell)) or need.met_by(least, problem.solve(cell, -1)))

    def _sums(self, unknown: Mapping[Index, Bounds]) -> tuple[Sum, ...]:
        sums = []
        for total in self._totals:
            line = total.line
            cells = _of_line(line, unknown)
            if not cells:
                continue
            least, most = window(total.number, self._base)
            for cell in (*line.shown, *line.outside):
                if cell not in unknown:
                    low, high = window(self._truth.get(cell, 0), self._base)
                    least, most = least - high, most - low
            sums.append(Sum(line.axis, cells, least, most if total.adds_up else math.inf))
        return tuple(sums)


class _Problem:
    """The numbers that suppressed cells can have together, and the widest interval found for each."""

    def __init__(self, truth: Mapping[Index, int], unknown: Mapping[Index, Bounds], sums: Sequence[Sum], fixed: frozenset[Index]) -> None:
        self._sums = sums
        self._place = {cell: i for i, cell in enumerate(unknown)}
        self._true: Numbers = np.array([truth.get(cell, 0) for cell in unknown], dtype=float)
        self._low, self._high = self._true.copy(), self._true.copy()
        for cell, (low, high) in unknown.items():
            if cell not in fixed:
                i = self._place[cell]
                # The bounds on a single cell never contradict the truth.
                self._low[i] = min(low, self._true[i])
                self._high[i] = math.inf if high is None else max(high, self._true[i])
        self._seen_low, self._seen_high = self._true.copy(), self._true.copy()
        self._through: dict[Index, list[Sum]] = {}
        for known in sums:
            for cell in known.cells:
                self._through.setdefault(cell, []).append(known)
        self._program: Program | None = None

    def within_reach(self, cell: Index, need: Need) -> tuple[float, float]:
        """An interval that the cell can certainly reach, found without a linear program."""
        i = self._place[cell]
        self._note(i, *self._room([(cell, 1)], self._sum_room(cell)))
        for corners in islice(self._cycles(cell), TRIES):
            if need.met_by(self._seen_low[i], self._seen_high[i]):
                break
            self._note(i, *self._room(corners, (math.inf, math.inf)))
        return self._seen_low[i], self._seen_high[i]

    def seen(self, cell: Index) -> float:
        """The largest number found for the cell."""
        return float(self._seen_high[self._place[cell]])

    def solve(self, cell: Index, sign: int) -> float:
        """The least (1) or largest (-1) number the cell can have."""
        i, solved = self._place[cell], self._solved(cell, sign, self._low, self._high)
        if solved.status == UNBOUNDED:
            return -sign * math.inf
        if solved.status != SOLVED:
            # The program gave no reliable result: the cell counts as known.
            return float(self._true[i])
        self._seen_low, self._seen_high = np.minimum(self._seen_low, solved.x), np.maximum(self._seen_high, solved.x)
        return float(solved.x[i])

    def interval(self, cell: Index, alone: Index | None) -> tuple[float, float] | None:
        """The least and the largest number the cell can have if one person is in the cell ``alone``; None if that cannot be."""
        i, low, high, ends = self._place[cell], self._low.copy(), self._high.copy(), list[float]()
        if alone is not None:
            low[self._place[alone]] = high[self._place[alone]] = 1
        for sign in (1, -1):
            solved = self._solved(cell, sign, low, high)
            if solved.status == IMPOSSIBLE:
                return None
            if solved.status not in (SOLVED, UNBOUNDED):
                return float(self._true[i]), float(self._true[i])
            ends.append(-sign * math.inf if solved.status == UNBOUNDED else float(solved.x[i]))
        return ends[0], ends[1]

    def _solved(self, cell: Index, sign: int, low: Numbers, high: Numbers) -> Any:
        objective = np.zeros(len(self._true))
        objective[self._place[cell]] = sign
        if self._program is None:
            self._program = self._made()
        return self._program.least(objective, low, high)

    def _note(self, i: int, down: float, up: float) -> None:
        self._seen_low[i] = min(self._seen_low[i], self._true[i] - down)
        self._seen_high[i] = max(self._seen_high[i], self._true[i] + up)

    def _room(self, corners: Sequence[tuple[Index, int]], limit: tuple[float, float]) -> tuple[float, float]:
        """How far down and up the first corner can go while the others follow or oppose it by their signs."""
        down, up = limit
        for corner, sign in corners:
            i = self._place[corner]
            below, above = self._true[i] - self._low[i], self._high[i] - self._true[i]
            down, up = min(down, below if sign > 0 else above), min(up, above if sign > 0 else below)
        return down, up

    def _sum_room(self, cell: Index) -> tuple[float, float]:
        """How far a single cell can go within the sums that contain it."""
        down = up = math.inf
        for known in self._through.get(cell, ()):
            now = sum(self._true[self._place[other]] for other in known.cells)
            down, up = min(down, now - known.least), min(up, known.most - now)
        return max(down, 0.0), max(up, 0.0)

    def _cycles(self, cell: Index) -> Iterator[list[tuple[Index, int]]]:
        """Corners of boxes of suppressed cells, with signs that keep every line's sum. The cell is the first corner."""
        partners: list[list[int]] = []
        for axis in range(len(cell)):
            lines = [known for known in self._through.get(cell, ()) if known.axis == axis]
            others = [other for known in lines for other in known.cells if other != cell and self._is_free(other)]
            partners.append([other[axis] for other in sorted(others, key=lambda other: -self._true[self._place[other]])])
        for places in product(*partners):
            corners = box(cell, places)
            if all(corner in self._place and self._is_free(corner) for corner, _ in corners):
                yield corners

    def _is_free(self, cell: Index) -> bool:
        i = self._place[cell]
        return bool(self._low[i] < self._high[i])

    def _made(self) -> "Program":
        from .linear_program import Program

        def known(sums: Iterable[Sum], sign: int) -> list["Known"]:
            return [([self._place[cell] for cell in one.cells], sign, one.most if sign > 0 else -one.least) for one in sums]

        equal = [one for one in self._sums if one.least == one.most]
        wide = [one for one in self._sums if one.least != one.most]
        below = known((one for one in wide if one.most < math.inf), 1) + known(wide, -1)
        return Program(len(self._true), known(equal, 1), below)


def _of_line(line: Line, cells: Collection[Index]) -> tuple[Index, ...]:
    """Those of the cells that are on a line."""
    return tuple(cell for cell in (*line.shown, *line.outside) if cell in cells)


def box(cell: Index, opposite: Sequence[int]) -> list[tuple[Index, int]]:
    """The corners of a box between two cells, with signs. If each moves by its sign, no line's sum changes. ``cell`` is the first."""
    flips = product((False, True), repeat=len(cell))
    return [
        (tuple(other if flip else own for own, other, flip in zip(cell, opposite, flipped, strict=True)), (-1) ** sum(flipped))
        for flipped in flips
    ]


def window(count: int, base: int) -> tuple[int, int]:
    """The smallest and the largest count that may be shown as the count is, whichever way it is rounded.

    A reader knows no more: of what is shown as 15 that it is 11 to 19, and of what is shown as 10, 6 to 14.
    """
    below = count // base * base
    return (max(0, count - base + 1), count + base - 1) if count == below else (below + 1, below + base - 1)
