"""The facts that a build finds about a frozen snapshot: sizes, and the most that one person contributes to anything.

They give the bounds on one person's contribution, so most questions need no pass per person. The numbers are exact and stay inside.
"""

from pathlib import Path
from typing import TypeVar

from pydantic import NonNegativeInt, ValidationError

from twinpane_broker.errors import EngineError
from twinpane_broker.model import Closed


class DimensionFacts(Closed):
    """The most rows of one person that hold a code; 0 if no row holds it."""

    column: str
    codes: tuple[NonNegativeInt, ...]
    """By code index, as in the catalogue's list of codes."""
    other: NonNegativeInt = 0
    """Of values that are not approved."""
    missing: NonNegativeInt = 0

    def most_rows(self, code: int | None) -> int:
        """The most rows for a code's index; -1 stands for values that are not approved, None for missing ones."""
        if code is None:
            return self.missing
        return self.other if code < 0 else self.codes[code]


class MeasureFacts(Closed):
    """The smallest and largest value after clipping (None if no row has a value), and the numbers of rows without a value and clipped."""

    column: str
    low: float | None
    high: float | None
    missing: NonNegativeInt
    clipped: NonNegativeInt


_Part = TypeVar("_Part", DimensionFacts, MeasureFacts)


class TableFacts(Closed):
    """The facts of one table of the store. Rows without a person are not in the table and not counted."""

    name: str
    rows: NonNegativeInt
    persons: NonNegativeInt
    most_rows: NonNegativeInt
    """Most rows of one person; 0 where there are none."""
    dimensions: tuple[DimensionFacts, ...] = ()
    measures: tuple[MeasureFacts, ...] = ()

    @property
    def single(self) -> bool:
        """Whether nobody has two rows."""
        return self.most_rows <= 1

    def dimension(self, column: str) -> DimensionFacts:
        """The facts of a dimension; raises KeyError if there is none of that name."""
        return _named(self.dimensions, column)

    def measure(self, column: str) -> MeasureFacts:
        """The facts of a measure; raises KeyError if there is none of that name."""
        return _named(self.measures, column)


class Facts(Closed):
    """The facts of a store. ``made_of`` is the fingerprint of the data and catalogue that store, facts and index were made of."""

    made_of: str
    tables: tuple[TableFacts, ...]

    def table(self, name: str) -> TableFacts:
        """The facts of a table; raises KeyError if there is none of that name."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)


def read_facts(file: Path) -> Facts:
    """The facts in a file. Raises EngineError if the file is missing, cut off or malformed."""
    try:
        return Facts.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        raise EngineError(f"{file} is not there or damaged: make it again with build_store()") from None


def _named(parts: tuple[_Part, ...], column: str) -> _Part:
    for part in parts:
        if part.column == column:
            return part
    raise KeyError(column)
