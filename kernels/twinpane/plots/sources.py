"""The sources of the numbers in a plot: each site, and all sites pooled."""

from dataclasses import dataclass
from typing import Any

from twinpane.tables.table import Table
from twinpane.tables.wording import CLIPPED, SUPPRESSED, ends, part, total
from twinpane_broker import ABOUT, Ends, Pooled, PooledRow

POOLED = "pooled"


@dataclass(frozen=True)
class Source:
    """A site, or all sites pooled (``site`` is None), as something to draw."""

    cells: Pooled
    site: str | None
    title: str

    def value(self, row: PooledRow, place: int) -> float | None:
        """The number; None where there is none to draw."""
        if self.site is None:
            return row.values[place].value
        own = row.sites[self.site]
        return None if own is None else own.values[place].value

    def text(self, row: PooledRow, place: int) -> str:
        """The number in words, with its marks."""
        return total(self.cells, row, place) if self.site is None else part(self.cells, row, place, self.site)

    def about(self, row: PooledRow, place: int) -> bool:
        """Whether the number is about."""
        if self.site is None:
            return row.values[place].about
        own = row.sites[self.site]
        return own is not None and own.values[place].about

    def noted(self, row: PooledRow, place: int) -> bool:
        """Whether the table says beside the number that it lies at a bound, or is clipped."""
        if self.site is None:
            return row.values[place].clipped
        own = row.sites[self.site]
        return own is not None and (own.values[place].clipped is not None or own.values[place].end is not None)

    def ends(self, row: PooledRow, place: int) -> Ends | None:
        """Between which numbers it truly lies, where it may be off by much."""
        return ends(self.cells, row, place, self.site)

    def mark(self, row: PooledRow, place: int) -> str:
        """The marks that stand at a bar: about, and noted in the table."""
        return (ABOUT if self.about(row, place) else "") + (CLIPPED if self.noted(row, place) else "")

    def held(self, row: PooledRow, place: int) -> bool:
        """Whether the number is suppressed; a pooled number is when it is suppressed at every site."""
        return self.text(row, place) == SUPPRESSED


def sources(table: Table, *, pooled: bool = True) -> list[Source]:
    """The sites of a table, in order; then all sites pooled, where there are several."""
    cells = table.cells
    found = [Source(cells, site, table.title(site)) for site in cells.released]
    return [*found, Source(cells, None, POOLED)] if pooled and len(found) > 1 else found


def panel_sources(table: Table, ax: Any) -> list[Source]:
    """All sources, the pooled one first, each for a panel of its own; the first alone where ``ax`` is given."""
    found = sources(table)
    ordered = [found[-1], *found[:-1]]
    return ordered if ax is None else ordered[:1]
