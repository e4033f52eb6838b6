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
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinpane_broker.cells.person_sets import PersonSet

PRIME = 1_048_573
"""The largest below 2 to the 20: sums of as many products as there are rows are exact in 64 bit floating point."""
COLUMNS = 1 << 12
MOST_ROWS = 512
"""Rows that are kept: when they are more, the oldest quarter is forgotten."""
BASES = 8
"""In any of these a few are seen who hold one pivot at most. Nine in 400 beside 80 random sets were seen in 3 of them 12 times of 40."""
SEEN = np.arange(0, COLUMNS, 32)
"""Columns in which the rows are kept as they are reduced: there a rest is compared with all of them, before it is compared in full."""
LOOK = 32
"""Columns of a rest that has few of those: they are worked out for it."""
CHANCE = 8
"""Of these, by how many more than on average a row may differ that differs little in full."""
AT_ONCE = 1 << 15
"""Persons who are counted in one step, within a processor's cache."""
FACTORS = np.random.default_rng(0).integers(1, PRIME, MOST_ROWS).astype(np.float64)
"""Of each row: columns that agree in the sum of the rows by these agree in every row."""

Numbers = NDArray[np.float64]
"""Whole numbers; results are from 0 to PRIME - 1."""


class RowSpace:
    """The rows of a kind's sets, by the sets' numbers. The last ones can be removed again."""

    def __init__(self) -> None:
        self._bases = tuple(_Basis(np.random.default_rng(at) if at else None) for at in range(BASES))
        self._new: list[bool] = []
        self._rows = np.zeros((0, COLUMNS))
        self._alike = np.zeros(COLUMNS)
        self._looked_at: tuple[PersonSet, _Look] | None = None
        self.rank = 0

    @property
    def rows(self) -> Numbers:
        """(rank, COLUMNS): the sets that follow from no others, counted."""
        return self._rows[: self.rank]

    def follow(self, who: Callable[[int], PersonSet], size: int) -> None:
        """Take in the sets that came since, of ``size`` in all; ``who`` gives a set by its number."""
        for number in range(len(self._new), size):
            look = self._look(who(number))
            self._looked_at = None
            self._new.append(self._add(look))

    def truncate(self, size: int) -> None:
        """Forget all but the first ``size`` sets."""
        while len(self._new) > size:
            if self._new.pop() and self.rank:
                self.rank -= 1
                self._alike -= FACTORS[self.rank] * self._rows[self.rank]
                for basis in self._bases:
                    basis.pop()
                self._looked_at = None

    def tells_of_few(self, who: PersonSet, threshold: int) -> bool:
        """Whether a combination of the set and known ones is about a few persons, or about a few less a few others."""
        return any(
            is_of_few(each, threshold)
            for basis, rest in zip(self._bases, self._look(who).rests, strict=True)
            for each in basis.around(rest, self.rows, 2 * threshold - 2)
        )

    def _look(self, who: PersonSet) -> "_Look":
        """The last one is kept: what was looked at usually joins the others."""
        if self._looked_at is None or self._looked_at[0] is not who:
            self._looked_at = who, self._seen_by_all(counted(who))
        return self._looked_at[1]

    def _seen_by_all(self, row: Numbers) -> "_Look":
        parts = np.array([basis.parts(row) for basis in self._bases])
        return _Look(row, parts, modulo(row - parts @ self.rows))

    def _add(self, look: "_Look") -> bool:
        if not look.rests.any(axis=1).all():
            return False
        row = look.row
        if self.rank == MOST_ROWS:
            self._forget(MOST_ROWS // 4)
            look = self._seen_by_all(row)
        if self.rank == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros((max(16, self.rank), COLUMNS))])
        self._alike += FACTORS[self.rank] * row
        for basis, parts, rest in zip(self._bases, look.parts, look.rests, strict=True):
            basis.add(parts, rest, self.rows, self._alike)
        self._rows[self.rank] = row
        self.rank += 1
        return True

    def _forget(self, oldest: int) -> None:
        kept = self.rows[oldest:].copy()
        self._bases = tuple(basis.without(oldest, kept) for basis in self._bases)
        self.rank, self._alike = len(kept), FACTORS[: len(kept)] @ kept
        self._rows[: self.rank] = kept


@dataclass(frozen=True)
class _Look:
    """A set beside the rows: its own row; for each basis how much it has of each of them, and what is left."""

    row: Numbers
    parts: Numbers
    rests: Numbers


class _Basis:
    """Pivots for rows. The rows there are a lower by an upper triangular matrix, of which it has the inverses: both only grow."""

    def __init__(self, drawn: np.random.Generator | None) -> None:
        """``drawn``: where pivots are drawn from. Without it each is taken from the most columns that are alike."""
        self._drawn = drawn
        self._pivots = np.zeros(0, np.intp)
        self._lower, self._upper = np.zeros((0, 0)), np.zeros((0, 0))
        self._reduced = np.zeros((0, len(SEEN)))

    def parts(self, row: Numbers) -> Numbers:
        """How much of each of the rows has the same pivots as this row; without these it is the rest."""
        return self._parts(row[self._pivots])

    def _parts(self, at_pivots: Numbers) -> Numbers:
        size = len(self._pivots)
        return modulo(modulo(at_pivots @ self._upper[:size, :size]) @ self._lower[:size, :size])

    def around(self, rest: Numbers, rows: Numbers, most: int) -> Iterator[Numbers]:
        """The rest, and the combinations that hold one pivot, once or less once, if they may be in ``most`` columns only."""
        yield rest
        there, size = np.flatnonzero(rest), len(self._pivots)
        if not (there.size and size):
            return
        if np.count_nonzero(rest[SEEN]) > most:
            columns, reduced, agree = SEEN, self._reduced[:size], float(len(SEEN) - most)
        else:
            columns = there[:: -(-there.size // LOOK)]
            reduced, chance = self._solved(rows[:, columns]), CHANCE if columns.size < there.size else 0
            # A row that agrees nowhere takes nothing away from the rest.
            agree = max(1, columns.size - most * columns.size / there.size - chance)
        for signed in (rest, modulo(-rest)):
            for place in np.flatnonzero((reduced == signed[columns]).sum(axis=1) >= agree):
                yield modulo(signed - modulo(self._upper[place, :size] @ self._lower[:size, :size]) @ rows)

    def add(self, parts: Numbers, rest: Numbers, rows: Numbers, alike: Numbers) -> None:
        """Take in a row by its parts and its rest, beside the ones so far (Schur complement). Columns are alike that have one number in
        ``alike``."""
        pivot, size = self._pivot(rest, alike), len(rows)
        held, by = self._join(pivot, parts, int(rest[pivot]), rows[:, pivot])
        self._reduced[size] = modulo(rest[SEEN] * by)
        self._reduced[:size] = modulo(self._reduced[:size] - np.outer(held, self._reduced[size]))

    def without(self, oldest: int, kept: Numbers) -> "_Basis":
        """The basis of the rows that are ``kept`` without the ``oldest``. Each keeps its pivot, or has one of a forgotten row."""
        made, columns, taken = _Basis(self._drawn), kept[:, self._pivots], list[int]()
        for size, row in enumerate(columns):
            parts = made._parts(row[taken])
            rest, own = modulo(row - parts @ columns[:size]), oldest + size
            place = own if rest[own] else int(rest.argmax())
            made._join(int(self._pivots[place]), parts, int(rest[place]), columns[:size, place])
            taken.append(place)
        made._reduced[: len(kept)] = made._solved(kept[:, SEEN])
        return made

    def _join(self, pivot: int, parts: Numbers, rest: int, column: Numbers) -> tuple[Numbers, int]:
        """Take in a row that has a ``rest`` at its pivot; ``column``: the earlier rows there. What these hold of it, and the inverse."""
        size, held, by = len(parts), self._solved(column), pow(rest, -1, PRIME)
        if size == len(self._lower):
            self._lower, self._upper, self._reduced = _longer(_wider(self._lower)), _longer(_wider(self._upper)), _longer(self._reduced)
        self._lower[size, :size], self._lower[size, size] = modulo(-parts), 1
        self._upper[:size, size], self._upper[size, size] = modulo(-held * by), by
        self._pivots = np.append(self._pivots, pivot)
        return held, by

    def pop(self) -> None:
        """Take the last row out again."""
        size = len(self._pivots) - 1
        held = modulo(-self._upper[:size, size] * pow(int(self._upper[size, size]), -1, PRIME))
        self._reduced[:size] = modulo(self._reduced[:size] + np.outer(held, self._reduced[size]))
        self._pivots = self._pivots[:size]
        self._lower[size], self._upper[:, size], self._reduced[size] = 0, 0, 0

    def _solved(self, columns: Numbers) -> Numbers:
        """The columns of the rows as they are reduced: each row is 1 at its own pivot, and 0 at the others."""
        size = len(self._pivots)
        return modulo(self._upper[:size, :size] @ modulo(self._lower[:size, :size] @ columns))

    def _pivot(self, rest: Numbers, alike: Numbers) -> int:
        there = np.flatnonzero(rest)
        if self._drawn is not None:
            return int(self._drawn.choice(there))
        like = alike[there]
        ordered = np.sort(like)
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        most = ordered[starts[np.diff(starts, append=len(ordered)).argmax()]]
        return int(there[(like == most).argmax()])


def _longer(matrix: Numbers) -> Numbers:
    return np.concatenate([matrix, np.zeros((max(16, len(matrix)), matrix.shape[1]))])


def _wider(matrix: Numbers) -> Numbers:
    return np.concatenate([matrix, np.zeros((len(matrix), max(16, matrix.shape[1])))], axis=1)


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
