"""Whom numbers that are about may hold besides: worked out from the released table alone."""

from collections.abc import Iterator
from dataclasses import dataclass

from twinpane.joined import joined
from twinpane_broker import Category, CategoryKind, PooledRow

from .table import Table
from .wording import COUNTS, ends, measures, part, suppressed

NAMED = 5
"""Numbers, and categories beside one, that are named, at most."""


@dataclass(frozen=True)
class AboutNumber:
    """A site's number of persons that is about, may be off by much, and stands beside suppressed ones."""

    name: str
    """Of its cell, and its site where there are several."""
    shown: str
    beside: tuple[str, ...]
    """The suppressed categories of its lines: it may hold some of their persons."""

    @property
    def words(self) -> str:
        """``pipe: ≈ 20 (0–61) may hold persons of what is suppressed beside it: cigar``."""
        others = [*self.beside[:NAMED], *([f"{len(self.beside) - NAMED} more"] if len(self.beside) > NAMED else [])]
        return f"{self.name}{': ' if self.name else ''}{self.shown} may hold persons of what is suppressed beside it: {joined(others)}"


def about_words(table: Table) -> list[str]:
    """A sentence for each of the first such numbers, and how many more there are."""
    found = list(about_numbers(table))
    more = len(found) - NAMED
    lines = [f"{one.words}." for one in found[:NAMED]]
    return [*lines, f"So may {more:,} more such numbers."] if more > 0 else lines


def about_numbers(table: Table) -> Iterator[AboutNumber]:
    """The sites' numbers of persons that may be off by much beside suppressed ones, in the order of the table."""
    cells = table.cells
    for row in cells.rows:
        for site in cells.released:
            for place, column in enumerate(measures(cells)):
                own = row.sites[site]
                # Numbers of rows may be off for another reason.
                is_about = own is not None and own.values[place].about and own.values[place].within is None
                if (
                    is_about
                    and column.kind in COUNTS
                    and ends(cells, row, place, site)
                    and (beside := tuple(_beside(table, row, place, site)))
                ):
                    key = ", ".join(category.text for category in row.key)
                    name = ", ".join(words for words in (key, table.title(site) if len(cells.released) > 1 else "") if words)
                    yield AboutNumber(name, part(cells, row, place, site), beside)


def _beside(table: Table, row: PooledRow, place: int, site: str) -> Iterator[str]:
    """The suppressed categories that share a line with a cell: all of its other categories are the same."""
    if row.is_total:
        return
    for other in table.cells.rows:
        apart = [(one, another) for one, another in zip(row.key, other.key, strict=True) if not _same(one, another)]
        if len(apart) == 1 and not other.is_total and suppressed(other, place, site):
            yield apart[0][1].text


def _same(one: Category, other: Category) -> bool:
    return (one.kind, one.value) == (other.kind, other.value) or CategoryKind.total in (one.kind, other.kind)
