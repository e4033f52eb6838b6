"""Distinct persons."""

from typing import TYPE_CHECKING, Literal

from .aggregate import Nothing, OfCell, Shown
from .pooled import Absent, Parts, PooledValue, added
from .value import Value

if TYPE_CHECKING:  # the researcher's side imports this too, and needs neither person sets nor rules
    from twinpane_broker.cells.cell_evidence import CellEvidence
    from twinpane_broker.rules.cell_key import Counter


class Persons(OfCell):
    """The number of distinct persons, rounded: ``count(distinct key)``."""

    kind: Literal["persons"] = "persons"
    within: Nothing = ()

    sql = ("count",)
    heading = "persons"
    shown = Shown.count
    of_persons = True

    def number(self, cell: "CellEvidence", whole: "CellEvidence | None", counter: "Counter") -> Value:
        """Persons."""
        return Value(value=counter.shown(cell.who, cell.persons))

    def noisy(self, persons: int, whole: int, off: int) -> Value:
        """Persons."""
        return Value(value=persons)

    @classmethod
    def pool(cls, parts: Parts, absent: Absent) -> PooledValue:
        """The sum of the sites' persons. It assumes that nobody is at two sites: no site can know otherwise."""
        return added(parts, absent)
