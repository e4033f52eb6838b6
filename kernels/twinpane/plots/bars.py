"""Bars per group, one colour per site."""

from typing import Any

from twinpane.tables.table import Table
from twinpane.tables.wording import axis_label, dimensions, measures

from .axes import COLOURS, HATCH, ROOM, all_suppressed, figure, group_name, in_lines, legend, note, plain, room_for, rows_label
from .sources import sources


def bars(table: Table, place: int, ax: Any) -> Any:
    """Draw bars per group, one colour per site. A suppressed number is a hatched strip on the other side of the axis; one that is about
    or is noted in the table, has its mark at the end."""
    cells = table.cells
    rows = [row for row in cells.rows if not row.is_total] or list(cells.rows)
    groups = [in_lines(group_name(row)) for row in rows]
    drawn = sources(table, pooled=False)
    if ax is None:
        ax = figure(6.4, max(1.6, len(groups) * max(0.26 * (len(drawn) + 1), room_for(groups)) + 0.9))
    thick = 0.8 / len(drawn)
    known = [value for source in drawn for row in rows if (value := source.value(row, place)) is not None]
    stub = 0.04 * max((abs(value) for value in known), default=1.0)
    hidden = False
    for i, source in enumerate(drawn):
        shift = (i - (len(drawn) - 1) / 2) * thick
        there = [(group + shift, value) for group, row in enumerate(rows) if (value := source.value(row, place)) is not None]
        ax.barh([y for y, _ in there], [v for _, v in there], height=thick * 0.86, color=COLOURS[i % len(COLOURS)])
        for group, row in enumerate(rows):
            value, mark = source.value(row, place), source.mark(row, place)
            if value is not None and mark:
                ax.text(value, group + shift, f" {mark} ", ha="left" if value >= 0 else "right", va="center", fontsize=9)
                ax.margins(x=ROOM)
        lost = [group + shift for group, row in enumerate(rows) if source.held(row, place)]
        if lost:
            hidden = True
            ax.barh(lost, [-stub] * len(lost), height=thick * 0.86, **HATCH)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(groups)), groups)
    ax.invert_yaxis()
    ax.set_xlabel(axis_label(measures(cells)[place]))
    if dimensions(cells):
        rows_label(ax, ", ".join(axis_label(column) for column in dimensions(cells)))
    plain(ax)
    if hidden and not known:
        all_suppressed(ax, ax.xaxis)
    if len(drawn) > 1:
        legend(ax, [source.title for source in drawn])
    note(ax.figure, table, drawn, place, hidden)
    return ax
