"""Draw a distribution as bars in SVG: in the notebook's colours, without a drawing library. Both runs of a cell give the same bytes."""

from html import escape
from typing import NamedTuple

from twinpane.tables.table import Table, View
from twinpane.tables.wording import SUPPRESSED, named_unit
from twinpane_broker import ABOUT, CategoryKind, Ends

from .axes import COLOURS
from .sources import sources

WIDTH, HEIGHT = 360, 84
"""Width and height of the plot with upright bars, in pixels."""
LINE, NAMES, BARS = 18, 170, 190
"""Height of a horizontal bar with its name, and the widths of both, in pixels."""
MOST = 20
"""Horizontal bars, at most."""
LETTERS = 26
HIDDEN = 'fill="none" stroke="#8a8a8a" stroke-dasharray="2 2"'


def svg_bars(table: Table) -> str:
    """Bars of the pooled numbers, or of the only site's: upright along bins and dates, horizontal beside codes' names; empty for none."""
    source = sources(table)[-1]
    rows = [row for row in table.cells.rows if not row.is_total and row.key and row.key[0].kind is CategoryKind.code]
    bars = [_Bar(row.key[0].text, source.value(row, 0), source.text(row, 0), source.ends(row, 0)) for row in rows]
    told = [place for place, bar in enumerate(bars) if bar.value is not None]
    if not told:
        return ""
    group = table.plan.group_by[0]
    if table.view is View.histogram or group.bin or group.width:
        return _upright(bars[max(0, told[0] - 1) : told[-1] + 2], named_unit(table.cells))
    return _lying(bars) if len(bars) <= MOST else ""


class _Bar(NamedTuple):
    name: str
    value: float | None
    words: str
    ends: Ends | None

    @property
    def reach(self) -> float:
        return self.ends[1] if self.ends is not None else self.value or 0.0


def _upright(bars: list[_Bar], unit: str) -> str:
    most = max(bar.reach for bar in bars) or 1
    step = WIDTH / len(bars)
    drawn = ""
    for x, (name, value, words, ends) in enumerate(bars):
        high = HEIGHT * value / most if value is not None else 5.0
        drawn += _bar(x * step + 0.5, HEIGHT - high, max(step - 1, 0.5), high, value, f"{name}{unit}: {words}")
        if ends is not None:
            middle, (low, top) = (x + 0.5) * step, (HEIGHT * (1 - end / most) for end in ends)
            drawn += _line(middle, low, middle, top)
        if words.startswith(ABOUT):
            y = max(HEIGHT * (1 - bars[x].reach / most) - 2, 9)
            drawn += f'<text x="{(x + 0.5) * step:.1f}" y="{y:.1f}" font-size="10" text-anchor="middle" fill="currentColor">{ABOUT}</text>'
    first, last = escape(bars[0][0]), escape(bars[-1][0] + unit)
    axis = f'<line x1="0" y1="{HEIGHT}" x2="{WIDTH}" y2="{HEIGHT}" stroke="#8a8a8a"/>'
    axis += f'<text x="0" y="{HEIGHT + 13}" font-size="11" fill="currentColor">{first}</text>'
    axis += f'<text x="{WIDTH}" y="{HEIGHT + 13}" font-size="11" text-anchor="end" fill="currentColor">{last}</text>'
    return _svg(f"bars from {first} to {last}", WIDTH, HEIGHT + 16, drawn + axis)


def _lying(bars: list[_Bar]) -> str:
    most = max(bar.reach for bar in bars) or 1
    drawn = ""
    for line, (name, value, words, ends) in enumerate(bars):
        y, wide = line * LINE, BARS * value / most if value is not None else 5.0
        short = name if len(name) <= LETTERS else name[: LETTERS - 1] + "…"
        drawn += f'<text x="{NAMES - 6}" y="{y + 13}" font-size="11" text-anchor="end" fill="currentColor">{escape(short)}</text>'
        drawn += _bar(NAMES, y + 3, wide, LINE - 6, value, f"{name}: {words}")
        if ends is not None:
            drawn += _line(NAMES + BARS * ends[0] / most, y + LINE / 2, NAMES + BARS * ends[1] / most, y + LINE / 2)
            wide = BARS * ends[1] / most
        after = words if value is not None else SUPPRESSED
        drawn += f'<text x="{NAMES + wide + 5:.1f}" y="{y + 13}" font-size="11" fill="currentColor">{escape(after)}</text>'
    return _svg("bars by code", NAMES + BARS + 80, LINE * len(bars), drawn)


def _bar(x: float, y: float, wide: float, high: float, value: float | None, told: str) -> str:
    look = f'fill="{COLOURS[0]}"' if value is not None else HIDDEN
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" {look}><title>{escape(told)}</title></rect>'


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="currentColor"/>'


def _svg(told: str, wide: int, high: int, drawn: str) -> str:
    return f'<svg role="img" aria-label="{told}" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">{drawn}</svg>'
