"""The bins of a cell's own grid, made of finer ones that the engine counts for all cells."""

from bisect import bisect_left
from itertools import accumulate

from .cell_evidence import Bins


def own_bins(bins: Bins, borders: tuple[float, ...], own: tuple[float, ...]) -> Bins:
    """The bins between the borders ``own``, from those between all ``borders``, among which these are."""
    if own == borders:
        return bins
    ends = [*(bisect_left(borders, border) + 1 for border in own), len(borders) + 1]
    return Bins(*(_between(counts, ends) for counts in (bins.rows, bins.lowest, bins.highest)))


def _between(counts: tuple[int, ...], ends: list[int]) -> tuple[int, ...]:
    reached = [0, *accumulate(counts)]
    return tuple(reached[end] - reached[start] for start, end in zip([0, *ends], ends, strict=False))
