"""A histogram along a measured axis."""

from typing import Any

from twinpane.tables.table import Table
from twinpane.tables.wording import PARTLY, axis_label, dimensions, measures
from twinpane_broker import CategoryKind, PooledRow

from .axes import COLOURS, HATCH, group_name, note, plain
from .sources import panel_sources, sources


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
    shown = [row for rows in series.values() for row in rows if any(source.value(row, place) is not None for source in sources(table))]
    ends = [_start(row, along) for row in shown] or [0.0]
    hidden = False
    for source, on in zip(panels, axes, strict=True):
        part = width / len(series)
        values = [value for rows in series.values() for row in rows if (value := source.value(row, place)) is not None]
        stub = 0.05 * max(values, default=1)
        for number, (name, rows) in enumerate(series.items()):
            starts = {_start(row, along) + number * part: row for row in rows}
            known = {start: value for start, row in starts.items() if (value := source.value(row, place)) is not None}
            on.bar(
                list(known), list(known.values()), width=part, align="edge", label=name, color=COLOURS[number % len(COLOURS)],
                edgecolor="white", linewidth=0.6,
            )  # fmt: skip
            for start, row in starts.items():
                if mark := source.mark(row, place) + (PARTLY if source.text(row, place).endswith(PARTLY) else ""):
                    on.text(start + part / 2, known[start], mark, ha="center", va="bottom", fontsize=8)
            lost = [
                start for start, row in starts.items()
                if source.held(row, place) and min(ends) - width <= _start(row, along) <= max(ends) + width
            ]  # fmt: skip
            if lost:
                hidden = True
                on.bar(lost, [-stub] * len(lost), width=part, align="edge", **HATCH)
        on.axhline(0, color="black", linewidth=0.8)
        on.set_ylabel(axis_label(measures(cells)[place]))
        if len(panels) > 1:
            on.set_title(source.title, fontsize=10, loc="left")
        plain(on)
    axes[-1].set_xlabel(axis_label(dimensions(cells)[along]) + _open_ends(shown, along))
    if len(series) > 1:
        axes[0].legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), title=axis_label(dimensions(cells)[0]))
    note(axes[0].figure, table, panels, place, hidden)
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
