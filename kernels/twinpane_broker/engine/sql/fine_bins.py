"""The fine bins of a measure, between the borders of the grids that quantiles snap to, as SQL."""

from .predicate_sql import Conditions


def fine_bin(borders: tuple[float, ...], value: str, conditions: Conditions) -> str:
    """The bin of a value that is not NULL, from 0: how many borders do not exceed it. There is one bin more than ``borders``.

    Between the borders of one grid it is the place of the nearest edge, the higher one of two as near. The end bins also hold the values
    beyond the grid. ``value`` is the SQL of the stored column; literals are bound by ``conditions``.
    """

    def among(first: int, last: int) -> str:
        # Halving asks each row six or seven comparisons, and the engines then agree on every value.
        if first == last:
            return str(first)
        middle = (first + last) // 2
        below = f"CASE WHEN {value} < {conditions.literal(borders[middle])}"
        return f"{below} THEN {among(first, middle)} ELSE {among(middle + 1, last)} END"

    return among(0, len(borders))
