"""Crosstabs as heat maps, correlations as tiles: one panel per site, and one for all pooled."""

from textwrap import fill
from typing import TYPE_CHECKING, Any

from .plots import HATCH, Source, figure, named, note, sources
from .wording import axis_label, dimensions, measures

if TYPE_CHECKING:
    from .results import Table

SHADES = "Blues"
"""From light to dark: told apart with any colour vision, and in print."""
SIGNED = "PuOr"
"""From orange through white to purple: the two sides stay apart with any colour vision."""
WRAP = 14
"""Letters of a column's name in one line."""
WIDEST = 11.0
"""Inches of a figure; panels that do not fit beside each other go below."""


def heat_map(table: "Table", place: int, ax: Any) -> Any:
    """Rows by columns; the number is in the tile, totals are unshaded, suppressed cells hatched. Each panel has its own shades."""
    cells = table.cells
    rows = list(dict.fromkeys(row.key[0] for row in cells.rows))
    columns = list(dict.fromkeys(row.key[1] for row in cells.rows))
    panels = _panels(table, ax)
    kind = measures(cells)[place].kind
    wide = max(0.75, min(WRAP, max(len(column.text) for column in columns)) * 0.09)
    deep = max(fill(column.text, WRAP).count("\n") for column in columns)
    each = wide * len(columns), max(1.2, 0.36 * len(rows) + 0.9 + 0.15 * deep)
    axes = [ax] if ax is not None else _panel_axes(len(panels), *each, max(len(row.text) for row in rows) * 0.08)
    first, second = dimensions(cells)
    hidden = False
    for source, on in zip(panels, axes, strict=True):
        inner = [row for row in cells.rows if not row.is_total]
        shown = [value for row in inner if (value := source.value(row, place)) is not None]
        low, high = (0.0, max(shown, default=1.0)) if kind != "mean" else (min(shown, default=0.0), max(shown, default=1.0))
        for row in cells.rows:
            x, y = columns.index(row.key[1]), rows.index(row.key[0])
            value = source.value(row, place)
            if value is None:
                if source.held(row, place):
                    hidden = True
                    _tile(on, x, y, **HATCH)
                continue
            shade = None if row.is_total else _shade(SHADES, 0.08 + 0.8 * (value - low) / ((high - low) or 1))
            _tile(on, x, y, facecolor=shade or "white", edgecolor="white" if shade else "#cccccc")
            weight = "normal" if shade else "bold"
            on.text(x, y, source.text(row, place), ha="center", va="center", fontsize=9, color=_ink(shade), weight=weight)
        on.set_xticks(range(len(columns)), [fill(column.text, WRAP) for column in columns])
        on.set_yticks(range(len(rows)), [row.text for row in rows])
        on.set_xlim(-0.5, len(columns) - 0.5)
        on.set_ylim(len(rows) - 0.5, -0.5)
        on.set_xlabel(named(second))
        on.set_title(source.title, fontsize=10)
        _bare(on)
    for on in axes:
        if on.get_subplotspec() is None or on.get_subplotspec().is_first_col():
            on.set_ylabel(named(first))
        else:
            on.tick_params(labelleft=False)
    if ax is None:
        axes[0].figure.suptitle(axis_label(measures(cells)[place]), fontsize=10)
    note(axes[0].figure, table, panels, place, hidden)
    return ax if ax is not None else axes[0] if len(axes) == 1 else axes


def _panel_axes(panels: int, wide: float, high: float, words: float) -> list[Any]:
    """Axes of equal panels, so many inches each, beside and below each other; ``words``: inches for the names at the left."""
    import matplotlib.pyplot as plt

    across = max(1, min(panels, int((WIDEST - words) / wide)))
    down = -(-panels // across)
    made = plt.subplots(down, across, figsize=(wide * across + words + 0.4, high * down + 0.6), layout="constrained", squeeze=False)[1]
    spare = list(made.flat)[panels:]
    for ax in spare:
        ax.set_visible(False)
    return list(made.flat)[:panels]


def tiles(table: "Table", place: int, ax: Any) -> Any:
    """A correlation per group and site: -1 to 1, the number in the tile."""
    cells = table.cells
    panels = sources(table)
    if ax is None:
        ax = figure(max(3.2, 1.3 * len(panels) + 1.2), max(1.5, 0.42 * len(cells.rows) + 1.2))
    hidden = False
    for x, source in enumerate(panels):
        for y, row in enumerate(cells.rows):
            value = source.value(row, place)
            if value is not None:
                shade = _shade(SIGNED, (value + 1) / 2)
                _tile(ax, x, y, facecolor=shade, edgecolor="white")
                ax.text(x, y, source.text(row, place), ha="center", va="center", fontsize=10, color=_ink(shade))
            elif source.held(row, place):
                hidden = True
                _tile(ax, x, y, **HATCH)
    ax.set_xticks(range(len(panels)), [source.title for source in panels], fontsize=9)
    names = [", ".join(category.text for category in row.key) for row in cells.rows]
    ax.set_yticks(range(len(names)) if any(names) else [], names if any(names) else [])
    if dimensions(cells):
        ax.set_ylabel(", ".join(named(column) for column in dimensions(cells)))
    ax.set_xlim(-0.5, len(panels) - 0.5)
    ax.set_ylim(len(cells.rows) - 0.5, -0.5)
    ax.set_title(f"correlation of {measures(cells)[place].label or measures(cells)[place].name}", fontsize=10)
    _bare(ax)
    note(ax.figure, table, panels, place, hidden)
    return ax


def _panels(table: "Table", ax: Any) -> list[Source]:
    """All sources, the pooled one first; into given Axes goes one of them."""
    found = sources(table)
    ordered = [found[-1], *found[:-1]] if len(found) > 1 else found
    return ordered[:1] if ax is not None else ordered


def _tile(ax: Any, x: int, y: int, **look: Any) -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **look))


def _shade(name: str, part: float) -> tuple[float, ...]:
    import matplotlib as mpl

    return mpl.colormaps[name](min(1.0, max(0.0, part)))


def _ink(shade: tuple[float, ...] | None) -> str:
    """Black or white, whichever can be read on the shade."""
    if shade is None:
        return "black"
    red, green, blue = ((c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4) for c in shade[:3])
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.18 else "black"


def _bare(ax: Any) -> None:
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
