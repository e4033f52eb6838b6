"""A column at a glance: what the catalogue says of it, and one or two releases about it, with a small picture."""

from html import escape
from typing import Any

from twinpane_broker.catalogue import Role
from twinpane_broker.release import CategoryKind

from .browse import Browser
from .column_page import ColumnPage
from .errors import Refused, TwinpaneError
from .plots import COLOURS, Source, sources
from .queries import Question
from .results import Table
from .show import STYLE, notes_html, table_html
from .wording import measures, named_unit, number

WIDTH, HEIGHT = 360, 84
"""Of the small picture, in pixels."""


class Profile:
    """``column``: the catalogue's page; ``tables``: releases by what they are; ``refused``: reasons by what was not released."""

    def __init__(self, column: ColumnPage, tables: dict[str, Table], refused: dict[str, str]) -> None:
        """Use ``Profile.ask``; this only keeps its parts."""
        self.column = column
        self.tables = tables
        self.refused = refused

    @classmethod
    def ask(cls, table: str, column: str, where: dict[str, Any] | None = None) -> "Profile":
        """The catalogue's page, then a description and a histogram of a measure, or counts by code or year."""
        page = Browser.ask().column(table, column)
        question = Question(table).where(where or {})
        asked = {
            Role.measure: {"description": lambda: question.describe(column), "histogram": lambda: question.histogram(column)},
            Role.dimension: {"rows by code": lambda: question.group_by(column).count()},
            Role.date: {"rows by year": lambda: question.group_by(**{column: "year"}).count()},
        }.get(page.role, {})
        tables, refused = {}, {}
        for name, ask in asked.items():
            try:
                tables[name] = ask()
            except Refused as refusal:
                refused[name] = str(refusal)
        return cls(page, tables, refused)

    def __getitem__(self, name: str) -> Table:
        """One of the releases: ``profile["histogram"]``."""
        if name in self.refused:
            raise Refused(self.refused[name], "refused")
        if name not in self.tables:
            raise TwinpaneError(f"this profile has no {name!r}; it has {', '.join(self.tables) or 'no releases'}", "profile")
        return self.tables[name]

    __iter__ = None

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.tables)

    def frame(self) -> Any:
        """The numbers of the first release as a pandas DataFrame; raises TwinpaneError where nothing was released."""
        return self[next(iter(self.tables), "release")].frame()

    def plot(self, ax: Any = None) -> Any:
        """Draw the last release: the histogram of a measure, bars of anything else."""
        return self[next(reversed(self.tables), "release")].plot(ax=ax)

    def __repr__(self) -> str:
        """All of it as text."""
        parts = [repr(self.column), *(f"{name}\n{table!r}" for name, table in self.tables.items())]
        return "\n\n".join([*parts, *(f"no {name}: {reason}" for name, reason in self.refused.items())])

    def _repr_html_(self) -> str:
        page = self.column
        parts = [f"<p><b>{escape(page.table)}.{escape(page.name)}</b></p>", page.facts_html()]
        for name, table in self.tables.items():
            picture = _picture(table) if name != "description" else ""
            numbers = table_html(table)
            shown = f"<details><summary>numbers</summary>{numbers}</details>" if picture else numbers
            parts.append(f"<p>{escape(name)}</p>{picture}{shown}{notes_html(table)}")
        parts += [f"<p>no {escape(name)}: {escape(reason)}</p>" for name, reason in self.refused.items()]
        codes = page.codes_html()
        parts.append(f"<details><summary>codes</summary>{codes}</details>" if codes else "")
        return f'{STYLE}<div class="twp-t">{"".join(parts)}</div>'


def _picture(table: Table) -> str:
    """Small bars of the pooled numbers (of the one site), as SVG: the same bytes in both runs, without a drawing library."""
    source: Source = sources(table)[-1]
    rows = [row for row in table.cells.rows if not row.is_total and row.key and row.key[0].kind is CategoryKind.code]
    values = [source.value(row, 0) for row in rows]
    told = [place for place, value in enumerate(values) if value is not None]
    if not told:
        return ""
    shown = range(max(0, told[0] - 1), min(len(rows), told[-1] + 2))
    most = max(values[place] or 0 for place in told) or 1
    step = WIDTH / len(shown)
    bars = ""
    for x, place in enumerate(shown):
        value = values[place]
        high = HEIGHT * (value if value is not None else 0) / most if value is not None else 5.0
        look = f'fill="{COLOURS[0]}"' if value is not None else 'fill="none" stroke="#8a8a8a" stroke-dasharray="2 2"'
        kind = measures(table.cells)[0].kind
        title = escape(f"{rows[place].key[0].text}{named_unit(table.cells)}: {number(value, kind)}")
        bars += (
            f'<rect x="{x * step + 0.5:.1f}" y="{HEIGHT - high:.1f}" width="{max(step - 1, 0.5):.1f}" height="{high:.1f}" {look}>'
            f"<title>{title}</title></rect>"
        )
    ends = (rows[shown[0]].key[0].text, rows[shown[-1]].key[0].text)
    return (
        f'<svg role="img" aria-label="bars from {escape(ends[0])} to {escape(ends[1])}" width="{WIDTH}" height="{HEIGHT + 16}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT + 16}">{bars}<line x1="0" y1="{HEIGHT}" x2="{WIDTH}" y2="{HEIGHT}" stroke="#8a8a8a"/>'
        f'<text x="0" y="{HEIGHT + 13}" font-size="11" fill="currentColor">{escape(ends[0])}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT + 13}" font-size="11" text-anchor="end" fill="currentColor">'
        f"{escape(ends[1])}{escape(named_unit(table.cells))}</text></svg>"
    )
