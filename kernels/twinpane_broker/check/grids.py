"""The grids that quantiles snap to, one for each code: creatinine from 0 to 3, and not all laboratory values from 0 to 600.

Where a question fixes one code, or groups by codes, a cell has the grid of its own code, if the catalogue has numbers for it
(``narrowed``). Numbers of several codes together, and those of a code without numbers, may have any size. So their grid has, beside the
points of the whole column's, all decimal numbers of two significant digits. These are the same for all data.
"""

import math
from dataclasses import dataclass

from twinpane_broker.catalogue.catalogue import Column, ColumnType
from twinpane_broker.catalogue.edges import borders_of

DECADES = 5
"""Below the first digit of the larger bound: smaller numbers have no edges."""


@dataclass(frozen=True)
class OwnGrid:
    """The grid of a measure's quantiles in a cell."""

    column: Column
    """The measure, whose edges are the grid."""
    borders: tuple[float, ...]
    knots: tuple[float, ...]
    """The catalogue's quantiles of such values."""

    @classmethod
    def of(cls, column: Column, knots: tuple[float, ...]) -> "OwnGrid":
        """The grid of a column."""
        return cls(column, borders_of(column), knots)


def with_decimals(column: Column) -> Column:
    """The measure with further edges: all numbers of up to two significant digits between its bounds, and no finer than its precision."""
    low, high = column.known_bounds
    least = column.precision or (1.0 if column.type is ColumnType.integer else 0.0)
    largest = math.floor(math.log10(max(abs(low), abs(high))))
    first = max(largest - DECADES, math.ceil(math.log10(least) - 1e-9) if least else largest - DECADES)
    sizes = {float(f"{digits}e{power}") for power in range(first, largest + 1) for digits in range(1, 100)}
    edges = sorted({*column.edges, 0.0, *(sign * size for sign in (1, -1) for size in sizes)})
    return column.model_copy(update={"edges": tuple(edge for edge in edges if low < edge < high)})
