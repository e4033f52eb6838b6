"""How far small numbers that are about may be off, and whom they may hold besides: worked out from the released table alone."""

from collections.abc import Iterator
from dataclasses import dataclass

from twinpane.joined import joined
from twinpane_broker import Category, CategoryKind, PooledRow, ReleasedColumn, Value, about_off, marked, span

from .table import Table
from .wording import COUNTS, measures, suppressed

MUCH = 0.2
"""A number may be off by much from this share of it on."""
NAMED = 5
"""Numbers, and categories beside one, that are named, at most."""


@dataclass(frozen=True)
class AboutNumber:
    """A site's number of persons that may be off by much."""

    name: str
    """Of its cell, and its site where there are several."""
    value: int
    within: tuple[int, int]
    beside: tuple[str, ...]
    """The suppressed categories of its lines: it may hold some of their persons."""

    @property
    def words(self) -> str:
        """``pipe: ≈ 20 is between 0 and 61, and may hold persons of what is suppressed beside it: cigar``."""
        low, high = self.within
        told = f"{self.name}{': ' if self.name else ''}{marked(f'{self.value:,}', True)} is between {low:,} and {high:,}"
        others = [*self.beside[:NAMED], *([f"{len(self.beside) - NAMED} more"] if len(self.beside) > NAMED else [])]
        return told + (f", and may hold persons of what is suppressed beside it: {joined(others)}" if others else "")


def about_words(table: Table) -> list[str]:
    """A sentence for each of the first such numbers, and how many more there are."""
    found = list(about_numbers(table))
    more = len(found) - NAMED
    lines = [f"{one.words}." for one in found[:NAMED]]
    return [*lines, f"{more:,} more such numbers are off by as much; .frame() says so of each."] if more > 0 else lines


def about_numbers(table: Table) -> Iterator[AboutNumber]:
    """The sites' numbers of persons that may be off by much, in the order of the table."""
    cells = table.cells
    for row in cells.rows:
        for site in cells.released:
            for place, column in enumerate(measures(cells)):
                own = row.sites[site]
                value = own.values[place] if own is not None else Value()
                if (within := _within(table, site, value, column)) is not None:
                    key = ", ".join(category.text for category in row.key)
                    name = ", ".join(part for part in (key, table.title(site) if len(cells.released) > 1 else "") if part)
                    yield AboutNumber(name, int(value.value or 0), within, tuple(_beside(table, row, place, site)))


def about_span(table: Table, site: str, value: Value, column: ReleasedColumn) -> str:
    """Between which numbers a site's number of persons lies that is about, ``0–61``; empty where it is not, or may be off by little."""
    within = _within(table, site, value, column)
    return span(within) if within is not None else ""


def _within(table: Table, site: str, value: Value, column: ReleasedColumn) -> tuple[int, int] | None:
    # Numbers of rows say it themselves.
    if not value.about or value.value is None or value.within is not None or column.kind not in COUNTS:
        return None
    off, number = about_off(table.releases[site].rules), int(value.value)
    return (max(0, number - off), number + off) if off > MUCH * number else None


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
