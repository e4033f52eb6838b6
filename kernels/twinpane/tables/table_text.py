"""A table of releases as aligned text."""

from .captions import captions
from .table import Table
from .wide_long import layout


def text(table: Table) -> str:
    """The table as aligned text with its captions."""
    made = layout(table)
    widths = [max(len(line[i]) for line in (made.head, *made.body)) for i in range(len(made.head))]
    place = 0
    for over, span in made.over:  # a heading over several columns has their widths together
        if place >= made.left:
            widths[place] += max(0, len(over) - (sum(widths[place : place + span]) + 2 * (span - 1)))
        place += span

    def aligned(line: list[str]) -> str:
        texts = (t.ljust(w) if i < made.left else t.rjust(w) for i, (t, w) in enumerate(zip(line, widths, strict=True)))
        return "  ".join(texts).rstrip()

    above, place = [], 0
    for over, span in made.over:
        above.append(over.rjust(sum(widths[place : place + span]) + 2 * (span - 1)))
        place += span
    first = ["  ".join(above).rstrip()] if above else []
    return "\n".join([*first, aligned(made.head), *map(aligned, made.body), "", *captions(table)])
