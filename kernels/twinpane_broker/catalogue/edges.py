"""The edges at which ranges of a measure may cut. They lie on a coarse, public grid, so that no range can single out a person."""

import math
from itertools import pairwise

from .catalogue import Column, ColumnType

DAY_BOUNDS = (30, 100, 365, 1000, 3650, 10_000, 40_000)
"""Days that a difference of two dates may be clipped to: a month's stay to a life's record."""
STEPS = 50
"""The grid has at most so many steps over a measure's bounds."""


def step_of(column: Column) -> float:
    """The width of the grid: the smallest of 1, 2.5, 5 × 10ⁿ that makes at most ``STEPS`` steps; of 1, 5 × 10ⁿ for whole numbers."""
    low, high = column.known_bounds
    return step_at_least(max((high - low) / STEPS, column.precision or 0.0), whole=column.type is ColumnType.integer)


def step_recorded(column: Column) -> float | None:
    """The step in which a measure is recorded: the catalogue's precision, 1 of whole numbers; None if it is unknown."""
    return column.precision or (1.0 if column.type is ColumnType.integer else None)


def wider_step(column: Column) -> float:
    """A width of bins to suggest: the next power of ten above the step, as ages are asked for in tens."""
    return float(10.0 ** (math.floor(math.log10(step_of(column)) + 1e-9) + 1))


def step_at_least(least: float, *, whole: bool) -> float:
    """The smallest of 1, 2.5, 5 × 10ⁿ that is not below ``least``; of 1, 5 × 10ⁿ for ``whole`` numbers."""
    least = max(least, 1.0 if whole else 1e-300)  # no number can express a smaller step
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in ((1, 5, 10) if whole else (1, 2.5, 5, 10)) if step * power >= least * (1 - 1e-9))


def grid_of(column: Column) -> tuple[float, ...]:
    """The edges that quantiles snap to, rising: the bounds, and between them the grid's points, the published knots and the listed edges.

    The knots are where the values lie: heaped values, such as days of supply, would fall between the points of an even grid.
    """
    low, high = column.known_bounds
    step = step_of(column)
    inner = (float(f"{i * step:.12g}") for i in range(math.ceil(low / step), math.floor(high / step) + 1))
    return tuple(sorted({low, high, *(edge for edge in (*inner, *column.knots, *column.edges) if low < edge < high)}))


def steps_of(column: Column) -> tuple[float, float]:
    """The smallest and the largest distance between two neighbours of ``grid_of``."""
    steps = [float(f"{other - one:.12g}") for one, other in pairwise(grid_of(column))]
    return min(steps), max(steps)


def borders_of(column: Column) -> tuple[float, ...]:
    """Where the nearest edge of the grid changes, rising: the middle between each two neighbours of ``grid_of``."""
    return tuple((one + other) / 2 for one, other in pairwise(grid_of(column)))


def is_width(column: Column, width: float) -> bool:
    """Whether bins of that width cut at edges only: the width must be a multiple of the step."""
    steps = width / step_of(column)
    return round(steps) >= 1 and math.isclose(steps, round(steps), rel_tol=1e-9, abs_tol=1e-9)


def is_edge(column: Column, value: float) -> bool:
    """Whether a range may cut at ``value``: a bound, a knot, an edge the steward listed, a cut point, or a multiple of the step."""
    if any(math.isclose(value, edge, rel_tol=1e-9, abs_tol=1e-12) for edge in _listed(column)):
        return True
    steps = value / step_of(column)
    return column.known_bounds[0] <= value <= column.known_bounds[1] and math.isclose(steps, round(steps), rel_tol=1e-9, abs_tol=1e-9)


def nearest_edges(column: Column, value: float) -> tuple[float, ...]:
    """The edges below and above ``value``, to suggest."""
    low, high = column.known_bounds
    step = step_of(column)
    grid = [math.floor(value / step) * step, math.ceil(value / step) * step]
    known = [float(f"{edge:.12g}") for edge in (*_listed(column), *(g for g in grid if low <= g <= high))]
    below = max((edge for edge in known if edge <= value), default=None)
    above = min((edge for edge in known if edge >= value), default=None)
    return tuple(dict.fromkeys(edge for edge in (below, above) if edge is not None))


def _listed(column: Column) -> tuple[float, ...]:
    """Where a range may cut, but for the even grid of steps."""
    low, high = column.known_bounds
    return (low, high, *column.knots, *column.edges, *(cut for cut in column.cuts if low < cut < high))


def cuts_below(column: Column, whole: Column) -> bool:
    """Whether values may lie below a measure's lower bound. ``whole``: the column before its grid was narrowed."""
    return _cuts(column, whole, 0)


def cuts_above(column: Column, whole: Column) -> bool:
    """Whether values may lie above a measure's upper bound."""
    return _cuts(column, whole, 1)


def _cuts(column: Column, whole: Column, end: int) -> bool:
    """Most numbers are never negative, and some never positive: a bound of 0 cuts off nothing. Nor does that of listed codes."""
    bound, widest = column.known_bounds[end], whole.known_bounds[end]
    if bound != widest:
        return True
    low, high = whole.known_bounds
    numbers = [code.value for code in whole.codes if isinstance(code.value, int | float)]
    listed = bool(numbers) and whole.unlisted == 0 and low <= min(numbers) and max(numbers) <= high
    return bound != 0 and not listed
