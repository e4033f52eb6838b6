"""The fine bins of a measure, one around each edge that quantiles snap to, as SQL."""

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.catalogue.edges import borders_of

from .predicate_sql import Conditions


def fine_bins(column: Column) -> int:
    """How many there are."""
    return len(borders_of(column)) + 1


def fine_bin(column: Column, value: str, conditions: Conditions) -> str:
    """The bin of a value that is not NULL, from 0: the place of the nearest edge of the grid, the higher one of two as near.

    The end bins also hold the values beyond the grid. ``value`` is the SQL of the stored column; literals are bound by ``conditions``.
    """
    borders = borders_of(column)

    def among(first: int, last: int) -> str:
        # Halving asks each row six or seven comparisons, and the engines then agree on every value.
        if first == last:
            return str(first)
        middle = (first + last) // 2
        below = f"CASE WHEN {value} < {conditions.literal(borders[middle])}"
        return f"{below} THEN {among(first, middle)} ELSE {among(middle + 1, last)} END"

    return among(0, len(borders))
