"""What is drawn for a count, by its persons and the site's secret alone: whether it is rounded up or down, and cell key noise.

The same persons get the same draw in every question. So nobody can average it out with questions in other words (attack 12 of
docs/disclosure.md). Both are bounded and zero on average. Neither is differential privacy. Sources: fixed random rounding of Statistics
New Zealand; the cell key method of ABS TableBuilder and Eurostat.

Rounded to the nearest multiple, a count turns at a place that everybody knows. Whoever adds known persons to an unknown set until the
number turns has its exact count. Drawn, each set turns elsewhere, and one more person in it moves the number in one of ``base`` questions.
"""

import hashlib
import hmac

from twinpane_broker.cells.person_sets import PersonSet, fingerprint
from twinpane_broker.errors import PolicyError

from .policy import Rules
from .rounding import round_drawn

CONTEXT = b"twinpane-cell-key:"
"""Goes before what is hashed: the site's secret may serve other ends too."""
ROUNDING = b"twinpane-rounding:"
"""The same, of rounding."""


def noise(who: PersonSet, secret: bytes, bound: int) -> int:
    """A whole number in ``-bound … bound``, each equally likely over secrets; 0 for the empty set."""
    if not who:
        return 0
    drawn = hmac.new(secret, CONTEXT + fingerprint(who), hashlib.sha256).digest()
    # 256 bits are spread over at most 2,001 numbers: nobody could measure that one is likelier than another.
    return int.from_bytes(drawn) % (2 * bound + 1) - bound


MOST_TIMES = 4
"""How many times as many rows as persons a number of rows may be that is drawn from fewer than its base."""
LEAST_BASES = 3
"""Bases that a coarse number of values has at least: it is wrong by less than a third."""


class Counter:
    """Shows counts under the rules: it adds the noise of their persons, if any, and then rounds as it draws for them.

    Numbers of rows and of values are rounded to ``row_base``: of a table with 12 rows a person, rows rounded to 5 would tell exactly how
    many persons there are. Rows are drawn as their persons are: where everybody has twelve, two draws would bound how many there are from
    both sides. Raises PolicyError if the rules ask for noise and there is no secret: without a secret anyone could subtract the noise.
    """

    def __init__(self, rules: Rules, secret: bytes = b"", row_base: int | None = None) -> None:
        self.rules = rules
        self.row_base = row_base or rules.base
        self._secret = secret
        if rules.noise != "none" and len(secret) < 16:
            raise PolicyError(
                'policy.toml [rules]: noise = "cell_key" needs the site\'s secret of at least 16 bytes, and there is none: '
                'give the broker one (secret=…), or set noise = "none". Until then nothing is answered.'
            )

    def noise(self, who: PersonSet) -> int:
        """The noise of counts of these persons."""
        return noise(who, self._secret, self.rules.noise_bound) if self.rules.noise == "cell_key" else 0

    def unrounded(self, who: PersonSet, count: int) -> int:
        """A count of these persons, or of their rows or values, with its noise; at least 1 where there is any."""
        return max(1, count + self.noise(who)) if count else 0

    def shown(self, who: PersonSet, count: int) -> int:
        """The number of persons as it is shown; not below the threshold, so that the least number stands for as many as any other."""
        return max(self._rounded(who, self.unrounded(who, count), self.rules.base), self.rules.least_shown) if count else 0

    def shown_rows(self, who: PersonSet, count: int) -> int:
        """A number of these persons' rows or values as it is shown: not fewer than the persons as they are shown."""
        persons = self.shown(who, len(who))
        return max(self._rows(who, count, persons), persons)

    def fewest(self, shown: int) -> int | None:
        """The fewest rows or values that a number as it is shown may stand for; None if it is exact."""
        return None if self.rules.exact and self.row_base == 1 else self._fewest(shown)

    def within(self, who: PersonSet, count: int) -> tuple[int, int] | None:
        """Between which numbers one of these persons' rows or values truly lies, by what is shown; None if it is as fine as of persons."""
        if self.row_base <= self.rules.base:
            return None
        shown = self.shown_rows(who, count)
        middle = shown // self.row_base * self.row_base
        # What is no multiple of the base is the number of persons: there are as many rows, but not enough for the next multiple.
        fewest = shown - (self.off if shown == middle else self.off_persons)
        return max(fewest, 0), (middle or self._untold(shown)) + self.off

    def around(self, persons: int, fewer: int) -> tuple[int, int]:
        """Between which numbers a part lies that lacks so many at most of some persons; of these the number is given as it is shown."""
        return max(persons - self.off_persons - fewer, 0), persons + self.off_persons

    def _fewest(self, shown: int) -> int:
        return max(self.rules.threshold, shown - self.off)

    @property
    def off_persons(self) -> int:
        """By how many a number of persons that is shown may be off."""
        return self.rules.base - 1 + self._noise_off

    @property
    def off(self) -> int:
        """By how many a number of rows or values that is shown may be off."""
        return self.row_base - 1 + self._noise_off

    def _rows(self, who: PersonSet, count: int, persons: int) -> int:
        """A number of rows, rounded. Ten rows of ten persons could be drawn up to a base of 125: no such multiple is told."""
        rounded = self._rounded(who, self.unrounded(who, count), self.row_base)
        return rounded if rounded > self._untold(persons) else 0

    def _untold(self, persons: int) -> int:
        """The first multiple, where it would be far more than the persons beside whom it is shown; else 0."""
        return self.row_base if self.row_base > MOST_TIMES * persons else 0

    def _rounded(self, who: PersonSet, count: int, base: int) -> int:
        if count % base == 0:
            return count
        return round_drawn(count, base, self.draw(who, base))

    def draw(self, who: PersonSet, sides: int) -> int:
        """One of ``0 … sides - 1`` for these persons. For other ``sides`` it is at the same part of the way."""
        drawn = hmac.digest(self._secret, ROUNDING + fingerprint(who), hashlib.sha256)
        return int.from_bytes(drawn[:8]) * sides >> 64

    @property
    def _noise_off(self) -> int:
        return self.rules.noise_bound if self.rules.noise != "none" else 0


class CoarseCounter(Counter):
    """Shows numbers of rows and values beside another set's number of persons, so that they do not tell by how many the two sets differ.

    ``row_base`` is that of ``row_base.coarse_row_base``.
    """

    def shown_rows(self, who: PersonSet, count: int) -> int:
        """See Counter; 0 where there are too few for this base, so that a number would be more wrong than right."""
        shown = self._rounded(who, self.unrounded(who, count), self.row_base)
        return shown if shown >= LEAST_BASES * self.row_base else 0

    def within(self, who: PersonSet, count: int) -> tuple[int, int] | None:
        """See Counter; None where no number is shown. Of the persons another number is shown, which tells nothing of these rows."""
        shown = self.shown_rows(who, count)
        return (shown - self.off, shown + self.off) if shown else None

    def fewest(self, shown: int) -> int:
        """See Counter; beside another set's number none is exact, and the digits of a mean must not tell how many values it is of."""
        return self._fewest(shown)

    def rows_beside(self, persons: int, differ: int, who: PersonSet, count: int) -> tuple[int, tuple[int, int]]:
        """A number of these persons' rows beside a stand-in's number of persons as it is shown, and between which numbers it truly lies.

        Everybody has a row: there are fewer rows than persons of the stand-in only by the persons by whom the two sets ``differ`` at most.
        """
        rounded = self._rows(who, count, persons)
        most = (rounded or self._untold(persons)) + self.off
        fewest, _ = self.around(persons, differ)
        return max(rounded, min(persons, most)), (max(rounded - self.off, fewest), most)
