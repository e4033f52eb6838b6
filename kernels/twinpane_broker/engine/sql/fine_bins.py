"""The fine bins of a measure, between the edges that quantiles snap to, as SQL."""

from twinpane_broker.catalogue.catalogue import Column
from twinpane_broker.catalogue.edges import grid_of, step_of

from .category_keys import NUDGE
from .predicate_sql import Conditions


def fine_bins(column: Column) -> int:
    """How many there are."""
    return len(grid_of(column)) - 1


def fine_bin(column: Column, value: str, conditions: Conditions) -> str:
    """The bin of a value that is not NULL, from 0: ``edge <= value < next edge``. The end bins also hold the values beyond the grid.

    ``value`` is the SQL of the stored column; literals are bound by ``conditions``.
    """
    first, *inner, last = grid_of(column)
    step = step_of(column)
    on_grid = [round(edge / step) for edge in inner if abs(edge / step - round(edge / step)) < NUDGE]
    off_grid = [edge for edge in inner if abs(edge / step - round(edge / step)) >= NUDGE]
    ends = f"WHEN {value} >= {conditions.literal(last - step * NUDGE)} THEN {len(inner)}"
    ends += f" WHEN {value} < {conditions.literal(first)} THEN 0"
    # A value's bin is the number of inner edges that it has reached. Edges on the grid are evenly spaced.
    reached = [f"CASE WHEN {value} >= {conditions.literal(edge)} THEN 1 ELSE 0 END" for edge in off_grid]
    if on_grid:
        steps = conditions.dialect.bigint(f"floor({value} / {step!r} + {NUDGE!r})")
        reached.append(f"{steps} - ({on_grid[0] - 1})")
    return f"CASE {ends} ELSE {' + '.join(reached) or '0'} END"
