"""Puts items into HTML: everything escaped, what the checks found marked with the number of the check, not by colour alone."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from twinpane_wire.items import visible

from .checks import CHECKS, Place, Result

HERE = Path(__file__).parent
HIGHLIGHT, HIGHLIGHT_LINE = 20_000, 1_000
"""Characters of code, and of one of its lines, that are coloured; longer code is shown plain. The lexer's patterns take time quadratic in
what does not close: 100,000 characters of ``'{a['`` took minutes."""
WIDE = 110
"""Characters of a line from which on text is wrapped, so that nothing hides to the right."""

NUMBERS = {check.id: number for number, check in enumerate(CHECKS, 1)}
"""The number by which a check is marked, the same everywhere."""
MARKED = 1000
"""Places of one check that are marked in a text; how many there are is told beside it."""
_TITLES = {check.id: check.title for check in CHECKS}
_MARK = Markup('<mark title="{}">{}<sup>{}</sup></mark>')

_NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+([eE][-+]?\d+)?%?")
_FORMATTER = HtmlFormatter(nowrap=True, classprefix="py-")


def code(source: str) -> Markup:
    """Python source as HTML, with bidirectional and invisible characters written out."""
    shown = visible(source.replace("\r\n", "\n").expandtabs(4))
    if len(shown) > HIGHLIGHT or any(len(line) > HIGHLIGHT_LINE for line in shown.split("\n")):
        return escape(shown)
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    # An IPython line magic is not an error of the researcher's.
    html = highlight(shown, lexer, _FORMATTER).replace('class="py-err"', 'class="py-o"')
    return Markup(html)  # noqa: S704 - Pygments escapes what it formats


def _marked(text: str, places: Sequence[tuple[int, int, str]]) -> Markup:
    parts, at = [], 0
    for start, end, check in sorted(places):
        if start < at:
            continue  # inside an earlier mark
        parts += [escape(text[at:start]), _MARK.format(_TITLES[check], text[start:end], NUMBERS[check])]
        at = end
    return Markup("").join([*parts, escape(text[at:])])


def text(content: bytes, results: Sequence[Result] = ()) -> Markup:
    """A text item as HTML for a ``pre``, findings marked: of each check the first ``MARKED``, as hostile text can hold 250,000."""
    places: dict[int, list[tuple[int, int, str]]] = {}
    for result in results:
        for place in result.evidence.places[:MARKED]:
            places.setdefault(place.row, []).append((place.start, place.end, result.check.id))
    lines = content.decode().removesuffix("\n").split("\n")
    return Markup("\n").join(_marked(line, places.get(row, ())) for row, line in enumerate(lines))


def is_wide(content: bytes) -> bool:
    """Whether a text has lines that would not fit beside its twin."""
    return any(len(line) > WIDE for line in content.decode().split("\n"))


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, whether it is set as a number, and the checks that marked it."""

    text: str
    number: bool
    found: tuple[tuple[int, str], ...] = ()


def table(content: bytes, results: Sequence[Result] = ()) -> list[list[Cell]]:
    """A CSV item as rows of cells, the header first."""
    found: dict[tuple[int, int], list[tuple[int, str]]] = {}
    for result in results:
        for place in result.evidence.places:
            found.setdefault(_at(place), []).append((NUMBERS[result.check.id], result.check.title))
    rows = csv.reader(io.StringIO(content.decode(), newline=""))
    return [[Cell(cell, _is_number(cell), tuple(found.get((r, c), ()))) for c, cell in enumerate(row)] for r, row in enumerate(rows)]


def _at(place: Place) -> tuple[int, int]:
    return place.row, place.start


def _is_number(cell: str) -> bool:
    return len(cell) < 40 and _NUMBER.fullmatch(cell) is not None


# ---------------------------------------------------------------- small words


def age(since: datetime, now: datetime) -> str:
    """How long ago, in one unit: ``3 min``, ``5 h``, ``2 days``."""
    past = max(now - since, timedelta())
    if past < timedelta(minutes=1):
        return "just now"
    if past < timedelta(hours=1):
        return f"{past // timedelta(minutes=1)} min"
    if past < timedelta(hours=48):
        return f"{past // timedelta(hours=1)} h"
    return f"{past.days} days"


def moment(at: datetime) -> str:
    """A time as pages show it: UTC, to the minute."""
    return at.strftime("%Y-%m-%d %H:%M UTC")


def size(number: int) -> str:
    """Bytes in words."""
    if number < 1024:
        return f"{number} bytes"
    return f"{number / 1024:.1f} KiB" if number < 2**20 else f"{number / 2**20:.1f} MiB"


def plural(number: int, word: str) -> str:
    """``1 item``, ``2 items``."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def environment() -> Environment:
    """Jinja, escaping everything, refusing names that do not exist."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    env.filters.update(code=code, moment=moment, size=size, visible=visible)
    env.globals.update(plural=plural, numbers=NUMBERS, marked=MARKED)
    return env
