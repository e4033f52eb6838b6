"""The evidence of totals, merged from cells. Numbers that do not follow from the parts are bounded so that rules err on the safe side."""

from collections.abc import Sequence
from itertools import accumulate

from .cell_evidence import Bins, CellEvidence, Pair, Spread
from .person_sets import NOBODY, PersonSet


def merged(cells: Sequence[CellEvidence]) -> CellEvidence:
    """One cell with the rows of all cells. Every row is in exactly one cell; a person may be in several.

    If nobody is in two cells, all numbers are exact. Otherwise ``largest``, ``second`` and ``most_values`` are upper bounds, and
    ``absolute`` is a lower bound. The persons of ``Bins`` up to each edge are lower bounds too.
    """
    if len(cells) == 1:
        return cells[0]
    who = _together([cell.who for cell in cells])
    apart = len(who) == sum(cell.persons for cell in cells)
    largest, second = _two_largest([(cell.largest, cell.second) for cell in cells], apart)
    spreads = [cell.spreads for cell in cells if cell.spreads]
    pairs = [cell.pairs for cell in cells if cell.pairs]
    return CellEvidence(
        who=who,
        rows=sum(cell.rows for cell in cells),
        largest=int(largest),
        second=int(second),
        spreads=tuple(_spread([s for s in parts if s is not None]) for parts in zip(*spreads, strict=True)),
        pairs=tuple(_pair([p for p in parts if p is not None]) for parts in zip(*pairs, strict=True)),
    )


def _spread(parts: list[Spread]) -> Spread | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    who = _together([part.who for part in parts])
    apart = len(who) == sum(part.persons for part in parts)
    largest, second = _two_largest([(part.largest, part.second) for part in parts], apart)
    low, high, total = min(part.low for part in parts), max(part.high for part in parts), sum(part.total for part in parts)
    one_sign = low >= 0 or high <= 0
    squares, bins = [part.squares for part in parts if part.squares is not None], [part.bins for part in parts if part.bins is not None]
    return Spread(
        who=who,
        values=sum(part.values for part in parts),
        total=total,
        # A person's parts may have both signs and cancel out. Then only the total is a certain lower bound.
        absolute=sum(part.absolute for part in parts) if apart or one_sign else abs(total),
        largest=largest,
        second=second,
        low=low,
        high=high,
        most_values=_most([part.most_values for part in parts], apart),
        squares=sum(squares) if len(squares) == len(parts) else None,
        bins=_bins(bins, apart) if len(bins) == len(parts) else None,
        clipped=merged(clipped) if (clipped := [part.clipped for part in parts if part.clipped is not None]) else None,
    )


def _bins(parts: list[Bins], apart: bool) -> Bins:
    rows = tuple(map(sum, zip(*(part.rows for part in parts), strict=True)))
    lowest, highest = [part.lowest for part in parts], [part.highest[::-1] for part in parts]
    if apart:
        return Bins(rows, tuple(map(sum, zip(*lowest, strict=True))), tuple(map(sum, zip(*highest, strict=True)))[::-1])
    return Bins(rows, _at_least(lowest), _at_least(highest)[::-1])


def _at_least(parts: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Persons by their first bin. Up to each bin, the number is the largest that a single part guarantees."""
    sure = [max(up_to) for up_to in zip(*(accumulate(part) for part in parts), strict=True)]
    return tuple(after - before for before, after in zip([0, *sure], sure, strict=False))


def _pair(parts: list[Pair]) -> Pair | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    who = _together([part.who for part in parts])
    apart = len(who) == sum(len(part.who) for part in parts)
    sums = {name: sum(getattr(part, name) for part in parts) for name in ("values", "x", "y", "xx", "yy", "xy")}
    return Pair(who=who, most_values=_most([part.most_values for part in parts], apart), **sums)


def _two_largest(parts: list[tuple[float, float]], apart: bool) -> tuple[float, float]:
    if apart:
        largest, second = sorted((value for part in parts for value in part), reverse=True)[:2]
        return largest, second
    every = sum(largest for largest, _ in parts)
    return every, every


def _most(parts: list[int], apart: bool) -> int:
    return max(parts) if apart else sum(parts)


def _together(sets: list[PersonSet]) -> PersonSet:
    return PersonSet.union(*sets) if sets else NOBODY
