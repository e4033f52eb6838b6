"""What all plots share: colours, hatching, figures, names along an axis, legends, the note below."""

from collections.abc import Iterable, Sequence
from textwrap import fill, shorten, wrap
from typing import Any, TypeVar

from twinpane.tables.captions import why_about, why_suppressed
from twinpane.tables.table import Table
from twinpane.tables.wording import ALL_SUPPRESSED, CLIPPED, WITHIN_MEANS, why_partly
from twinpane_broker import Ends, PooledRow

from .sources import Source

Thing = TypeVar("Thing")
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
"""Okabe and Ito's palette, which can be told apart with any colour vision; then grey."""
NOTE = 14
"""Characters in a line of a note, at most, for every inch of the figure's width."""
NOTED = f"{CLIPPED} values beyond bounds are clipped: the table says how far"
"""What the mark of a number means that has a note in the table."""
SPANNED = "line at the end of a bar, or numbers in brackets: between these lies the true number"
"""What is drawn of a number that may be off by much."""
WHISKER = {"color": "black", "linewidth": 1.0, "capsize": 3, "fmt": "none"}
HATCH = {"facecolor": "#f2f2f2", "edgecolor": "#8a8a8a", "hatch": "////", "linewidth": 0.6}
HIGHEST = 16.0
"""Height of what is drawn of groups, in inches, at most: what does not fit is left out, and a line says how much."""
NAME, LINES = 26, 3
"""Characters in a line of a name beside a plot, and lines of it, at most: longer ones would leave the plot no room."""
ROOM = 0.14
"""Share of an axis that is left free for marks at the ends of bars."""


def figure(width: float, height: float) -> Any:
    """The Axes of a new figure; ``width`` and ``height`` in inches."""
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def fitting(things: Sequence[Thing], each: float, what: str = "groups", most: float = HIGHEST) -> tuple[Sequence[Thing], str]:
    """The first things that fit into a plot if each takes so many inches, and a line that says how many are left out; empty for none."""
    kept = things[: max(1, int(most / each))]
    if len(kept) == len(things):
        return things, ""
    more = len(things) - len(kept)
    return kept, f"the first {len(kept):,} of {len(things):,} {what} are drawn, in the table's order; {more:,} are left out"


def note(drawn: Any, table: Table, panels: list[Source], places: Sequence[int], hidden: bool, left_out: Sequence[str] = ()) -> None:
    """Write below the plot what is left out, what hatching and marks mean, and that pooled numbers can lack a site's part."""
    lines = [*left_out, *([f"hatched: suppressed; {why_suppressed(table)}"] if hidden else [])]
    drawn_of = [(source, row, place) for source in panels for row in table.cells.rows for place in places]
    if any(source.site is None for source in panels):
        lines.append(why_partly(table.cells, places))
        lines += [WITHIN_MEANS] if any(row.values[place].how == "within the sites" for _, row, place in drawn_of) else []
    if any(source.about(row, place) for source, row, place in drawn_of):
        lines.append(why_about(table))
    if any(source.ends(row, place) for source, row, place in drawn_of):
        lines.append(SPANNED)
    if any(source.noted(row, place) for source, row, place in drawn_of):
        lines.append(NOTED)
    footnote(drawn, lines)


def footnote(drawn: Any, lines: Iterable[str]) -> None:
    """Write lines below a figure, none wider than it."""
    most = max(20, int(NOTE * drawn.get_figwidth()))
    if texts := [text for line in lines for text in wrap(line, most)]:
        drawn.supxlabel("\n".join(texts), fontsize=8, color="#555555", ha="left", x=0.01)


def legend(ax: Any, names: Sequence[str], title: str | None = None) -> None:
    """Name the colours at the right of a plot, also of what has no bar in it."""
    from matplotlib.patches import Patch

    handles = [Patch(color=COLOURS[place % len(COLOURS)], label=in_lines(name)) for place, name in enumerate(names)]
    ax.legend(handles=handles, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), title=title)


def in_lines(name: str) -> str:
    """A name as it stands beside a plot: in few lines, shortened at its end."""
    return fill(shorten(name, NAME * LINES, placeholder="…"), NAME)


def room_for(names: Iterable[str]) -> float:
    """Inches that the highest of some names takes, each in its lines."""
    return 0.1 + 0.17 * max((name.count("\n") + 1 for name in names), default=1)


def rows_label(ax: Any, text: str) -> None:
    """Name what the lines of a plot are, above their names: matplotlib leaves no room for a name along them longer than the axis."""
    ax.annotate(
        in_lines(text), (0, 1), (-4, 4), xycoords="axes fraction", textcoords="offset points", ha="right", va="bottom",
        annotation_clip=False,
    )  # fmt: skip


def whisker(ax: Any, at: float, value: float, ends: Ends | None, *, upright: bool = False) -> float:
    """Draw between which numbers a bar's number lies, where that is said; returns where what is drawn of the number ends."""
    if ends is None:
        return value
    off = [[max(0.0, value - ends[0])], [max(0.0, ends[1] - value)]]
    if upright:
        ax.errorbar([at], [value], yerr=off, **WHISKER)
    else:
        ax.errorbar([value], [at], xerr=off, **WHISKER)
    return ends[1] if value >= 0 else ends[0]


def all_suppressed(ax: Any, numbers: Any = None) -> None:
    """Say that every number of a plot is suppressed. Without any, the axis ``numbers`` has no scale to show."""
    if numbers is not None:
        numbers.set_ticks([])
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.9}
    ax.text(0.5, 0.5, ALL_SUPPRESSED, transform=ax.transAxes, ha="center", va="center", style="italic", color="#555555", bbox=box)


def plain(ax: Any) -> None:
    """Remove the frame, except the two axes."""
    ax.spines[["top", "right"]].set_visible(False)


def group_name(row: PooledRow, leaving: int | None = None) -> str:
    """A row's categories in words, without the category of dimension ``leaving``."""
    return ", ".join(category.text for place, category in enumerate(row.key) if place != leaving) or "all"
