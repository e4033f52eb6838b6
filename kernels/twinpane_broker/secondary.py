"""Secondary suppression: a single suppressed cell of a line must not follow from the line's total and its other cells.

A line is all cells that share every category but one; its total can be had by a question of its own. From rounded numbers a
reader works out an interval for the suppressed cell (feasibility interval; Handbook on SDC, chapter 4). Where that interval
rules out an empty cell or leaves too few candidates, the line's smallest shown cell is suppressed as well. Auditing of whole
tables by linear programming comes with the full rule set.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .policy import Rules, round_to

CANDIDATES = 3
"""Counts that a lone suppressed cell must stay able to have: as many as the smallest number that is shown stands for (10, 11, 12)."""
Index = tuple[int, ...]


@dataclass(frozen=True)
class Line:
    """The shown cells of one line, and those outside the shown categories, which only add to the total."""

    shown: tuple[Index, ...]
    outside: tuple[Index, ...]


def lines_of(sizes: Sequence[int], cells: Iterable[Index]) -> list[Line]:
    """The lines of a table whose axes have ``sizes`` shown categories; cells beyond them are outside."""
    lines: dict[tuple[int, Index], list[Index]] = {}
    for cell in cells:
        for axis in range(len(sizes)):
            lines.setdefault((axis, cell[:axis] + cell[axis + 1 :]), []).append(cell)
    return [
        Line(
            tuple(cell for cell in line if all(i < size for i, size in zip(cell, sizes, strict=True))),
            tuple(cell for cell in line if any(i >= size for i, size in zip(cell, sizes, strict=True))),
        )
        for line in lines.values()
    ]


@dataclass(frozen=True)
class Quantity:
    """A number per cell that adds up along lines, and what a reader knows of a suppressed one."""

    of: Callable[[Index], int]
    partition: bool
    """Whether the cells' numbers add up to the total exactly; distinct persons need not, rows do."""
    most: int | None
    """The largest number that a suppressed cell is known to have at most, None where nothing is known."""
    whole: int
    """The number of the whole question: no line's total is more."""
    concerns: Callable[[Index], bool] = lambda _cell: True
    """Whether that number of a suppressed cell must not follow."""


def follows(line: Line, hidden: set[Index], quantity: Quantity, rules: Rules) -> bool:
    """Whether a line's only unreleased part follows too closely from its released numbers.

    That part is its one suppressed cell. Without rounding, the few persons outside the shown categories are such a part too.
    """
    suppressed = [cell for cell in line.shown if cell in hidden]
    released = [cell for cell in line.shown if cell not in hidden]
    outside = sum(quantity.of(cell) for cell in line.outside)
    if not released or len(suppressed) > 1:
        return False
    if not suppressed:
        return rules.base == 1 and 0 < outside < rules.threshold
    if not quantity.concerns(suppressed[0]):
        return False
    low, high = window(min(sum(quantity.of(cell) for cell in line.shown) + outside, quantity.whole), rules.base)
    known = [quantity.of(cell) for cell in released]
    if outside >= rules.threshold:
        # A question of its own would tell their number.
        known.append(outside)
    for number in known:
        least, most = window(number, rules.base)
        low, high = low - most, high - least
    smallest = 0 if rules.zeros == "hidden" else 1
    if low > smallest:
        return True
    if not quantity.partition:
        return False
    high = high if quantity.most is None else min(high, quantity.most)
    return high - max(low, smallest) + 1 < CANDIDATES


def window(count: int, base: int) -> tuple[int, int]:
    """The smallest and the largest count that is rounded to what ``count`` is rounded to."""
    shown = round_to(count, base)
    return max(0, shown - base // 2), shown + (base - 1) // 2


def protected(
    hidden: set[Index], lines: Sequence[Line], quantities: Sequence[Quantity], size: Callable[[Index], int], rules: Rules
) -> set[Index]:
    """``hidden`` and, for every line in which one suppressed cell follows from the rest, that line's smallest shown cell.

    Cells that share their other lines with suppressed ones come first: a pattern that closes needs fewer cells.
    """
    hidden = set(hidden)
    through: dict[Index, list[Line]] = {}
    for line in lines:
        for cell in line.shown:
            through.setdefault(cell, []).append(line)

    def crowded(cell: Index) -> int:
        return sum(any(other in hidden for other in line.shown) for line in through[cell])

    waiting = list(lines)
    while waiting:
        line = waiting.pop()
        if any(follows(line, hidden, quantity, rules) for quantity in quantities):
            choice = [cell for cell in line.shown if cell not in hidden and size(cell) > 0]
            if choice:
                chosen = min(choice, key=lambda cell: (-crowded(cell), size(cell), cell))
                hidden.add(chosen)
                waiting.extend(through[chosen])
    return hidden
