"""What a build finds out about a frozen snapshot once: sizes, and the most that one person contributes to anything.

Bounds on one person's contribution come from here, so that most questions need no pass per person. Exact numbers: they stay inside.
"""

from pathlib import Path
from typing import TypeVar

from pydantic import NonNegativeInt, ValidationError

from twinpane_broker.errors import EngineError
from twinpane_broker.model import Closed


class DimensionFacts(Closed):
    """The most rows of one person that hold a code; 0 where no row holds it."""

    column: str
    codes: tuple[NonNegativeInt, ...]
    """By code index, as in the catalogue's list of codes."""
    other: NonNegativeInt = 0
    """Of values that are not approved."""
    missing: NonNegativeInt = 0

    def most_rows(self, code: int | None) -> int:
        """Of a code's index; -1 for values that are not approved, None for missing ones."""
        if code is None:
            return self.missing
        return self.other if code < 0 else self.codes[code]


class MeasureFacts(Closed):
    """The smallest and largest value after clipping, None where no row has one; and the rows without a value."""

    column: str
    low: float | None
    high: float | None
    missing: NonNegativeInt


_Part = TypeVar("_Part", DimensionFacts, MeasureFacts)


class TableFacts(Closed):
    """Of one table of the store: rows without a person are not in it and not counted."""

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
        """Of a dimension; raises KeyError where there is none of that name."""
        return _named(self.dimensions, column)

    def measure(self, column: str) -> MeasureFacts:
        """Of a measure; raises KeyError where there is none of that name."""
        return _named(self.measures, column)


class Facts(Closed):
    """The facts of a store. ``made_of`` is the fingerprint of what store, facts and index were made of together."""

    made_of: str
    tables: tuple[TableFacts, ...]

    def table(self, name: str) -> TableFacts:
        """Of a table; raises KeyError where there is none of that name."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)


def read_facts(file: Path) -> Facts:
    """The facts in a file; raises EngineError where it is not there, cut or not of this form."""
    try:
        return Facts.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        raise EngineError(f"{file} is not there or damaged: make it again with build_store()") from None


def _named(parts: tuple[_Part, ...], column: str) -> _Part:
    for part in parts:
        if part.column == column:
            return part
    raise KeyError(column)
