"""A release and a catalogue as text for a terminal."""

import textwrap
from collections.abc import Iterator, Sequence

from twinpane_broker import (
    Catalogue,
    Release,
    ReleasedColumn,
    Role,
    Row,
    about_means,
    about_off,
    around,
    basis_shown,
    bounds_means,
    grids_mean,
    in_few_words,
    in_words,
    left_out_means,
    marked,
    persons_shown,
    suppressed_means,
    value_shown,
)

WIDTH = 100
"""Characters in a line of a note, at most."""
SUPPRESSED = "suppressed"
"""For small cells and for those that protect them: a release does not tell which is which, as some protect what the memory knows."""
NOTHING = "–"
"""Stands where there is no number, as nobody is in the cell."""


def release_text(release: Release) -> str:
    """The released table, right-aligned numbers, and the rules that were applied."""
    names = [column.name for column in release.columns]
    units = [f" [{column.unit}]" if column.unit else "" for column in release.columns]
    head = [name + unit for name, unit in zip(names, units, strict=True)]
    dimensions, off = len(release.dimensions), about_off(release.rules)
    rows = [
        [*(part.text for part in row.key), *(_number(row, place, column, off) for place, column in enumerate(release.measures))]
        for row in release.rows
    ]
    lines = list(_table(head, rows, dimensions))
    if any(SUPPRESSED in row[dimensions:] for row in rows):
        lines += ["", *textwrap.wrap(f"{SUPPRESSED}: {suppressed_means(release.rules, release.measures)}", WIDTH)]
    if release.about or any(value.about for row in release.rows for value in row.values):
        lines += ["", *textwrap.wrap(about_means(release.rules), WIDTH)]
    for clause in (bounds_means(release.measures), grids_mean(release.measures)):
        lines += ["", *textwrap.wrap(clause, WIDTH)] if clause else []
    if release.left_out is not None:
        lines += ["", *textwrap.wrap(left_out_means(release.left_out), WIDTH)]
    persons = SUPPRESSED if release.persons is None else persons_shown(release.persons, release.about, around(release.persons, off))
    lines += ["", f"{persons} persons at {release.site}, snapshot {release.snapshot}; release {release.id}"]
    for rule in release.rules:
        lines += textwrap.wrap(in_words(rule), WIDTH, initial_indent="  ", subsequent_indent="    ")
    if low := in_few_words(release.account):
        lines += [
            "",
            *textwrap.wrap(f"Ask with fewer groups: few sets of persons are left for {low}; twinpane site status shows all", WIDTH),
        ]
    return "\n".join(lines)


def catalogue_text(catalogue: Catalogue) -> str:
    """What the columns of each table became."""
    lines = []
    for table in catalogue.tables:
        lines.append(f"{table.name}")
        for role in Role:
            found = [column.name for column in table.columns if column.role is role]
            if found:
                lines.append(f"  {role.value:<10} {', '.join(found)}")
    return "\n".join(lines)


def _number(row: Row, place: int, column: ReleasedColumn, off: int) -> str:
    value = row.values[place]
    if value.value is None:
        return NOTHING if row.lacks(place) else SUPPRESSED
    text = value_shown(value, column, off)
    if column.kind == "share":
        told = value.n is not None and value.of is not None
        return f"{text} ({marked(f'{value.n:,}', row.about)} of {value.of:,})" if told else text
    return text if value.n is None else f"{text} (n {basis_shown(value)})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> Iterator[str]:
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    for cells in (head, ["-" * width for width in widths], *rows):
        padded = [cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(zip(cells, widths, strict=True))]
        yield "  ".join(padded).rstrip()
