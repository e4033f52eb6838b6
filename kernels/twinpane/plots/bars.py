"""Bars per group, one colour per site; a panel per measure."""

from collections.abc import Sequence
from typing import Any

from twinpane.tables.table import Table
from twinpane.tables.wording import axis_label, dimensions, measures
from twinpane_broker import PooledRow

from .axes import (
    COLOURS,
    HATCH,
    ROOM,
    all_suppressed,
    fitting,
    group_name,
    in_lines,
    legend,
    note,
    plain,
    room_for,
    rows_label,
    whisker,
)
from .sources import Source, sources

MOST = 4
"""Measures that are drawn side by side, at most."""
WIDE, PANEL = 6.4, 3.6
"""Width of a plot of one measure, and of each of several, in inches."""


def bars(table: Table, places: Sequence[int], ax: Any) -> Any:
    """Draw bars per group, one colour per site, and a panel per measure. A suppressed number is a hatched strip on the other side of the
    axis; one that is about, or is noted in the table, has its mark at the end."""
    cells = table.cells
    whole = [row for row in cells.rows if not row.is_total] or list(cells.rows)
    drawn = sources(table, pooled=False)
    names = [in_lines(group_name(row)) for row in whole]
    each = max(0.26 * (len(drawn) + 1), room_for(names))
    rows, left_out = fitting(whole, each)
    shown = places[:1] if ax is not None else places[:MOST]
    axes = [ax] if ax is not None else _panels(len(shown), max(1.6, len(rows) * each + 0.9))
    hidden = False
    for on, place in zip(axes, shown, strict=True):
        hidden |= _panel(on, rows, place, drawn)
        on.set_xlabel(axis_label(measures(cells)[place]))
    axes[0].set_yticks(range(len(rows)), names[: len(rows)])
    if dimensions(cells):
        rows_label(axes[0], ", ".join(axis_label(column) for column in dimensions(cells)))
    axes[0].invert_yaxis()
    if len(drawn) > 1:
        legend(axes[-1], [source.title for source in drawn])
    note(axes[0].figure, table, drawn, shown, hidden, [left_out, _not_drawn(table, places[len(shown) :])])
    return axes[0] if len(axes) == 1 else axes


def _panels(number: int, high: float) -> list[Any]:
    import matplotlib.pyplot as plt

    wide = WIDE if number == 1 else 1.6 + PANEL * number
    return list(plt.subplots(1, number, figsize=(wide, high), layout="constrained", squeeze=False, sharey=True)[1].flat)


def _not_drawn(table: Table, places: Sequence[int]) -> str:
    names = [measures(table.cells)[place].name for place in places]
    return f"not drawn: {', '.join(names)}; .plot({names[0]!r}) draws one" if names else ""


def _panel(ax: Any, rows: Sequence[PooledRow], place: int, drawn: list[Source]) -> bool:
    """Draw one measure; returns whether anything of it is hatched."""
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
            if value is None:
                continue
            end = whisker(ax, group + shift, value, source.ends(row, place))
            if mark:
                ax.text(end, group + shift, f" {mark} ", ha="left" if value >= 0 else "right", va="center", fontsize=9)
                ax.margins(x=ROOM)
        lost = [group + shift for group, row in enumerate(rows) if source.held(row, place)]
        if lost:
            hidden = True
            ax.barh(lost, [-stub] * len(lost), height=thick * 0.86, **HATCH)
    ax.axvline(0, color="black", linewidth=0.8)
    plain(ax)
    if hidden and not known:
        all_suppressed(ax, ax.xaxis)
    return hidden
