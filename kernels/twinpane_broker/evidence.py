"""What an engine measures for the rules to judge: exact numbers and exact person sets, which stay inside."""

from dataclasses import dataclass, field

from .persons import NOBODY, PersonSet
from .predicates import Predicate


@dataclass(frozen=True)
class Bins:
    """The rows with a value of one measure over its fine grid (``edges.grid_of``), and where persons' extremes lie.

    ``rows[i]`` values lie in bin i; ``lowest[i]`` persons have their smallest value there, ``highest[i]`` their largest.
    """

    rows: tuple[int, ...]
    lowest: tuple[int, ...]
    highest: tuple[int, ...]


@dataclass(frozen=True)
class Spread:
    """How one measure's contributions are spread over the persons of a cell; a person's contribution is the sum of their values.

    ``largest``, ``second`` and ``most_values`` may be upper bounds where the rules are met even by these; a rule that a bound
    fails is judged on exact numbers.
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
    """Smallest clipped value."""
    high: float
    """Largest clipped value."""
    most_values: int = 0
    """Most values of one person."""
    squares: float | None = None
    """Sum of (value - middle)², the middle being that of the catalogue's bounds; where a spread was asked for."""
    bins: Bins | None = None
    """Where a quantile was asked for."""

    @property
    def persons(self) -> int:
        """Distinct persons with at least one value."""
        return len(self.who)


@dataclass(frozen=True)
class Pair:
    """Two measures over the rows that have both, x and y taken from the middles of their bounds."""

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
    """One per column of ``Bound.value_columns``, in order; None where nobody has a value."""
    pairs: tuple[Pair | None, ...] = ()
    """One per pair of ``Bound.value_pairs``, in order; None where nobody has both values."""

    @property
    def persons(self) -> int:
        """Distinct persons."""
        return len(self.who)


EMPTY = CellEvidence(who=NOBODY, rows=0, largest=0, second=0)


@dataclass(frozen=True)
class Condition:
    """One of the conditions that must all hold, by itself: what the rest of the question says makes no difference."""

    term: Predicate | None
    """As ``conditions.terms_of`` gives it; None: the cohort."""
    who: PersonSet = field(repr=False)
    """The persons of the population for whom it holds, on some row."""
    denied: tuple[int, ...] = ()
    """Of each comparison that it denies (``conditions.denied``), the number of persons of the population for whom that holds."""
    commonest: int | None = None
    """Of a condition on one dimension: of the persons for whom all the other conditions here hold, the most who have one of its codes."""
    terms: int = 1
    """How many terms of WHERE it stands for: those on the rows of one table of events are one condition."""


@dataclass(frozen=True)
class Evidence:
    """All cells of a table, shown or outside, and the populations around them. Totals are made of the cells by ``margins``."""

    population: PersonSet = field(repr=False)
    """The persons in the joined tables, before WHERE and cohort."""
    who: PersonSet = field(repr=False)
    """The persons of the question, after WHERE and cohort."""
    cells: dict[tuple[int, ...], CellEvidence] = field(repr=False)
    """By category index per axis; index ``len(categories)`` is outside. A cell that nobody is in may be left out.

    Without groups there is one cell, ``()``. Totals have no cell here."""
    conditions: tuple[Condition, ...] = field(default=(), repr=False)
    """The question's conditions by themselves. Those on rows that no index answers for are left out (``engine.alone``)."""
    ways: tuple[int, ...] = ()
    """Of each of ``conditions.ways`` in which the ORs of WHERE may hold, the number of persons of the population for whom it does."""
    one_row_each: bool = False
    """Whether nobody has two rows in any of the question's tables."""

    @property
    def persons(self) -> int:
        """Distinct persons of the question."""
        return len(self.who)

    def cell(self, index: tuple[int, ...]) -> CellEvidence:
        """The evidence of a cell; nobody where it is left out."""
        return self.cells.get(index, EMPTY)
