"""Descriptions and quantiles as boxes, with lines out to the outer quantiles."""

from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Any

from twinpane.tables.captions import why_suppressed
from twinpane.tables.table import Table
from twinpane.tables.wide_long import described
from twinpane.tables.wording import CLIPPED, SUPPRESSED, axis_label, measures
from twinpane_broker import PooledRow

from .axes import COLOURS, NAME, NOTED, figure, fitting, footnote, group_name, in_lines, plain, room_for
from .sources import sources


def box_plot(table: Table, ax: Any) -> Any:
    """Draw, per group and site: a line from the lowest to the highest quantile, a box of the middle half, the median, the mean as a dot."""
    cells = table.cells
    at = {("p" + str(measure.percent) if measure.percent else str(measure.kind)): i for i, measure in enumerate(table.plan.measures)}
    drawn = sources(table, pooled=False)
    whole = [(row, source) for row in cells.rows for source in drawn]
    names = [_line_name(row, source.title, len(drawn) > 1) for row, source in whole]
    each = max(0.42, room_for(names))
    drawn_lines, left_out = fitting(whole, each, "lines")
    if ax is None:
        ax = figure(6.4, max(1.8, each * len(drawn_lines) + 1.3))
    hidden = noted = shown = False
    for y, (row, source) in enumerate(drawn_lines):
        value = {name: source.value(row, place) for name, place in at.items()}
        colour = COLOURS[drawn.index(source) % len(COLOURS)]
        held = [place for place in at.values() if source.held(row, place)]
        hidden = hidden or bool(held)
        _box(ax, y, value, colour)
        marked = {value[name] for name, place in at.items() if source.noted(row, place)}
        noted = noted or bool(marked)
        for x in marked:
            ax.text(x, y - 0.3, CLIPPED, ha="center", va="bottom", fontsize=8)
        known = any(number is not None for number in value.values())
        shown = shown or known
        if held and not known:
            ax.text(0.5, y, SUPPRESSED, transform=ax.get_yaxis_transform(), ha="center", va="center", style="italic", color="#555555")
    ax.set_yticks(range(len(drawn_lines)), names[: len(drawn_lines)])
    ax.set_ylim(len(drawn_lines) - 0.4, -0.6)
    column = measures(cells)[0]
    ax.set_xlabel(axis_label(column) if column.label else described(table))
    plain(ax)
    if hidden and not shown:
        ax.xaxis.set_ticks([])
    notes = ["; ".join(_legend(at))] if shown else []
    notes += [f"not drawn: suppressed; {why_suppressed(table)}"] if hidden else []
    footnote(ax.figure, [left_out, *notes, *([NOTED] if noted else [])])
    return ax


def _box(ax: Any, y: int, value: dict[str, float | None], colour: str) -> None:
    from matplotlib.patches import Rectangle

    left, right, middle, mean = value.get("p25"), value.get("p75"), value.get("p50"), value.get("mean")
    boxed = left is not None and right is not None
    # The line goes through every quantile there is, but for the box: what is suppressed at its end makes it shorter.
    rising = sorted((int(name[1:]), number) for name, number in value.items() if name[1:].isdigit() and number is not None)
    for (below, one), (above, other) in pairwise(rising):
        if not (boxed and below >= 25 and above <= 75):
            ax.plot([one, other], [y, y], color=colour, linewidth=1.4)
    for percent, end in rising:
        if percent != 50 and not (boxed and percent in (25, 75)):
            ax.plot([end, end], [y - 0.14, y + 0.14], color=colour, linewidth=1.4)
    if left is not None and right is not None:
        ax.add_patch(Rectangle((left, y - 0.28), right - left, 0.56, facecolor=colour, alpha=0.35, edgecolor=colour))
    if middle is not None:
        ax.plot([middle, middle], [y - 0.28, y + 0.28], color="black", linewidth=2)
    if mean is not None:
        ax.plot([mean], [y], marker="o", color="white", markeredgecolor="black", markersize=5.5)
    ax.autoscale_view()


def quantiles_alone(table: Table) -> bool:
    """Whether the table holds several quantiles of one column, and nothing else."""
    told = table.plan.measures
    return len(told) > 1 and all(measure.percent for measure in told) and len({measure.column for measure in told}) == 1


def _legend(names: Collection[str]) -> Iterator[str]:
    """What is drawn of these measures."""
    outer = sorted(int(name[1:]) for name in names if name[1:].isdigit())
    boxed = {25, 75} <= set(outer)
    ends = [percent for percent in outer if percent != 50 and not (boxed and percent in (25, 75))]
    if len(ends) > 1:
        yield f"line: {ends[0]}th to {ends[-1]}th percentile"
    elif ends:
        yield f"mark: {ends[0]}th percentile"
    if boxed:
        yield "box: middle half"
    if 50 in outer:
        yield "bar: median"
    if "mean" in names:
        yield "dot: mean"


def _line_name(row: PooledRow, site: str, several: bool) -> str:
    group = group_name(row) if row.key else ""
    joint = f"{group}, {site}" if group and several else group or site
    # A long group on lines of its own: shortened together they would lose the site.
    return joint if len(joint) <= NAME else "\n".join(in_lines(part) for part in (group, site if several or not group else "") if part)
