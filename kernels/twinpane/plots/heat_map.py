"""A crosstab as heat maps: one panel per site, and one for all sites pooled."""

from collections.abc import Iterable
from textwrap import fill
from typing import Any

from twinpane.tables.table import Table
from twinpane.tables.wording import axis_label, dimensions, measures
from twinpane_broker import Category, CategoryKind

from .axes import HATCH, HIGHEST, all_suppressed, fitting, note, rows_label
from .sources import panel_sources
from .tiles import bare, ink, shade, tile, without_number

SHADES = "Blues"
"""From light to dark: shades can be told apart with any colour vision, and in print."""
WRAP = 14
"""Characters of a column's name in one line, at most."""
WIDEST = 11.0
"""Width of a figure in inches, at most; panels that do not fit side by side go below."""


def heat_map(table: Table, place: int, ax: Any) -> Any:
    """Draw rows by columns, with the number in each tile. Totals are unshaded, suppressed cells hatched. Each panel has its own scale."""
    cells = table.cells
    panels = panel_sources(table, ax)
    kind = measures(cells)[place].kind
    wide = max(0.75, min(WRAP, max(len(row.key[1].text) for row in cells.rows)) * 0.09)
    rows, rows_left = _shown(dict.fromkeys(row.key[0] for row in cells.rows), 0.36, "rows", HIGHEST)
    columns, columns_left = _shown(dict.fromkeys(row.key[1] for row in cells.rows), wide, "columns", WIDEST)
    inside = set(rows), set(columns)
    drawn = [row for row in cells.rows if all(category in those for category, those in zip(row.key, inside, strict=True))]
    deep = max(fill(column.text, WRAP).count("\n") for column in columns)
    each = wide * len(columns), max(1.2, 0.36 * len(rows) + 0.9 + 0.15 * deep)
    axes = [ax] if ax is not None else _panel_axes(len(panels), *each, max(len(row.text) for row in rows) * 0.08)
    first, second = dimensions(cells)
    hidden = False
    for source, on in zip(panels, axes, strict=True):
        inner = [row for row in drawn if not row.is_total]
        shown = [value for row in inner if (value := source.value(row, place)) is not None]
        low, high = (0.0, max(shown, default=1.0)) if kind != "mean" else (min(shown, default=0.0), max(shown, default=1.0))
        for row in drawn:
            x, y = columns.index(row.key[1]), rows.index(row.key[0])
            value = source.value(row, place)
            if value is None:
                if source.held(row, place):
                    hidden = True
                    tile(on, x, y, **HATCH)
                else:
                    without_number(on, x, y, source.text(row, place))
                continue
            colour = None if row.is_total else shade(SHADES, 0.08 + 0.8 * (value - low) / ((high - low) or 1))
            tile(on, x, y, facecolor=colour or "white", edgecolor="white" if colour else "#cccccc")
            weight = "normal" if colour else "bold"
            text = source.text(row, place).replace(" (", "\n(", 1)
            on.text(x, y, text, ha="center", va="center", fontsize=9 if "\n" not in text else 7, color=ink(colour), weight=weight)
        on.set_xticks(range(len(columns)), [fill(column.text, WRAP) for column in columns])
        on.set_yticks(range(len(rows)), [row.text for row in rows])
        on.set_xlim(-0.5, len(columns) - 0.5)
        on.set_ylim(len(rows) - 0.5, -0.5)
        on.set_xlabel(axis_label(second))
        on.set_title(source.title, fontsize=10)
        if not any(source.value(row, place) is not None for row in drawn) and any(source.held(row, place) for row in drawn):
            all_suppressed(on)
        bare(on)
    for on in axes:
        if on.get_subplotspec() is None or on.get_subplotspec().is_first_col():
            rows_label(on, axis_label(first))
        else:
            on.tick_params(labelleft=False)
    if ax is None:
        axes[0].figure.suptitle(axis_label(measures(cells)[place]), fontsize=10)
    note(axes[0].figure, table, panels, [place], hidden, [rows_left, columns_left])
    return ax if ax is not None else axes[0] if len(axes) == 1 else axes


def _shown(categories: Iterable[Category], each: float, what: str, most: float) -> tuple[list[Category], str]:
    """The first categories, which fit, and the totals."""
    found = list(categories)
    totals = [category for category in found if category.kind is CategoryKind.total]
    kept, left_out = fitting([category for category in found if category.kind is not CategoryKind.total], each, what, most)
    return [*kept, *totals], left_out


def _panel_axes(panels: int, wide: float, high: float, words: float) -> list[Any]:
    """Axes of equal panels, side by side and below; ``wide`` and ``high`` in inches, ``words``: inches for the names at the left."""
    import matplotlib.pyplot as plt

    across = max(1, min(panels, int((WIDEST - words) / wide)))
    down = -(-panels // across)
    made = plt.subplots(down, across, figsize=(wide * across + words + 0.4, high * down + 0.6), layout="constrained", squeeze=False)[1]
    spare = list(made.flat)[panels:]
    for ax in spare:
        ax.set_visible(False)
    return list(made.flat)[:panels]
