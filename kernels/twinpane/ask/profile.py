"""A column at a glance: what the catalogue says of it, and one or two releases about it, with a small plot."""

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

from twinpane.catalogues.browser import Browser
from twinpane.catalogues.code_choice import choice
from twinpane.catalogues.column_page import ColumnPage
from twinpane.errors import Refused, TwinpaneError
from twinpane.plots.svg_bars import svg_bars
from twinpane.style import STYLE
from twinpane.tables.table import View
from twinpane.tables.table_html import details_html, notes_html, table_html
from twinpane_broker import Predicate, Role, split

from .result import Result

Asked = Mapping[Role, Mapping[str, Callable[[], Result]]]
"""What to ask of a column, by its role: questions by their names."""


class Profile:
    """``column``: the catalogue's page; ``tables``: releases by name; ``refused``: the reason for each that was not released, by name.

    ``choice``: for a measure that holds many laboratory values, which one the question fixes, or how to fix one; otherwise empty.
    """

    def __init__(self, column: ColumnPage, tables: dict[str, Result], refused: dict[str, str], choice: str = "") -> None:
        """Keep the parts; use ``Profile.ask`` to make a profile."""
        self.column = column
        self.choice = choice
        self.tables = tables
        self.refused = refused

    @classmethod
    def ask(cls, reference: str, held: Iterable[Predicate], asked: Asked) -> "Profile":
        """The catalogue's page of ``table.column``, then the releases that ``asked`` lists for the column's role.

        ``held``: the question's conditions, all of which must hold. Raises TwinpaneError where no site has the column.
        """
        browser = Browser.ask()
        table, name = split(reference)
        page = browser.column(table, name)
        tables, refused = {}, {}
        wanted = dict(asked.get(page.role, {}))
        if page.role is Role.dimension and all(column.measured for column in page.sites.values()):
            wanted["description"] = asked[Role.measure]["description"]
        for title, ask in wanted.items():
            try:
                tables[title] = ask()
            except Refused as refusal:
                refused[title] = str(refusal)
        listed = [found for site in page.sites if (found := browser.sites[site].table(table)) is not None]
        return cls(page, tables, refused, choice(listed, name, held))

    def __getitem__(self, name: str) -> Result:
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
        parts[1:1] = [self.choice] if self.choice else []
        return "\n\n".join([*parts, *(f"no {name}: {reason}" for name, reason in self.refused.items())])

    def _repr_html_(self) -> str:
        page = self.column
        parts = [f"<p><b>{escape(page.table)}.{escape(page.name)}</b></p>", page.facts_html()]
        parts += [f"<p>{escape(self.choice)}</p>"] if self.choice else []
        for name, table in self.tables.items():
            last = name == next(reversed(self.tables))
            parts.append(f"<p>{escape(name)}</p>{_shown(table)}{(notes_html if last else details_html)(table)}")
        parts += [f"<p>no {escape(name)}: {escape(reason)}</p>" for name, reason in self.refused.items()]
        codes = page.codes_html()
        parts.append(f"<details><summary>codes</summary>{codes}</details>" if codes else "")
        return f'{STYLE}<div class="twp-t">{"".join(parts)}</div>'


def _shown(table: Result) -> str:
    """The numbers. A distribution shows a plot first, with the numbers folded away below."""
    picture = "" if table.view == View.describe else svg_bars(table)
    numbers = table_html(table)
    return f"{picture}<details><summary>numbers</summary>{numbers}</details>" if picture else numbers
