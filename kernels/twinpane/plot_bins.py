"""Distributions: histograms along a measured axis, and boxes from the 5th to the 95th percentile."""

from typing import TYPE_CHECKING, Any

from twinpane_broker import CategoryKind

from .plots import COLOURS, HATCH, axis_label, dimensions, figure, group_name, named, note, plain, sources
from .wording import measures

if TYPE_CHECKING:
    from twinpane_broker import PooledRow

    from .results import Table


def histogram(table: "Table", place: int, ax: Any) -> Any:
    """Bars by bin: pooled first, then each site below, one colour per group. Hatched strips below the axis are suppressed bins."""
    cells = table.cells
    along = len(dimensions(cells)) - 1
    width = float(table.plan.group_by[along].width or 1)
    found = sources(table)
    panels = [found[-1], *found[:-1]] if len(found) > 1 else found
    panels = panels[:1] if ax is not None else panels
    axes = [ax] if ax is not None else _column(len(panels))
    series: dict[str, list[PooledRow]] = {}
    for row in cells.rows:
        if all(category.kind is not CategoryKind.total for category in row.key) and row.key[along].kind is CategoryKind.code:
            series.setdefault(group_name(row, along), []).append(row)
    shown = [row for rows in series.values() for row in rows if any(source.value(row, place) is not None for source in found)]
    ends = [float(row.key[along].value) for row in shown] or [0.0]
    hidden = False
    for source, on in zip(panels, axes, strict=True):
        part = width / len(series)
        values = [value for rows in series.values() for row in rows if (value := source.value(row, place)) is not None]
        stub = 0.05 * max(values, default=1)
        for number, (name, rows) in enumerate(series.items()):
            starts = {float(row.key[along].value) + number * part: row for row in rows}
            known = {start: value for start, row in starts.items() if (value := source.value(row, place)) is not None}
            on.bar(
                list(known), list(known.values()), width=part, align="edge", label=name, color=COLOURS[number % len(COLOURS)],
                edgecolor="white", linewidth=0.6,
            )  # fmt: skip
            lost = [
                start for start, row in starts.items()
                if source.held(row, place) and min(ends) - width <= float(row.key[along].value) <= max(ends) + width
            ]  # fmt: skip
            if lost:
                hidden = True
                on.bar(lost, [-stub] * len(lost), width=part, align="edge", **HATCH)
        on.axhline(0, color="black", linewidth=0.8)
        on.set_ylabel(axis_label(measures(cells)[place]))
        if len(panels) > 1:
            on.set_title(source.title, fontsize=10, loc="left")
        plain(on)
    axes[-1].set_xlabel(named(dimensions(cells)[along]))
    if len(series) > 1:
        axes[0].legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), title=named(dimensions(cells)[0]))
    note(axes[0].figure, table, panels, place, hidden)
    return ax if ax is not None else axes[0] if len(axes) == 1 else axes


def boxes(table: "Table", ax: Any) -> Any:
    """Per group and site: a line from the 5th to the 95th percentile, a box of the middle half, the median, and the mean as a dot."""
    cells = table.cells
    at = {("p" + str(measure.percent) if measure.percent else str(measure.kind)): i for i, measure in enumerate(table.plan.measures)}
    drawn = sources(table, pooled=False)
    lines = [(row, source) for row in cells.rows for source in drawn]
    if ax is None:
        ax = figure(6.4, max(1.8, 0.42 * len(lines) + 1.3))
    hidden = False
    for y, (row, source) in enumerate(lines):
        value = {name: source.value(row, place) for name, place in at.items()}
        colour = COLOURS[drawn.index(source) % len(COLOURS)]
        held = [place for place in at.values() if source.held(row, place)]
        hidden = hidden or bool(held)
        _box(ax, y, value, colour)
        if held and all(value[name] is None for name in value):
            ax.text(0.5, y, "suppressed", transform=ax.get_yaxis_transform(), ha="center", va="center", style="italic", color="#555555")
    names = [_line_name(row, source.title, len(drawn) > 1) for row, source in lines]
    ax.set_yticks(range(len(lines)), names)
    ax.set_ylim(len(lines) - 0.4, -0.6)
    column = measures(cells)[0]
    ax.set_xlabel(axis_label(column))
    ax.set_title("line: 5th to 95th percentile; box: middle half; bar: median; dot: mean", fontsize=8, color="#555555", loc="left")
    plain(ax)
    if hidden:
        ax.figure.supxlabel("what is suppressed is not drawn", fontsize=8, color="#555555", ha="left", x=0.01)
    return ax


def _box(ax: Any, y: int, value: dict[str, float | None], colour: str) -> None:
    from matplotlib.patches import Rectangle

    low, high = value.get("p5"), value.get("p95")
    left, right, middle, mean = value.get("p25"), value.get("p75"), value.get("p50"), value.get("mean")
    for one, other in ((low, left), (right, high)):
        if one is not None and other is not None:
            ax.plot([one, other], [y, y], color=colour, linewidth=1.4)
    for end in (low, high):
        if end is not None:
            ax.plot([end, end], [y - 0.14, y + 0.14], color=colour, linewidth=1.4)
    if left is not None and right is not None:
        ax.add_patch(Rectangle((left, y - 0.28), right - left, 0.56, facecolor=colour, alpha=0.35, edgecolor=colour))
    if middle is not None:
        ax.plot([middle, middle], [y - 0.28, y + 0.28], color="black", linewidth=2)
    if mean is not None:
        ax.plot([mean], [y], marker="o", color="white", markeredgecolor="black", markersize=5.5)
    ax.autoscale_view()


def _line_name(row: "PooledRow", site: str, several: bool) -> str:
    group = group_name(row) if row.key else ""
    return ", ".join(part for part in (group, site if several or not group else "") if part)


def _column(panels: int) -> list[Any]:
    import matplotlib.pyplot as plt

    made = plt.subplots(panels, 1, figsize=(6.4, 1.9 * panels + 1.1), layout="constrained", sharex=True)[1]
    return list(made.flat) if hasattr(made, "flat") else [made]
