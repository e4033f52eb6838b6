"""The evidence of one cell: exact numbers and exact person sets, which stay inside."""

from dataclasses import dataclass, field

from .person_sets import NOBODY, PersonSet


@dataclass(frozen=True)
class Bins:
    """The rows with a value of one measure between the borders of all grids (``ResolvedPlan.borders``), and where persons' extremes lie.

    ``rows[i]`` values lie in bin i, of one grid around its edge i; ``lowest[i]`` persons have their smallest value there, ``highest[i]``
    their largest.
    """

    rows: tuple[int, ...]
    lowest: tuple[int, ...]
    highest: tuple[int, ...]


@dataclass(frozen=True)
class Spread:
    """How one measure's contributions are spread over the persons of a cell; a person's contribution is the sum of their values.

    ``largest``, ``second`` and ``most_values`` may be upper bounds if even these meet the rules. If a bound fails a rule, the rule is
    judged on exact numbers.
    """

    who: PersonSet = field(repr=False)
    """Those with at least one value."""
    values: int
    """Rows with a value."""
    total: float
    """Sum of the values, each clipped to the catalogue's bounds."""
    absolute: float
    """Sum over persons of the absolute value of their contribution."""
    largest: float
    """Largest absolute contribution of a person."""
    second: float
    """Second largest absolute contribution; 0 where there is one person only."""
    low: float
    """Smallest clipped value, or a number below it where the values differ."""
    high: float
    """Largest clipped value, or a number above it where the values differ."""
    most_values: int = 0
    """Most values of one person."""
    squares: float | None = None
    """Sum of (value - middle)², the middle being that of the catalogue's bounds; where a spread was asked for."""
    bins: Bins | None = None
    """Where a quantile was asked for."""
    clipped: "CellEvidence | None" = None
    """The values that were clipped, as rows, where a mean or sum was asked for; None if there are none."""
    weight: float = 0.0
    """Where it was asked, the largest leverage of a person: the square of what his values sum up to beyond as many average ones, by the sum
    of these squares over all persons, but for a few heavier ones. May be an upper bound that is small."""

    @property
    def persons(self) -> int:
        """Distinct persons with at least one value."""
        return len(self.who)


@dataclass(frozen=True)
class Pair:
    """Two measures over the rows that have both. x and y are distances from the middles of the measures' bounds."""

    who: PersonSet = field(repr=False)
    values: int
    x: float
    y: float
    xx: float
    yy: float
    xy: float
    most_values: int = 0
    """Most rows of one person."""


@dataclass(frozen=True)
class CellEvidence:
    """One cell: its persons, its rows, and what the plan's measures need."""

    who: PersonSet = field(repr=False)
    rows: int
    largest: int
    """Most rows of one person; may be an upper bound, as in ``Spread``."""
    second: int
    """Second most rows of one person; may be an upper bound."""
    spreads: tuple[Spread | None, ...] = ()
    """One per column of ``ResolvedPlan.value_columns``, in order; None where nobody has a value."""
    pairs: tuple[Pair | None, ...] = ()
    """One per pair of ``ResolvedPlan.value_pairs``, in order; None where nobody has both values."""
    weight: float = 0.0
    """The same of numbers of rows: of a person's beyond the average person's."""
    often: int = 0
    """Where it was asked, a number of rows that as many persons have at least as were looked at."""
    counted: int | None = None
    """The number of persons where it was not counted in ``who``: a reader's sum of numbers, in place of a set's own."""

    @property
    def persons(self) -> int:
        """Distinct persons."""
        return len(self.who) if self.counted is None else self.counted


EMPTY = CellEvidence(who=NOBODY, rows=0, largest=0, second=0)
