"""Correlations as tiles: a line per group, a column per site and one for all sites pooled."""

from typing import Any

from twinpane.tables.table import Table
from twinpane.tables.wording import axis_label, dimensions, measures

from .axes import HATCH, all_suppressed, figure, fitting, in_lines, note, room_for, rows_label
from .sources import sources
from .tiles import bare, ink, shade, tile, without_number

SIGNED = "PuOr"
"""From orange through white to purple: the two signs can be told apart with any colour vision."""


def correlation_tiles(table: Table, place: int, ax: Any) -> Any:
    """Draw a correlation per group and site: shades from -1 to 1, the number in the tile."""
    cells = table.cells
    panels = sources(table)
    names = [in_lines(", ".join(category.text for category in row.key)) for row in cells.rows]
    each = max(0.42, room_for(names))
    rows, left_out = fitting(cells.rows, each)
    names = names[: len(rows)]
    if ax is None:
        ax = figure(max(3.2, 1.3 * len(panels) + 1.2), max(1.5, each * len(rows) + 1.2))
    hidden = False
    for x, source in enumerate(panels):
        for y, row in enumerate(rows):
            value = source.value(row, place)
            if value is not None:
                colour = shade(SIGNED, (value + 1) / 2)
                tile(ax, x, y, facecolor=colour, edgecolor="white")
                ax.text(x, y, source.text(row, place), ha="center", va="center", fontsize=10, color=ink(colour))
            elif source.held(row, place):
                hidden = True
                tile(ax, x, y, **HATCH)
            else:
                without_number(ax, x, y, source.text(row, place))
    ax.set_xticks(range(len(panels)), [source.title for source in panels], fontsize=9)
    ax.set_yticks(range(len(names)) if any(names) else [], names if any(names) else [])
    if dimensions(cells):
        rows_label(ax, ", ".join(axis_label(column) for column in dimensions(cells)))
    ax.set_xlim(-0.5, len(panels) - 0.5)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_title(f"correlation of {measures(cells)[place].label or measures(cells)[place].name}", fontsize=10)
    bare(ax)
    if hidden and not any(source.value(row, place) is not None for source in panels for row in rows):
        all_suppressed(ax)
    note(ax.figure, table, panels, [place], hidden, [left_out])
    return ax
