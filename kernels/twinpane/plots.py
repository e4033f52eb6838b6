"""Pictures of a table, drawn from the releases alone. What is suppressed is hatched, and a note says so."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twinpane_broker import Pooled, PooledRow, ReleasedColumn

from .errors import TwinpaneError
from .wording import PARTLY, axis_label, dimensions, measures, part, total, why_suppressed

if TYPE_CHECKING:
    from .results import Table

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
"""Okabe and Ito's palette, told apart with any colour vision; then grey."""
HATCH = {"facecolor": "#f2f2f2", "edgecolor": "#8a8a8a", "hatch": "////", "linewidth": 0.6}
POOLED = "pooled"


@dataclass(frozen=True)
class Source:
    """A site, or all of them pooled, as something to draw."""

    cells: Pooled
    site: str | None
    title: str

    def value(self, row: PooledRow, place: int) -> float | None:
        """The number, None where there is none to draw."""
        if self.site is None:
            return row.values[place].value
        own = row.sites[self.site]
        return None if own is None else own.values[place].value

    def text(self, row: PooledRow, place: int) -> str:
        """The number in words, with its marks."""
        return total(self.cells, row, place) if self.site is None else part(self.cells, row, place, self.site)

    def held(self, row: PooledRow, place: int) -> bool:
        """Whether the number was suppressed: here, or of a pooled one at every site."""
        if self.site is not None:
            own = row.sites[self.site]
            return own is not None and own.values[place].suppressed
        return row.values[place].value is None and row.values[place].how != "see the sites"


def sources(table: "Table", *, pooled: bool = True) -> list[Source]:
    """The sites of a table, in order; after them all pooled where there are several."""
    cells = table.cells
    found = [Source(cells, site, table.title(site)) for site in cells.released]
    return [*found, Source(cells, None, POOLED)] if pooled and len(found) > 1 else found


def plot(table: "Table", measure: str | None, ax: Any) -> Any:
    """See ``Table.plot``."""
    place, cells = place_of(table, measure), table.cells
    if table.view == "crosstab" and len(dimensions(cells)) == 2:
        from .plot_grid import heat_map

        return heat_map(table, place, ax)
    if table.view == "histogram":
        from .plot_bins import histogram

        return histogram(table, place, ax)
    if table.view == "describe":
        from .plot_bins import boxes

        return boxes(table, ax)
    if table.view == "correlation":
        from .plot_grid import tiles

        return tiles(table, place, ax)
    return bars(table, place, ax)


def place_of(table: "Table", measure: str | None) -> int:
    """Where a measure of that name stands; raises TwinpaneError where there is none."""
    names = [column.name for column in measures(table.cells)]
    if measure is not None and measure not in names:
        raise TwinpaneError(f"this table has no measure {measure!r}; it has {', '.join(names)}", "measure")
    return names.index(measure) if measure is not None else 0


def bars(table: "Table", place: int, ax: Any) -> Any:
    """Bars per group, one colour per site; a suppressed one is a hatched strip beside the axis, on the side where no bar is."""
    cells = table.cells
    rows = [row for row in cells.rows if not row.is_total] or list(cells.rows)
    groups = [group_name(row) for row in rows]
    drawn = sources(table, pooled=False)
    if ax is None:
        ax = figure(6.4, max(1.6, 0.26 * len(groups) * (len(drawn) + 1) + 0.9))
    thick = 0.8 / len(drawn)
    known = [value for source in drawn for row in rows if (value := source.value(row, place)) is not None]
    stub = 0.04 * max((abs(value) for value in known), default=1.0)
    hidden = False
    for i, source in enumerate(drawn):
        shift = (i - (len(drawn) - 1) / 2) * thick
        there = [(group + shift, value) for group, row in enumerate(rows) if (value := source.value(row, place)) is not None]
        ax.barh([y for y, _ in there], [v for _, v in there], height=thick * 0.86, label=source.title, color=COLOURS[i % len(COLOURS)])
        lost = [group + shift for group, row in enumerate(rows) if source.held(row, place)]
        if lost:
            hidden = True
            ax.barh(lost, [-stub] * len(lost), height=thick * 0.86, **HATCH)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(groups)), groups)
    ax.invert_yaxis()
    ax.set_xlabel(axis_label(measures(cells)[place]))
    if dimensions(cells):
        ax.set_ylabel(", ".join(named(column) for column in dimensions(cells)))
    plain(ax)
    if len(drawn) > 1:
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    note(ax.figure, table, drawn, place, hidden)
    return ax


def figure(width: float, height: float, panels: int = 1, **shared: Any) -> Any:
    """A figure of so many inches; its Axes, or an array of them side by side."""
    import matplotlib.pyplot as plt

    return plt.subplots(1, panels, figsize=(width, height), layout="constrained", **shared)[1]


def note(drawn: Any, table: "Table", panels: list[Source], place: int, hidden: bool) -> None:
    """Say below the picture what hatching means, and that pooled numbers can lack a part."""
    lines = [f"hatched: suppressed ({why_suppressed(table)})"] if hidden else []
    lacking = any(total(table.cells, row, place).endswith(PARTLY) for row in table.cells.rows)
    if lacking and any(source.site is None for source in panels):
        lines.append(f"pooled ({PARTLY}): without what single sites suppressed")
    if lines:
        drawn.supxlabel("\n".join(lines), fontsize=8, color="#555555", ha="left", x=0.01)


def plain(ax: Any) -> None:
    """No frame but the two axes."""
    ax.spines[["top", "right"]].set_visible(False)


def named(column: ReleasedColumn) -> str:
    """A dimension's label or name, with its unit."""
    return axis_label(column)


def group_name(row: PooledRow, leaving: int | None = None) -> str:
    """A row's categories in words, without that of one dimension."""
    return ", ".join(category.text for place, category in enumerate(row.key) if place != leaving) or "all"
