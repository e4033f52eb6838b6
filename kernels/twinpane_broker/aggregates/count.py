"""Rows."""

from typing import TYPE_CHECKING, Literal

from .aggregate import Nothing, OfCell, Shown
from .pooled import Absent, Parts, PooledValue, added
from .value import Value

if TYPE_CHECKING:  # the researcher's side imports this too, and needs neither person sets nor rules
    from twinpane_broker.cells.cell_evidence import CellEvidence
    from twinpane_broker.rules.cell_key import Counter


class Count(OfCell):
    """The number of rows, rounded. Suppressed if one or two persons dominate it (``count_is_safe``)."""

    kind: Literal["count"] = "count"
    column: None = None
    within: Nothing = ()

    sql = ("count",)
    heading = "rows"
    shown = Shown.count
    of_rows = True

    def number(self, cell: "CellEvidence", whole: "CellEvidence | None", counter: "Counter") -> Value:
        """Rows, with the noise of their persons."""
        return Value(value=counter.shown_rows(cell.who, cell.rows), within=counter.within(cell.who, cell.rows))

    def noisy(self, persons: int, whole: int, off: int) -> Value:
        """If everybody has one row, rows are persons."""
        return Value(value=persons)

    @classmethod
    def pool(cls, parts: Parts, absent: Absent) -> PooledValue:
        """Rows add up."""
        return added(parts, absent)
