"""A histogram along a measured axis."""

from textwrap import fill
from typing import Any

from twinpane.tables.table import Table
from twinpane.tables.wording import PARTLY, axis_label, dimensions, measures
from twinpane_broker import CategoryKind, PooledRow

from .axes import COLOURS, HATCH, ROOM, all_suppressed, fitting, group_name, legend, note, plain, whisker
from .sources import panel_sources, sources

NAME = 18
"""Characters in a line of the upright axis' name, at most: as many as a panel is high."""


def histogram(table: Table, place: int, ax: Any) -> Any:
    """Draw bars by bin: pooled first, then each site below, one colour per group. A suppressed bin is a hatched strip below the axis."""
    cells = table.cells
    along = len(dimensions(cells)) - 1
    width = float(table.plan.group_by[along].width or 1)
    panels = panel_sources(table, ax)
    axes = [ax] if ax is not None else _column(len(panels))
    series: dict[str, list[PooledRow]] = {}
    for row in cells.rows:
        if all(category.kind is not CategoryKind.total for category in row.key) and row.key[along].kind is CategoryKind.code:
            series.setdefault(group_name(row, along), []).append(row)
    # A colour for each group: more could not be told apart.
    names, left_out = fitting(list(series), 1, most=len(COLOURS))
    series = {name: series[name] for name in names}
    shown = [row for rows in series.values() for row in rows if any(source.value(row, place) is not None for source in sources(table))]
    ends = [_start(row, along) for row in shown or [row for rows in series.values() for row in rows]]
    hidden = False
    for source, on in zip(panels, axes, strict=True):
        part = width / len(series)
        values = [value for rows in series.values() for row in rows if (value := source.value(row, place)) is not None]
        stub = 0.05 * max(values, default=1)
        lost: list[float] = []
        for number, rows in enumerate(series.values()):
            starts = {_start(row, along) + number * part: row for row in rows}
            known = {start: value for start, row in starts.items() if (value := source.value(row, place)) is not None}
            on.bar(
                list(known), list(known.values()), width=part, align="edge", color=COLOURS[number % len(COLOURS)], edgecolor="white",
                linewidth=0.6,
            )  # fmt: skip
            for start, value in known.items():
                row = starts[start]
                end = whisker(on, start + part / 2, value, source.ends(row, place), upright=True)
                if mark := source.mark(row, place) + (PARTLY if source.text(row, place).endswith(PARTLY) else ""):
                    on.text(start + part / 2, end, mark, ha="center", va="bottom", fontsize=8)
                    on.margins(y=ROOM)
            lost += [
                start for start, row in starts.items()
                if source.held(row, place) and min(ends) - width <= _start(row, along) <= max(ends) + width
            ]  # fmt: skip
        if lost:
            hidden = True
            on.bar(lost, [-stub] * len(lost), width=part, align="edge", **HATCH)
        on.axhline(0, color="black", linewidth=0.8)
        on.set_ylabel(fill(axis_label(measures(cells)[place]), NAME))
        if lost and not values:
            all_suppressed(on, on.yaxis)
        if len(panels) > 1:
            on.set_title(source.title, fontsize=10, loc="left")
        plain(on)
    axes[-1].set_xlabel(axis_label(dimensions(cells)[along]) + _open_ends(shown, along))
    if len(series) > 1:
        legend(axes[0], list(series), axis_label(dimensions(cells)[0]))
    note(axes[0].figure, table, panels, [place], hidden, [left_out])
    return ax if ax is not None else axes[0] if len(axes) == 1 else axes


def _column(panels: int) -> list[Any]:
    import matplotlib.pyplot as plt

    made = plt.subplots(panels, 1, figsize=(6.4, 1.9 * panels + 1.1), layout="constrained", sharex=True)[1]
    return list(made.flat) if hasattr(made, "flat") else [made]


def _open_ends(rows: list[PooledRow], along: int) -> str:
    """The bins that hold all that lies beyond them, in words for the axis: a bar does not show that it does."""
    texts = dict.fromkeys(row.key[along].text for row in rows)
    ends = [text for text in texts if text.startswith("under ") or " or more" in text]
    return f" (end bars: {', '.join(ends)})" if ends else ""


def _start(row: PooledRow, along: int) -> float:
    """The lower end of a row's bin, which is the code of its category."""
    return float(row.key[along].value or 0)
