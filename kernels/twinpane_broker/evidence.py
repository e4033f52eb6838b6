"""What an engine measures for the rules to judge: exact numbers, which stay inside."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Spread:
    """How one measure's contributions are spread over the persons of a cell; a person's contribution is the sum of their values."""

    persons: int
    """Distinct persons with at least one value."""
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


@dataclass(frozen=True)
class CellEvidence:
    """One cell: distinct persons, rows, and the spread of each mean of the plan."""

    persons: int
    rows: int
    largest: int
    """Most rows of one person."""
    second: int
    """Second most rows of one person."""
    spreads: tuple[Spread | None, ...] = ()
    """Per mean of the plan, in order; None where nobody has a value."""


EMPTY = CellEvidence(persons=0, rows=0, largest=0, second=0)


@dataclass(frozen=True)
class Evidence:
    """All cells of a table, shown or outside, and the populations around them."""

    population: int
    """Distinct persons in the joined tables, before WHERE."""
    persons: int
    """Distinct persons of the question, after WHERE."""
    cells: dict[tuple[int, ...], CellEvidence] = field(repr=False)
    """By category index per axis; index ``len(categories)`` is outside. A cell that nobody is in may be left out."""

    def cell(self, index: tuple[int, ...]) -> CellEvidence:
        """The evidence of a cell; zeros where nobody is in it."""
        return self.cells.get(index, EMPTY)
