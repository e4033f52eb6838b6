"""The table that the bench prints."""

from collections.abc import Iterable

from .figures import Line, Spread

HEAD = ("", "unit", "plain (min/median/max)", "Twinpane", "ratio", "goal", "", "n")


def figure(value: float) -> str:
    """A number with three significant digits, in full."""
    if value == 0:
        return "0"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.4f}"


def _spread(spread: Spread | None) -> str:
    return "" if spread is None else " / ".join(figure(value) for value in (spread.low, spread.middle, spread.high))


def row(line: Line) -> tuple[str, ...]:
    """A line's cells."""
    goal = "" if line.goal is None else f"{line.goal}{' ×' if line.ratio else ''}"
    ratio = f"{_spread(line.ratio)} ×" if line.ratio else ""
    return (line.name, line.unit, _spread(line.plain), _spread(line.ours), ratio, goal, line.state, str(line.pairs))


def render(lines: Iterable[Line]) -> str:
    """All lines with aligned columns, notes below."""
    lines = list(lines)
    rows = [HEAD, *(row(line) for line in lines)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(HEAD))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows]
    text.insert(1, "-" * max(map(len, text)))
    first: dict[str, str] = {}
    for line in lines:
        if line.note:
            first.setdefault(line.note, line.name.strip())
    notes = [f"  {name}: {note}" for note, name in first.items()]
    return "\n".join([*text, *(["", "How:", *notes] if notes else [])])
