"""The row space of released sets: what exact numbers about them tell together, by sums and differences of any number of them.

A set is a row of zeros and ones, one for each person. Whoever knows the numbers of several sets knows every combination of their rows, and
nothing else. To find the combination that holds the fewest persons is NP-hard (Chin and Özsoyoğlu 1982). It is the decoding of a linear
code, and this does it as codes are decoded, by *information sets* (Prange 1962; Lee and Brickell 1988). A basis has as many persons, its
*pivots*, as there are rows, such that every combination of the rows holds some of them. So of a newcomer and the rows only one combination
has no pivot: its *rest*. If that holds a few persons, the newcomer would tell of these; and so with each combination that has one pivot.
What holds few persons and more than one pivot is not seen. So one basis takes its pivots from the persons of whom most are alike, in the
same sets: these are no few. Others draw theirs.

Persons are counted in COLUMNS columns, so that time and room do not grow with the site; those whose numbers leave the same remainder share
one. A combination is in no more columns than it has persons, so none is overlooked by this; one of slightly more than a few persons may
be taken for one of a few. Arithmetic is modulo a prime.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from twinpane_broker.cells.person_sets import PersonSet

PRIME = 1_048_573
"""The largest below 2 to the 20: sums of as many products as there are rows are exact in 64 bit floating point."""
COLUMNS = 1 << 13
MOST_ROWS = 1024
"""Rows that are kept. A set beyond these is judged beside them, and does not join them."""
BASES = 3
LOOK = 64
"""Columns in which a rest is compared with all rows, before they are compared in full."""
AT_ONCE = 1 << 15
"""Persons who are counted in one step, within a processor's cache."""

Numbers = NDArray[np.float64]
"""Whole numbers; results are from 0 to PRIME - 1."""


class RowSpace:
    """The rows of a kind's sets, by the sets' numbers. The last ones can be removed again."""

    def __init__(self) -> None:
        self._bases = tuple(_Basis(np.random.default_rng(at) if at else None) for at in range(BASES))
        self._new: list[bool] = []
        self._looked_at: tuple[PersonSet, Numbers] | None = None
        self._rows = np.zeros((0, COLUMNS))
        self.rank = 0

    @property
    def rows(self) -> Numbers:
        """(rank, COLUMNS): the sets that follow from no others, counted."""
        return self._rows[: self.rank]

    def follow(self, who: Callable[[int], PersonSet], size: int) -> None:
        """Take in the sets that came since, of ``size`` in all; ``who`` gives a set by its number."""
        for number in range(len(self._new), size):
            self._new.append(self.rank < MOST_ROWS and self._add(self._counted(who(number))))

    def _add(self, row: Numbers) -> bool:
        rests = [basis.rest(row, self.rows) for basis in self._bases]
        if not all(rest.any() for rest in rests):
            return False
        if self.rank == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros((max(16, self.rank), COLUMNS))])
        for basis, rest in zip(self._bases, rests, strict=True):
            basis.add(row, rest, self.rows)
        self._rows[self.rank] = row
        self.rank += 1
        return True

    def truncate(self, size: int) -> None:
        """Forget all but the first ``size`` sets."""
        while len(self._new) > size:
            if self._new.pop():
                self.rank -= 1
                for basis in self._bases:
                    basis.pop()

    def tells_of_few(self, who: PersonSet, threshold: int) -> bool:
        """Whether a combination of the set and known ones is about a few persons, or about a few less a few others."""
        row = self._counted(who)
        return any(
            is_of_few(rest, threshold)
            for basis in self._bases
            for rest in basis.rests(row, self.rows, 2 * threshold - 2)
        )  # fmt: skip

    def _counted(self, who: PersonSet) -> Numbers:
        """The set's row; that of the last set is kept, since a set that is looked at usually joins the others."""
        if self._looked_at is None or self._looked_at[0] is not who:
            self._looked_at = who, counted(who)
        return self._looked_at[1]


class _Basis:
    """Pivots for rows, and the inverse of the rows there."""

    def __init__(self, drawn: np.random.Generator | None) -> None:
        """``drawn``: where pivots are drawn from. Without it each is taken from the most columns that are alike."""
        self._drawn = drawn
        self._pivots: list[int] = []
        self._inverse = np.zeros((0, 0))

    def rest(self, row: Numbers, rows: Numbers) -> Numbers:
        """The row less as much of the others as leaves no pivot in it."""
        return modulo(row - self._parts(row) @ rows)

    def rests(self, row: Numbers, rows: Numbers, most: int) -> Iterator[Numbers]:
        """The combination that holds no pivot, and those that hold one, once or less once, if they may be in ``most`` columns only."""
        rest = self.rest(row, rows)
        yield rest
        there = np.flatnonzero(rest)
        if not (there.size and self._pivots):
            return
        some = there[:: -(-there.size // LOOK)]
        looked_at = modulo(self._inverse @ rows[:, some])
        for signed in (rest, modulo(-rest)):
            for row_of_pivot in np.flatnonzero((looked_at != signed[some]).sum(axis=1) <= most):
                yield modulo(signed - self._inverse[row_of_pivot] @ rows)

    def add(self, row: Numbers, rest: Numbers, rows: Numbers) -> None:
        """Take in a row with its rest, beside the ones so far. The inverse grows by bordering (Schur complement)."""
        pivot = self._pivot(row, rest, rows)
        parts, held, by = self._parts(row), modulo(self._inverse @ rows[:, pivot]), pow(int(rest[pivot]), -1, PRIME)
        parts, size = modulo(parts * by), len(rows)
        inverse = np.empty((size + 1, size + 1))
        inverse[:size, :size] = modulo(self._inverse + np.outer(held, parts))
        inverse[:size, size], inverse[size, :size], inverse[size, size] = modulo(-held * by), modulo(-parts), by
        self._inverse = inverse
        self._pivots.append(pivot)

    def pop(self) -> None:
        """Take the last row out again."""
        self._pivots.pop()
        parts, held, by = self._inverse[-1, :-1], self._inverse[:-1, -1], pow(int(self._inverse[-1, -1]), -1, PRIME)
        self._inverse = modulo(self._inverse[:-1, :-1] - np.outer(held, modulo(parts * by)))

    def _parts(self, row: Numbers) -> Numbers:
        """How much of each of the rows has the same pivots as this row."""
        return modulo(row[np.array(self._pivots, np.intp)] @ self._inverse)

    def _pivot(self, row: Numbers, rest: Numbers, rows: Numbers) -> int:
        there = np.flatnonzero(rest)
        if self._drawn is not None:
            return int(self._drawn.choice(there))
        # Columns that agree in a sum with random factors agree in every row.
        factors = np.random.default_rng(len(rows)).integers(1, PRIME, len(rows) + 1).astype(np.float64)
        sums = factors[:-1] @ rows[:, there] + factors[-1] * row[there]
        _, first, several = np.unique(sums, return_index=True, return_counts=True)
        return int(there[first[several.argmax()]])


def counted(who: PersonSet) -> Numbers:
    """(COLUMNS,): how many persons of a set are in each column."""
    persons, counts = np.frombuffer(who.to_array(), np.uint32), np.zeros(COLUMNS)
    for start in range(0, len(persons), AT_ONCE):
        counts += np.bincount(persons[start : start + AT_ONCE] & np.uint32(COLUMNS - 1), minlength=COLUMNS)
    return counts


def modulo(numbers: Numbers) -> Numbers:
    """The remainders of whole numbers below 2 to the 50."""
    rest: Numbers = numbers - PRIME * np.floor(numbers / PRIME)
    return rest


def is_of_few(row: Numbers, threshold: int) -> bool:
    """Whether a combination holds somebody, and fewer than ``threshold`` on either side.

    A combination can be taken any number of times: it is scaled so that the first number is 1.
    """
    held = row[row > 0]
    if not 0 < held.size < 2 * threshold - 1:
        return False
    scaled = modulo(held * pow(int(held[0]), -1, PRIME))
    added = int((scaled < PRIME / 2).sum())
    return max(added, held.size - added) < threshold
