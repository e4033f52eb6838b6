"""What all plots share: colours, hatching, figures, names along an axis, the note below."""

from textwrap import wrap
from typing import Any

from twinpane.tables.captions import why_about, why_suppressed
from twinpane.tables.table import Table
from twinpane.tables.wording import CLIPPED, why_partly
from twinpane_broker import PooledRow

from .sources import Source

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
"""Okabe and Ito's palette, which can be told apart with any colour vision; then grey."""
NOTE = 110
"""Characters in a line of a note, at most."""
NOTED = f"{CLIPPED} values beyond bounds are clipped, or a number of rows is coarse: the table says how far"
"""What the mark of a number means that has a note in the table."""
HATCH = {"facecolor": "#f2f2f2", "edgecolor": "#8a8a8a", "hatch": "////", "linewidth": 0.6}


def figure(width: float, height: float) -> Any:
    """The Axes of a new figure; ``width`` and ``height`` in inches."""
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def note(drawn: Any, table: Table, panels: list[Source], place: int, hidden: bool) -> None:
    """Write below the plot what hatching and marks mean, and that pooled numbers can lack a site's part."""
    lines = wrap(f"hatched: suppressed; {why_suppressed(table)}", NOTE) if hidden else []
    if any(source.site is None for source in panels):
        lines.extend(wrap(why_partly(table.cells, (place,)), NOTE))
    if any(source.about(row, place) for source in panels for row in table.cells.rows):
        lines.extend(wrap(why_about(table), NOTE))
    if any(source.noted(row, place) for source in panels for row in table.cells.rows):
        lines.append(NOTED)
    if lines:
        drawn.supxlabel("\n".join(lines), fontsize=8, color="#555555", ha="left", x=0.01)


def plain(ax: Any) -> None:
    """Remove the frame, except the two axes."""
    ax.spines[["top", "right"]].set_visible(False)


def group_name(row: PooledRow, leaving: int | None = None) -> str:
    """A row's categories in words, without the category of dimension ``leaving``."""
    return ", ".join(category.text for place, category in enumerate(row.key) if place != leaving) or "all"
