"""Released numbers and headings in words. A word, never colour alone, says that a number is suppressed."""

from collections.abc import Iterable

from twinpane_broker import (
    AGGREGATES,
    Ends,
    MeasureKind,
    Pooled,
    PooledRow,
    ReleasedColumn,
    Shown,
    Value,
    basis_shown,
    marked,
    shown_number,
    span,
    value_note,
    value_shown,
    within_of,
)

SUPPRESSED = "suppressed"
ALL_SUPPRESSED = "all suppressed"
PARTLY = "*"
"""Marks a pooled number that lacks a site's part."""
WITHIN = "†"
"""Marks a pooled spread that covers only the spread within the sites."""
WITHIN_MEANS = f"{WITHIN} within the sites: differences between the sites' means are not in it"
CLIPPED = "‡"
"""Marks a pooled number of which a site clipped many values."""
SEE_SITES = "see sites"
"""Stands in for a pooled number that cannot be pooled: of such a kind, or of a site that does not say over how many values its own is."""
NOT_SAID = "not said"
"""Stands where a site does not say over how many values its number is."""
NOT_THERE = "–"
"""Stands where there is no number: a site has no such category, or says that nobody is in it."""
ROWS = 200
"""Rows shown, at most; ``frame()`` has them all."""

COUNTS = tuple(kind for kind, aggregate in AGGREGATES.items() if aggregate.shown is Shown.count)
WITH_ENDS = (*COUNTS, MeasureKind.share, MeasureKind.sum)
"""Kinds of numbers of which it may be said between which numbers they lie."""


def part(cells: Pooled, row: PooledRow, place: int, site: str) -> str:
    """One site's number of a measure, marked where it is about; a dash where there is none."""
    own = row.sites[site]
    if own is None or own.lacks(place):
        return NOT_THERE
    return SUPPRESSED if own.values[place].value is None else value_shown(own.values[place], measures(cells)[place], cells.off[site])


def total(cells: Pooled, row: PooledRow, place: int) -> str:
    """The pooled number, marked where a part of it is about, and where the part of a site of this table is missing from it.

    A dash where the sites say that there is none.
    """
    value = row.values[place]
    if value.how == "see the sites" and any(not held(row, place, site) for site in cells.released):
        return SEE_SITES
    if value.value is None:
        return SUPPRESSED if missing(cells, row, place) else NOT_THERE
    column = measures(cells)[place]
    shown = shown_number(value.value, column, value.decimals)
    off = f" ({span(value.within, MeasureKind(column.kind))})" if value.within else ""
    marks = (WITHIN if value.how == "within the sites" else "") + (CLIPPED if value.clipped else "")
    return marked(shown + off + marks + (PARTLY if missing(cells, row, place) else ""), value.about)


def note(cells: Pooled, row: PooledRow, place: int, site: str | None) -> str:
    """What the table says beside a site's number, or the pooled one, in words: ``or more``, ``63–187``, ``15–25 % clipped``."""
    column = measures(cells)[place]
    if site is not None:
        own = row.sites[site]
        return value_note(own.values[place], column, cells.off[site]) if own is not None and own.values[place].value is not None else ""
    value = row.values[place]
    if value.value is None:
        return ""
    within = span(value.within, MeasureKind(column.kind)) if value.within else ""
    return ", ".join(part for part in (within, "clipped at a site" if value.clipped else "") if part)


def ends(cells: Pooled, row: PooledRow, place: int, site: str | None) -> Ends | None:
    """Between which numbers a site's number, or the pooled one, truly lies, where that is said."""
    if site is None:
        return row.values[place].within
    own = row.sites[site]
    return None if own is None else within_of(own.values[place], MeasureKind(measures(cells)[place].kind), cells.off[site])


def held(row: PooledRow, place: int, site: str) -> bool:
    """Whether a site released no number here."""
    own = row.sites[site]
    return own is None or own.values[place].suppressed


def suppressed(row: PooledRow, place: int, site: str) -> bool:
    """Whether a site suppressed its number here."""
    own = row.sites[site]
    return own is not None and own.values[place].suppressed and not own.lacks(place)


def missing(cells: Pooled, row: PooledRow, place: int) -> list[str]:
    """The sites of this table whose part is missing from a pooled number."""
    return [site for site in row.values[place].without if site in cells.released]


def why_partly(cells: Pooled, places: Iterable[int]) -> str:
    """Why pooled numbers at these places are marked as without a site, and what they then are; empty where none is."""
    marked = [(row, place) for place in places for row in cells.rows if row.values[place].value is not None]
    lacking = [(row, place, site) for row, place in marked for site in missing(cells, row, place)]
    if not lacking:
        return ""
    whys = {
        "suppressed its part": any(suppressed(*one) for one in lacking),
        "has no such category": any(row.sites[site] is None for row, _, site in lacking),
    }
    counts = {measures(cells)[place].kind in COUNTS for _, place, _ in lacking}
    least, alone = "at least so much", "of the other sites alone"
    then = f"it is {least if True in counts else alone}" if len(counts) == 1 else f"counts are {least}, other numbers are {alone}"
    return f"{PARTLY} without a site that {' or '.join(why for why, holds in whys.items() if holds)}: {then}"


def basis(value: Value | None) -> str:
    """How many values a site's number is computed over, like ``1,230`` or ``63–187``; empty where the site does not say."""
    return "" if value is None else basis_shown(value)


def measures(cells: Pooled) -> list[ReleasedColumn]:
    """The columns that hold numbers."""
    return [column for column in cells.columns if column.is_measure]


def dimensions(cells: Pooled) -> list[ReleasedColumn]:
    """The columns that hold categories."""
    return [column for column in cells.columns if not column.is_measure]


def heading(column: ReleasedColumn) -> str:
    """A column's name, with its unit."""
    return column.name + (f" ({column.unit})" if column.unit else "")


def axis_label(column: ReleasedColumn) -> str:
    """The text along an axis: the column's label or name, with its unit."""
    aggregate = AGGREGATES[MeasureKind(column.kind)] if column.is_measure else None
    name = column.label or (aggregate.heading if aggregate is not None else "") or column.name
    if aggregate is not None and aggregate.shown is Shown.percent:
        return f"{name} (%)"
    return f"{name} ({column.unit})" if column.unit else name


def named_unit(cells: Pooled) -> str:
    """`` years``: the unit of the last dimension, after a space; empty where it has none."""
    last = dimensions(cells)[-1:]
    return f" {last[0].unit}" if last and last[0].unit else ""
