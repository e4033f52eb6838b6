"""The grids of a measure's quantiles in the cells of a question: each cell has that of the code which it, or WHERE, fixes.

The engine counts values between all borders of all these grids, and a cell's own bins are made of these counts. All of it follows from
plan and catalogue alone.
"""

from collections.abc import Iterator
from datetime import date
from functools import cached_property
from itertools import product

from twinpane_broker.catalogue.catalogue import CodeValue, Column
from twinpane_broker.catalogue.edges import step_recorded, steps_of
from twinpane_broker.errors import RefusalCode, Refused
from twinpane_broker.question.predicates import In, Predicate

from .axes import Axis
from .grids import OwnGrid
from .narrowed import Grids

MOST_BORDERS = 3_000
"""Borders of all grids of a question together, at most: an engine compares each value with some of them."""
Codes = tuple[tuple[str, CodeValue], ...]
"""Columns, each with the one code that it holds."""


class CellGrids:
    """The grids of one measure, or of a difference of dates, which has one."""

    def __init__(self, reference: str, grids: Grids | Column, axes: tuple[Axis, ...], conditions: tuple[Predicate, ...]) -> None:
        self._reference = reference
        self._grids = grids
        self._conditions = conditions
        plain = {place: axis for place, axis in enumerate(axes) if axis.bin is None and axis.width is None and not axis.arms}
        self._axes = {place: axis for place, axis in plain.items() if isinstance(grids, Grids) and grids.follows(axis.column)}
        """By their places, the axes that tell the code."""
        self._known: dict[Codes, OwnGrid] = {}

    def of(self, kept: tuple[int, ...], cell: tuple[int, ...]) -> OwnGrid:
        """The grid in a cell of the axes ``kept``."""
        at = zip(kept, cell, strict=True) if self._axes else ()
        told = ((self._axes[place], category) for place, category in at if place in self._axes)
        codes = ((axis.column, axis.values[category]) for axis, category in told if category < len(axis.values))
        return self._of_codes(tuple((column, value) for column, value in codes if not isinstance(value, date)))

    @cached_property
    def borders(self) -> tuple[float, ...]:
        """The borders of the grids of all cells and totals, rising. Raises Refused where they are too many."""
        borders = tuple(sorted(frozenset[float]().union(*(grid.borders for grid in self._every()))))
        if len(borders) > MOST_BORDERS:
            by = next(iter(self._axes.values())).column
            raise Refused(
                f"Quantiles of {self._reference} snap to a grid of each code, and these are too many codes together: ask for fewer at a "
                f"time, with WHERE {by} IN (…), or for one.",
                RefusalCode.catalogue,
            )
        return borders

    @cached_property
    def coarse(self) -> tuple[float, float] | None:
        """The smallest and the largest step of these grids; None where none is larger than the values are recorded in."""
        found = [(*steps_of(grid.column), step_recorded(grid.column)) for grid in self._every()]
        if not any(recorded is None or largest > recorded * (1 + 1e-9) for _, largest, recorded in found):
            return None
        return min(smallest for smallest, _, _ in found), max(largest for _, largest, _ in found)

    def _every(self) -> Iterator[OwnGrid]:
        """The grids of all cells and totals."""
        each = [[(), *(((axis.column, value),) for value in axis.values if not isinstance(value, date))] for axis in self._axes.values()]
        return (self._of_codes(sum(chosen, ())) for chosen in product(*each))

    def _of_codes(self, codes: Codes) -> OwnGrid:
        if codes not in self._known:
            if isinstance(self._grids, Column):
                self._known[codes] = OwnGrid.of(self._grids, ())
            else:
                conditions = (*(In(column=column, codes=(code,)) for column, code in codes), *self._conditions)
                self._known[codes] = OwnGrid.of(self._grids.of_quantiles(conditions), self._grids.knots(conditions))
        return self._known[codes]
