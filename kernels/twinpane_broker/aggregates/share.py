"""A cell's persons in percent of the persons of the question, or of the groups it is within."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from twinpane_broker.catalogue.catalogue import ColumnRef

from .aggregate import MAX_DIMENSIONS, OfCell, Shown
from .pooled import Absent, How, Known, Part, Parts, PooledValue, pooled
from .true_span import Ends, is_much, share_around
from .value import Value, unwritten

if TYPE_CHECKING:  # the researcher's side imports this too, and needs neither person sets nor rules
    from twinpane_broker.cells.cell_evidence import CellEvidence
    from twinpane_broker.rules.cell_key import Counter


class Share(OfCell):
    """A percentage, to 0.1 or to 1 where rounding leaves it unsure. It is made of two shown numbers of persons, and tells no more."""

    kind: Literal["share"] = "share"
    within: Annotated[tuple[ColumnRef, ...], Field(max_length=MAX_DIMENSIONS)] = ()

    sql = ("count",)
    heading = "share of persons"
    shown = Shown.percent
    of_persons = True
    takes_within = True
    code = "share"
    sentence = "Shares are made from the shown counts, to 0.1 %, or to 1 % where the rounding of these leaves it unsure."

    def number(self, cell: "CellEvidence", whole: "CellEvidence | None", counter: "Counter") -> Value:
        """The percentage, with both numbers of persons."""
        of = counter.shown(whole.who, whole.persons) if whole is not None else 0
        return self.noisy(counter.shown(cell.who, cell.persons), of, counter.off_persons)

    def noisy(self, persons: int, whole: int, off: int) -> Value:
        """The percentage of ``whole``; suppressed if ``whole`` is 0."""
        if not whole:
            return Value()
        share = min(100.0, 100 * persons / whole)
        decimals = 0 if (100 + share) * off >= whole else 1
        shown = round(share, decimals)
        return Value(value=shown, n=persons, of=whole, decimals=unwritten(shown, decimals))

    @classmethod
    def pool(cls, parts: Parts, absent: Absent) -> PooledValue:
        """The percentage, from the sum of the sites' persons and the sum of their denominators."""
        return pooled(parts, absent, _share, of=True, as_sure=True, within=_within)


def _share(known: list[Known]) -> tuple[float, How]:
    return min(100 * sum(part.n for part in known) / sum(part.of for part in known), 100.0), ""


def _within(used: list[Part], share: float) -> Ends | None:
    # Of which of its two numbers a site's share is about is not said.
    off = sum(part.off for part in used)
    ends = share_around(sum(part.n or 0 for part in used), sum(part.of or 0 for part in used), off, off)
    return ends if off and is_much(share, ends) else None
